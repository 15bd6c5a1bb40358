"""A case of a rule: what is changed in the good Canary, and the one problem that follows."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules.canary import Rule, check_canary

GOOD_CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "podinfo", "namespace": "test", "uid": "u-1", "generation": 3},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"},
        "service": {"port": 9898},
        "analysis": {
            "interval": "10s",
            "threshold": 5,
            "stepWeight": 5,
            "maxWeight": 50,
            "metrics": [
                {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
                {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"},
            ],
            "webhooks": [
                {"name": "acceptance", "type": "pre-rollout", "url": "http://loadtester.test/", "timeout": "10s"},
                {"name": "load", "url": "http://loadtester.test/"},
            ],
        },
    },
}

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]
Case = tuple[Rule, Mapping[str, object], Problem]


def good_canary_with(changes: Mapping[str, object]) -> dict[str, Any]:
    """Return the good Canary with values put at paths such as `analysis/metrics/0/name` of its spec; `...` removes."""
    obj = deepcopy(GOOD_CANARY)
    for path, value in changes.items():
        *holders, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        holder: Any = obj["spec"]
        for part in holders:
            holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
        if value is ...:
            del holder[last]
        elif last == len(holder):
            holder.append(value)
        else:
            holder[last] = value
    return obj


def ab_test(*entries: Mapping[str, object]) -> dict[str, object]:
    """Return the change that makes the good Canary an A/B test of these match entries."""
    checks = [{"name": "request-duration", "thresholdRange": {"max": 500}}]
    return {"analysis": {"interval": "10s", "threshold": 1, "iterations": 5, "match": list(entries), "metrics": checks}}


def case_name(value: object) -> str:
    """Return the rule's own name for it in a test's name, and nothing for the rest of the case."""
    return getattr(value, "__name__", "")


def assert_only_problem(canary: Canary, rule: Rule, problem: Problem) -> None:
    """Assert that the rule finds `problem`, and that no rule refuses anything else."""
    assert tuple(rule(canary)) == (problem,)
    assert problem in check_canary(canary)
    assert [other for other in check_canary(canary) if other != problem and not other.is_warning] == []
