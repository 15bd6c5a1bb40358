"""A check of the test's own, which passes or fails as the test wants: its MetricTemplate is applied again."""

from typing import Any

_PROMETHEUS = "http://flagger-prometheus.gloo-system:9090"
_NOBODY = "http://nowhere.invalid:9090"

OWN_METRIC: dict[str, Any] = {
    "name": "own",
    "templateRef": {"name": "own"},
    "thresholdRange": {"min": 1},
    "interval": "10s",
}


def own_metric(*, is_passing: bool = True, is_askable: bool = True) -> dict[str, Any]:
    """Return the MetricTemplate that OWN_METRIC refers to; if it is not askable, nobody answers and runs are held."""
    provider = {"type": "prometheus", "address": _PROMETHEUS if is_askable else _NOBODY}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "own"},
        "spec": {"provider": provider, "query": f"vector({int(is_passing)})"},
    }
