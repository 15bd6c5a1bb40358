"""Canaries for tests: the guide's, with whatever a test wants different."""

from typing import Any

from canary.api.canary import Canary
from canary.rules.shape import parse_canary

GUIDE_ANALYSIS: dict[str, Any] = {
    "interval": "10s",
    "threshold": 5,
    "maxWeight": 50,
    "stepWeight": 5,
    "metrics": [
        {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
        {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"},
    ],
    "webhooks": [
        {
            "name": "acceptance-test",
            "type": "pre-rollout",
            "url": "http://flagger-loadtester.test/",
            "timeout": "10s",
            "metadata": {"type": "bash", "cmd": "curl -sd 'test' http://podinfo-canary:9898/token | grep token"},
        },
        {
            "name": "load-test",
            "url": "http://flagger-loadtester.test/",
            "timeout": "5s",
            "metadata": {"cmd": "hey -z 2m -q 5 -c 2 -host app.example.com http://gateway-proxy.gloo-system"},
        },
    ],
}


def canary_object(analysis: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return the guide's Canary as a dict; `analysis` entries replace the guide's, None removes one."""
    merged = {key: value for key, value in (GUIDE_ANALYSIS | (analysis or {})).items() if value is not None}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": "test", "uid": "c-1", "generation": 1},
        "spec": {
            "provider": "gloo",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 9898, "targetPort": 9898},
            "analysis": merged,
        }
        | spec,
    }


def canary(analysis: dict[str, Any] | None = None, **spec: Any) -> Canary:
    """Return the guide's Canary, parsed."""
    return parse_canary(canary_object(analysis, **spec))


def with_spec(before: Canary, **fields: Any) -> Canary:
    """Return a canary with other fields in its spec."""
    return before.model_copy(update={"spec": before.spec.model_copy(update=fields)})
