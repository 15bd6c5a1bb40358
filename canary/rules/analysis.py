"""Rules for how an analysis goes forward and how it ends: weights and iterations."""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial

from canary.api.analysis import CanaryAnalysis
from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.api.problems import Described, Problem
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
_ENDS = ("stepWeight", "stepWeights", "steps", "iterations")

# Asked in the course of an analysis; what they answer decides how it goes on.
_DECIDING_HOOKS = ("rollout", "rollback", "confirm-traffic-increase", "confirm-promotion")

_refused = partial(Problem, spares_stored=True)


def analysis_is_there(canary: Canary) -> Iterator[Problem]:
    """Warn of its absence: a misspelt or misplaced one leaves every revision unanalysed."""
    if canary.lacks_analysis:
        allowed = (
            "an analysis; without one every revision is promoted unanalysed (skipAnalysis: true says that it is meant)"
        )
        yield Problem("spec.analysis", None, allowed, is_warning=True)


def something_is_checked(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is None or canary.is_analysis_skipped or any(_decides(hook) for hook in analysis.webhooks):
        return
    if analysis.metrics and all(metric.dry_run for metric in analysis.metrics):
        allowed = (
            "at least one metric without it, or a webhook of type rollout; dry runs decide nothing, and every revision "
            "whose pods get ready is promoted"
        )
        yield Problem(f"{canary.analysis_path}.metrics[0].dryRun", found=True, allowed=allowed, is_warning=True)
    elif not analysis.metrics:
        allowed = (
            "metrics, or a webhook of type rollout; with neither nothing is checked, and every revision whose pods get "
            "ready is promoted"
        )
        found: list[object] | None = [] if "metrics" in analysis.model_fields_set else None
        yield Problem(f"{canary.analysis_path}.metrics", found, allowed, is_warning=True)


def threshold_can_be_reached(canary: Canary) -> Iterator[Problem]:
    """Refuse less than nothing; it is read as 1, and so is 0, which is Flagger's default."""
    analysis = canary.analysis
    if analysis is not None and analysis.threshold < 0:
        allowed = "1 or more failed checks (0 is read as 1)"
        yield _refused(f"{canary.analysis_path}.threshold", analysis.threshold, allowed)


def ready_means_something(canary: Canary) -> Iterator[Problem]:
    """Warn of a share of ready pods of which none is needed, and of a deadline that is over when it begins."""
    analysis = canary.analysis
    if analysis is None:
        return
    for alias, percent in (
        ("primaryReadyThreshold", analysis.primary_ready_threshold),
        ("canaryReadyThreshold", analysis.canary_ready_threshold),
    ):
        if percent == 0:
            allowed = "1 to 100 percent of the pods; at 0 a side counts as ready without a single one"
            yield Problem(f"{canary.analysis_path}.{alias}", 0, allowed, is_warning=True)
    if analysis.unobserved_deadline_seconds == 0:
        allowed = "1 or more; at 0 the first check without an answer rolls back"
        yield Problem(f"{canary.analysis_path}.unobservedDeadlineSeconds", 0, allowed, is_warning=True)


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
            allowed = "a weight from 1 to 100"
            if weight >= 0:
                allowed += "; read as 100" if weight else "; with 0 nobody is routed to the canary, and it is left out"
            yield Problem(f"{path}[{index}]", weight, allowed, is_warning=weight >= 0)


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
    allowed = "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end"
    for unknown in analysis.model_extra or {}:
        for meant in get_close_matches(unknown.lower(), [end.lower() for end in _ENDS], n=1, cutoff=0.8):
            end = next(end for end in _ENDS if end.lower() == meant)
            yield Problem(canary.analysis_path, Described(unknown), f"{end}; or else {allowed}")
            return
    yield Problem(canary.analysis_path, _ends(analysis), allowed)


def analysis_is_given_once(canary: Canary) -> Iterator[Problem]:
    if canary.spec.analysis is not None and canary.spec.canary_analysis is not None:
        allowed = "nothing beside spec.analysis, which replaces it"
        yield Problem("spec.canaryAnalysis", as_written(canary.spec.canary_analysis), allowed, is_warning=True)


def step_fits_under_max_weight(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is not None and 0 < analysis.max_weight < analysis.step_weight <= canary.total_weight:
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
    return bool(analysis.step_weight or any(analysis.step_weights) or analysis.steps)


def _ends(analysis: CanaryAnalysis) -> dict[str, object] | None:
    """Return what is written of the fields that give an analysis an end."""
    written: dict[str, object] = as_written(analysis)
    return {end: written[end] for end in _ENDS if end in written} or None


def _decides(hook: CanaryWebhook) -> bool:
    return hook.type_effective in _DECIDING_HOOKS


def _if_written(analysis: CanaryAnalysis, field: str) -> object:
    return getattr(analysis, field) if field in analysis.model_fields_set else None


ANALYSIS_RULES = (
    analysis_is_there,
    something_is_checked,
    threshold_can_be_reached,
    ready_means_something,
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
