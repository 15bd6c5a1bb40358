"""What a user applies for each canary: its Deployment, of hollow pods, and the Canary. One metric serves all."""

from typing import Any, Final

from sandbox.node.hollow import ANNOTATION

NAMESPACE: Final = "bench-scale"
CONTAINER: Final = "podinfod"
STEPS: Final = (10, 20, 30, 40, 50)
INTERVAL_S: Final = 10

_METRIC: Final = "constant"
_PROMETHEUS: Final = "http://flagger-prometheus.gloo-system:9090"


def names(count: int) -> list[str]:
    """Return the names of so many canaries."""
    return [f"app-{number:04}" for number in range(count)]


def applied(count: int, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """Return all that is applied for so many canaries: two objects of each, their namespace and their metric."""
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    each = [made for name in names(count) for made in (_deployment(name, namespace), _canary(name, namespace))]
    return [own, _metric(namespace), *each]


def image(tag: int) -> str:
    """Return the image that all workloads get at once."""
    return f"stefanprodan/podinfo:6.0.{tag}"


def events_of(name: str) -> set[str]:
    """Return how the texts of the events of one whole run begin."""
    full = f"{name}.{NAMESPACE}"
    told = {f"Advance {full} canary weight {weight}" for weight in STEPS}
    return told | {
        f"New revision detected! Scaling up {full}",
        f"Starting canary analysis for {full}",
        f"Promotion completed! Scaling down {full}",
    }


def _deployment(name: str, namespace: str) -> dict[str, Any]:
    container = {
        "name": CONTAINER,
        "image": image(0),
        "command": ["./podinfo", "--port=9898"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
    }
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": {ANNOTATION: "true"}},
        "spec": {"containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def _canary(name: str, namespace: str) -> dict[str, Any]:
    analysis = {
        "interval": f"{INTERVAL_S}s",
        "threshold": 5,
        "maxWeight": STEPS[-1],
        "stepWeight": STEPS[0],
        "metrics": [
            {"name": _METRIC, "templateRef": {"name": _METRIC}, "thresholdRange": {"min": 99}, "interval": "1m"}
        ],
    }
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": {"port": 9898},
            "analysis": analysis,
        },
    }


def _metric(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": _METRIC, "namespace": namespace},
        "spec": {"provider": {"type": "prometheus", "address": _PROMETHEUS}, "query": "vector(100)"},
    }
