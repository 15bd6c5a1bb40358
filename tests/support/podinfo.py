"""The guide's podinfo as the API server stores it: the canary, its Deployment and its HPA."""

from copy import deepcopy
from typing import Any

from canary.api.canary import Canary
from canary.rules.shape import parse_canary

Json = dict[str, Any]


def canary_object(*, service: Json | None = None, **spec: Any) -> Json:
    """The guide's Canary; `service` and the further fields are merged into its spec."""
    wanted: Json = {
        "provider": "gloo",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {
            "apiVersion": "autoscaling/v2beta2",
            "kind": "HorizontalPodAutoscaler",
            "name": "podinfo",
        },
        "service": {"port": 9898, "targetPort": 9898} | (service or {}),
        "analysis": {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5},
    }
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": "test", "uid": "canary-uid", "generation": 1},
        "spec": wanted | spec,
    }


def podinfo_canary(*, service: Json | None = None, **spec: Any) -> Canary:
    """`canary_object`, parsed."""
    return parse_canary(canary_object(service=service, **spec))


def podinfo_deployment(**pod_spec: Any) -> Json:
    """The guide's Deployment, two replicas; further fields go into its pod spec."""
    container = {
        "name": "podinfod",
        "image": "stefanprodan/podinfo:3.1.0",
        "ports": [
            {"name": "http", "containerPort": 9898, "protocol": "TCP"},
            {"name": "http-metrics", "containerPort": 9797, "protocol": "TCP"},
            {"containerPort": 9999, "protocol": "TCP"},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "test", "uid": "target-uid", "generation": 3, "labels": {}},
        "spec": {
            "replicas": 2,
            "minReadySeconds": 5,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": {"app": "podinfo"}},
            "template": {
                "metadata": {"labels": {"app": "podinfo"}, "annotations": {"prometheus.io/scrape": "true"}},
                "spec": {"containers": [container]} | pod_spec,
            },
        },
    }


def podinfo_daemonset(**pod_spec: Any) -> Json:
    """podinfo as a DaemonSet."""
    deployment = podinfo_deployment(**pod_spec)
    spec = deployment["spec"]
    return {
        **deployment,
        "kind": "DaemonSet",
        "spec": {
            "selector": spec["selector"],
            "minReadySeconds": 5,
            "updateStrategy": {"type": "RollingUpdate"},
            "template": spec["template"],
        },
    }


def podinfo_hpa() -> Json:
    """The guide's HPA, as version v2."""
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "podinfo", "namespace": "test", "labels": {"team": "a"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [metric],
        },
    }


def stored(rendered: Json) -> Json:
    """A rendered body as the API server gives it back after its creation."""
    metadata = rendered["metadata"] | {"uid": "stored-uid", "resourceVersion": "7", "generation": 1}
    return deepcopy(rendered) | {"metadata": deepcopy(metadata)}
