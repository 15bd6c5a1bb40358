"""All rules for a Canary."""

from collections.abc import Callable, Iterable

from canary.model.canary import GLOO, Canary
from canary.problems import Problem
from canary.rules.gloo import GLOO_RULES
from canary.rules.matching import MATCHING_RULES
from canary.rules.metrics import METRIC_RULES
from canary.rules.pace import PACE_RULES
from canary.rules.service import SERVICE_RULES
from canary.rules.target import TARGET_RULES
from canary.rules.webhooks import WEBHOOK_RULES

Rule = Callable[[Canary], Iterable[Problem]]

RULES: tuple[Rule, ...] = (
    *TARGET_RULES,
    *SERVICE_RULES,
    *PACE_RULES,
    *MATCHING_RULES,
    *METRIC_RULES,
    *WEBHOOK_RULES,
    *GLOO_RULES,
)


def check_canary(canary: Canary) -> tuple[Problem, ...]:
    """Errors and warnings. A canary of another provider is none of our business, so nothing is wrong with it."""
    if canary.provider != GLOO:
        return ()
    return tuple(problem for rule in RULES for problem in rule(canary))
