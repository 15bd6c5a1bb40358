"""Rules for how an analysis goes forward and how it ends: weights and iterations."""

from collections.abc import Iterator

from canary.api.analysis import CanaryAnalysis
from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.api.schema import as_written

_PERCENT_FIELDS = {
    "stepWeight": "step_weight",
    "maxWeight": "max_weight",
    "stepWeightPromotion": "step_weight_promotion",
    "mirrorWeight": "mirror_weight",
    "primaryReadyThreshold": "primary_ready_threshold",
    "canaryReadyThreshold": "canary_ready_threshold",
}


_CAPPED = ("stepWeight", "stepWeightPromotion", "mirrorWeight")
_WEIGHT_FIELDS = {"stepWeight": "step_weight", "stepWeights": "step_weights", "maxWeight": "max_weight"}


def threshold_can_be_reached(canary: Canary) -> Iterator[Problem]:
    """Refuse less than nothing; it is read as 1, and so is 0, which is Flagger's default."""
    analysis = canary.analysis
    if analysis is not None and analysis.threshold < 0:
        path, allowed = f"{canary.analysis_path}.threshold", "1 or more failed checks (0 is read as 1)"
        yield Problem(path, analysis.threshold, allowed, spares_stored=True)


def percentages_are_percentages(canary: Canary) -> Iterator[Problem]:
    """Refuse what no percentage can be; warn of what goes beyond an end and, as in Flagger, is read as that end."""
    for alias, field in _PERCENT_FIELDS.items():
        percent = getattr(canary.analysis, field, None)
        if percent is None or 0 <= percent <= canary.total_weight:
            continue
        is_capped = percent < 0 if alias == "maxWeight" else percent > 0 and alias in _CAPPED
        allowed = "a percentage from 0 to 100" + ("; read as 100" if is_capped else "")
        yield Problem(f"{canary.analysis_path}.{alias}", percent, allowed, is_warning=is_capped)


def step_weights_are_steps(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is None or "step_weights" not in analysis.model_fields_set:
        return
    path = f"{canary.analysis_path}.stepWeights"
    if not analysis.step_weights and (analysis.step_weight or analysis.iterations):
        yield Problem(path, [], "at least one weight, e.g. [5, 20, 50], or nothing", is_warning=True)
    for index, weight in enumerate(analysis.step_weights):
        if not 1 <= weight <= canary.total_weight:
            is_capped = weight > canary.total_weight
            allowed = "a weight from 1 to 100" + ("; read as 100" if is_capped else "")
            yield Problem(f"{path}[{index}]", weight, allowed, is_warning=is_capped)


def steps_are_given_once(canary: Canary) -> Iterator[Problem]:
    """Warn of two kinds of steps.

    Source: Flagger's `nextStepWeight`, which takes stepWeight first, and `maxWeight`, which takes stepWeights.
    """
    analysis = canary.analysis
    if analysis is not None and analysis.step_weight and analysis.step_weights:
        allowed = (
            f"either stepWeight or stepWeights; with both, the weight grows by stepWeight up to the last of "
            f"stepWeights ({analysis.step_weights[-1]})"
        )
        yield Problem(f"{canary.analysis_path}.stepWeight", analysis.step_weight, allowed, is_warning=True)


def iterations_stand_alone(canary: Canary) -> Iterator[Problem]:
    """Warn of weights beside iterations, which go before them (Flagger's `DeploymentStrategy`)."""
    analysis = canary.analysis
    if analysis is None or not analysis.iterations:
        return
    kind = "A/B test" if analysis.match else "blue/green release"
    allowed = f"nothing beside iterations, which go before it: this is {'an' if analysis.match else 'a'} {kind}"
    for alias, field in _WEIGHT_FIELDS.items():
        if written := getattr(analysis, field):
            yield Problem(f"{canary.analysis_path}.{alias}", as_written(written), allowed, is_warning=True)


def match_has_iterations(canary: Canary) -> Iterator[Problem]:
    """Warn of match conditions beside weights: they choose among whom the weight grows."""
    analysis = canary.analysis
    if canary.strategy == "canary-by-match" and analysis is not None and _has_steps(analysis):
        allowed = (
            "1 or more for an A/B test; without iterations the weight grows in steps, among the requests that match"
        )
        path = f"{canary.analysis_path}.iterations"
        yield Problem(path, _if_written(analysis, "iterations"), allowed, is_warning=True)


def analysis_can_end(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is None or canary.is_analysis_skipped or _has_steps(analysis) or analysis.iterations:
        return
    allowed = "one of stepWeight, stepWeights and iterations, for without them the analysis has no end"
    yield Problem(canary.analysis_path, as_written(analysis), allowed)


def analysis_is_given_once(canary: Canary) -> Iterator[Problem]:
    if canary.spec.analysis is not None and canary.spec.canary_analysis is not None:
        allowed = "nothing beside spec.analysis, which replaces it"
        yield Problem("spec.canaryAnalysis", as_written(canary.spec.canary_analysis), allowed, is_warning=True)


def step_fits_under_max_weight(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is not None and 0 < analysis.max_weight < analysis.step_weight:
        allowed = f"at most maxWeight {analysis.max_weight}; the first step goes over it"
        yield Problem(f"{canary.analysis_path}.stepWeight", analysis.step_weight, allowed, is_warning=True)


def step_weights_rise(canary: Canary) -> Iterator[Problem]:
    weights = canary.analysis.step_weights if canary.analysis is not None else ()
    for index in range(1, len(weights)):
        if weights[index] <= weights[index - 1]:
            allowed = (
                f"more than the step before it, {weights[index - 1]}; the canary's weight never falls in an analysis"
            )
            path = f"{canary.analysis_path}.stepWeights[{index}]"
            yield Problem(path, weights[index], allowed, is_warning=True)


def max_weight_counts(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is not None and analysis.max_weight and analysis.step_weights:
        allowed = f"nothing beside stepWeights, whose last weight is the highest ({analysis.step_weights[-1]})"
        yield Problem(f"{canary.analysis_path}.maxWeight", analysis.max_weight, allowed, is_warning=True)


def deadline_leaves_time(canary: Canary) -> Iterator[Problem]:
    if canary.progress_deadline_s == 0:
        allowed = "1 or more; at 0 a workload that is not ready at once ends the run"
        yield Problem("spec.progressDeadlineSeconds", 0, allowed, is_warning=True)


def _has_steps(analysis: CanaryAnalysis) -> bool:
    return bool(analysis.step_weight or analysis.step_weights)


def _if_written(analysis: CanaryAnalysis, field: str) -> object:
    return getattr(analysis, field) if field in analysis.model_fields_set else None


ANALYSIS_RULES = (
    threshold_can_be_reached,
    percentages_are_percentages,
    step_weights_are_steps,
    steps_are_given_once,
    iterations_stand_alone,
    match_has_iterations,
    analysis_can_end,
    analysis_is_given_once,
    step_fits_under_max_weight,
    step_weights_rise,
    max_weight_counts,
    deadline_leaves_time,
)
