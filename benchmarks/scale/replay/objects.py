"""What users apply for one canary, as `kubectl apply` sends it."""

import json
from typing import Any, Final

from canary.run.mark import Mark
from canary.run.revision import revision_of

Object = dict[str, Any]

NAMESPACE_SIZE: Final = 100
"""Canaries in a namespace."""

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_IMAGE: Final = "stefanprodan/podinfo"


def namespace_of(number: int) -> str:
    """Return the namespace of a canary."""
    return f"team-{number // NAMESPACE_SIZE}"


def name_of(number: int) -> str:
    """Return the name of a canary, and of all that is its."""
    return f"app-{number}"


def applied(obj: Object) -> Object:
    """Return an object with kubectl's copy of it."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations", {}) | {_LAST_APPLIED: json.dumps(obj, separators=(",", ":")) + "\n"}
    return obj | {"metadata": metadata | {"annotations": annotations}}


def deployment(number: int) -> Object:
    """Return a target of some 2 KiB: with probes, ports, env and resources."""
    name = name_of(number)
    probe = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 1}
    container = {
        "name": "podinfod",
        "image": f"{_IMAGE}:3.1.0",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898", "--level=info"],
        "ports": [{"name": "http", "containerPort": 9898, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{key}", "value": f"value {key} of {name}"} for key in range(10)],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "512Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": name}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace_of(number), "labels": {"app": name}},
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def virtual_service(number: int) -> Object:
    """Return what leads a host to the canary's RouteTable."""
    name, namespace = name_of(number), namespace_of(number)
    route = {"matchers": [{"prefix": "/"}], "delegateAction": {"ref": {"name": name, "namespace": namespace}}}
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"virtualHost": {"domains": [f"{name}.{namespace}.example.com"], "routes": [route]}},
    }


def canary(number: int) -> Object:
    """Return a canary of five steps to 50 %, each an interval of 10 s, with one check."""
    check = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name_of(number), "namespace": namespace_of(number)},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name_of(number)},
            "service": {"port": 9898},
            "analysis": {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 10, "metrics": [check]},
        },
    }


def set_image(target: Object, tag: str) -> None:
    """Change a Deployment's image, and mark it as the webhook does."""
    container = target["spec"]["template"]["spec"]["containers"][0]
    before, container["image"] = container["image"], f"{_IMAGE}:{tag}"
    changed = f"podinfod image {before.rpartition(':')[2]} -> {tag}"
    mark = Mark(revision_of(target["spec"]["template"]), changed, "alice@example.com")
    target["metadata"]["annotations"] |= mark.annotations()
