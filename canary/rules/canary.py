"""All rules for a Canary."""

from collections.abc import Callable, Iterable

from canary.api.canary import GLOO, Canary
from canary.api.problems import Problem
from canary.rules.affinity import AFFINITY_RULES
from canary.rules.alerts import ALERT_RULES
from canary.rules.analysis import ANALYSIS_RULES
from canary.rules.evidence import EVIDENCE_RULES
from canary.rules.gateway_texts import GATEWAY_TEXT_RULES
from canary.rules.gloo import GLOO_RULES
from canary.rules.matching import MATCHING_RULES
from canary.rules.metrics import METRIC_RULES
from canary.rules.object_names import OBJECT_NAME_RULES
from canary.rules.patterns import PATTERN_RULES
from canary.rules.routing import ROUTING_RULES
from canary.rules.run_numbers import RUN_NUMBER_RULES
from canary.rules.service import SERVICE_RULES
from canary.rules.steps import STEP_RULES
from canary.rules.target import TARGET_RULES
from canary.rules.unknown_fields import UNKNOWN_FIELD_RULES
from canary.rules.webhooks import WEBHOOK_RULES

OTHER_PROVIDERS = (
    *("apisix", "appmesh", "appmesh:v1beta2", "contour", "gatewayapi:v1", "gatewayapi:v1beta1", "istio", "knative"),
    *("kubernetes", "kuma", "linkerd", "nginx", "osm", "skipper", "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3"),
    "traefik",
)
"""Those that Flagger's CRD knows beside gloo; their canaries are left untouched."""

Rule = Callable[[Canary], Iterable[Problem]]

RULES: tuple[Rule, ...] = (
    *TARGET_RULES,
    *OBJECT_NAME_RULES,
    *SERVICE_RULES,
    *ROUTING_RULES,
    *RUN_NUMBER_RULES,
    *GATEWAY_TEXT_RULES,
    *ANALYSIS_RULES,
    *STEP_RULES,
    *AFFINITY_RULES,
    *MATCHING_RULES,
    *PATTERN_RULES,
    *METRIC_RULES,
    *EVIDENCE_RULES,
    *WEBHOOK_RULES,
    *ALERT_RULES,
    *GLOO_RULES,
    *UNKNOWN_FIELD_RULES,
)


def check_canary(canary: Canary) -> tuple[Problem, ...]:
    """Return errors and warnings; none for a canary of another provider, which is left untouched."""
    if canary.provider != GLOO:
        return ()
    return tuple(problem for rule in RULES for problem in rule(canary))
