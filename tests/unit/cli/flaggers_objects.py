"""Objects as a cluster with Flagger has them: its canaries, itself, its CRDs."""

from typing import Any

from tests.unit.cli.cluster_api import Object
from tests.unit.cli.installed import GLOO, deployment, of_cluster

HELM = {"meta.helm.sh/release-name": "flagger", "meta.helm.sh/release-namespace": GLOO}


def flaggers(name: str = "podinfo", *, phase: str = "Succeeded", provider: str = "gloo", **analysis: Any) -> Object:
    """A canary as Flagger left it."""
    found: Object = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": {"port": 9898},
            "analysis": {
                "interval": "1m",
                "threshold": 5,
                "stepWeight": 10,
                "maxWeight": 50,
                "metrics": [{"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}}],
                **analysis,
            },
        },
        "status": {"phase": phase, "canaryWeight": 0, "lastAppliedSpec": "7f9c", "conditions": []},
    }
    return found if not provider else {**found, "spec": {**found["spec"], "provider": provider}}


def flagger(namespace: str = GLOO, *args: str, release: bool = True) -> Object:
    found = deployment("flagger", "ghcr.io/fluxcd/flagger:1.44.0", namespace, app="flagger")
    found["metadata"]["annotations"] = HELM if release else {}
    found["spec"]["template"]["spec"]["containers"][0]["args"] = ["-mesh-provider=gloo", *args]
    return found


def crd(annotations: dict[str, str]) -> Object:
    return of_cluster({"metadata": {"name": "canaries.flagger.app", "annotations": annotations}})
