"""What is written into a Canary as it is applied: its defaults, and who asks something of its run. Never denies.

A webhook that comes after this one may mend what is wrong, and after the last of them the validating one judges. But
the rules of the CRD come before that: what they refuse is told here already, as warnings, or the user would mend and
apply once more to hear of the rest.
"""

import re
from typing import Final

from canary.rules.shape import misshapen_paths
from webhook.context import AdmissionContext
from webhook.defaulting import default_canary
from webhook.requesters import mark_requester
from webhook.review import Answer, Request
from webhook.validating import validate_canary

_INDEX: Final = re.compile(r"\[\d+\]")

REFUSED_BY_THE_CRD: Final = frozenset(
    {
        "spec",
        "spec.analysis",
        "spec.analysis.interval",
        "spec.analysis.maxWeight",
        "spec.analysis.metrics[].thresholdRange",
        "spec.analysis.stepWeight",
        "spec.analysis.stepWeights[]",
        "spec.analysis.webhooks[].type",
        "spec.autoscalerRef.kind",
        "spec.provider",
        "spec.service.port",
        "spec.service.trafficDistribution",
        "spec.targetRef.kind",
        "spec.upstreamRef.kind",
    }
)
"""Where problems of right types stand that the schema refuses too, by its enumerations and CEL rules."""


def mutate_canary(request: Request, context: AdmissionContext) -> Answer:
    """Return the patch, with warnings of what the CRD is about to refuse."""
    defaults = default_canary(request)
    patch = (*defaults.patch, *mark_requester(request))
    return Answer(patch, (*defaults.warnings, *_refused_before_it_is_judged(request, context)))


def _refused_before_it_is_judged(request: Request, context: AdmissionContext) -> tuple[str, ...]:
    refusal = validate_canary(request, context).refusal
    if refusal is None:
        return ()
    fields = {cause.field for cause in refusal.causes}
    is_refused = not REFUSED_BY_THE_CRD.isdisjoint(_INDEX.sub("[]", field) for field in fields)
    if not is_refused and misshapen_paths(request.object).isdisjoint(fields):
        return ()
    return tuple(f"{cause.field}: {cause.message}" for cause in refusal.causes)
