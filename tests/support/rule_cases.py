"""A case of a rule: what is changed in the good Canary, and the one problem that follows."""

from collections.abc import Callable, Mapping
from typing import Any

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules.canary import Rule, check_canary

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]
Case = tuple[Rule, Mapping[str, object], Problem]


def ab_test(*entries: Mapping[str, object]) -> dict[str, object]:
    """Return the change that makes the good Canary an A/B test of these match entries."""
    return {"analysis": {"interval": "10s", "threshold": 1, "iterations": 5, "match": list(entries)}}


def case_name(value: object) -> str:
    """Return the rule's own name for it in a test's name, and nothing for the rest of the case."""
    return getattr(value, "__name__", "")


def assert_only_problem(canary: Canary, rule: Rule, problem: Problem) -> None:
    """Assert that the rule finds `problem`, and that no rule refuses anything else."""
    assert tuple(rule(canary)) == (problem,)
    assert problem in check_canary(canary)
    assert [other for other in check_canary(canary) if other != problem and not other.is_warning] == []
