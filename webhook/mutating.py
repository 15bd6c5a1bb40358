"""What is written into a Canary as it is applied: its defaults, and who asks something of its run.

A webhook that comes after this one may mend what is wrong, and after the last of them the validating one judges. But
the schema and the rules of the CRD come before that, and they know only the worst of the problems: what they refuse is
refused here already, with all the rest, or the user would mend and apply once more to hear of that.
"""

import re
from typing import Final

from canary.rules.shape import misshapen_paths
from webhook.context import AdmissionContext
from webhook.defaulting import default_canary
from webhook.requesters import mark_requester
from webhook.review import Answer, Refusal, Request
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
        "spec.analysis.steps[]",
        "spec.analysis.steps[].pause",
        "spec.analysis.steps[].weight",
        "spec.analysis.iterations",
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
    """Return the patch; a refusal only of what the CRD would refuse next."""
    judged = validate_canary(request, context)
    if judged.refusal is not None and _is_refused_by_the_crd(request, judged.refusal):
        return judged
    defaults = default_canary(request)
    return Answer((*defaults.patch, *mark_requester(request)), defaults.warnings)


def _is_refused_by_the_crd(request: Request, refusal: Refusal) -> bool:
    fields = {cause.field for cause in refusal.causes}
    is_ruled_out = not REFUSED_BY_THE_CRD.isdisjoint(_INDEX.sub("[]", field) for field in fields)
    return is_ruled_out or not misshapen_paths(request.object).isdisjoint(fields)
