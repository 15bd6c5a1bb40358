"""Rules for `analysis.steps` and `analysis.bake`: shares of the traffic that each have a time of their own."""

from collections.abc import Iterator

from canary.api.analysis import CanaryAnalysis, CanaryStep
from canary.api.canary import TOTAL_WEIGHT_PERCENT, Canary
from canary.api.problems import Problem
from canary.api.schema import as_written

_INSTEAD_OF = {
    "stepWeight": "step_weight",
    "stepWeights": "step_weights",
    "maxWeight": "max_weight",
    "iterations": "iterations",
}


def steps_stand_alone(canary: Canary) -> Iterator[Problem]:
    """Refuse other fields that say how the weight grows: nobody can tell which ones are meant."""
    analysis = canary.analysis
    if analysis is None or not analysis.steps:
        return
    allowed = "nothing beside steps, which have all weights"
    for alias, field in _INSTEAD_OF.items():
        if written := getattr(analysis, field):
            because = "; an A/B test or a blue/green release has no weights" if alias == "iterations" else ""
            yield Problem(f"{canary.analysis_path}.{alias}", as_written(written), allowed + because)


def some_steps_are_given(canary: Canary) -> Iterator[Problem]:
    """Warn of an empty list beside what is used in its place; where there is nothing else, the analysis has no end."""
    analysis = canary.analysis
    if analysis is None or analysis.steps or "steps" not in analysis.model_fields_set:
        return
    if any(getattr(analysis, field) for field in _INSTEAD_OF.values()):
        allowed = "at least one step, e.g. [{weight: 20, duration: 10m}], or nothing"
        yield Problem(f"{canary.analysis_path}.steps", [], allowed, is_warning=True)


def steps_have_weights(canary: Canary) -> Iterator[Problem]:
    """Refuse what no share can be, and one that falls; warn of one that nobody gets."""
    before = 0
    for path, step in _steps(canary):
        if not 0 <= step.weight <= TOTAL_WEIGHT_PERCENT:
            yield Problem(f"{path}.weight", step.weight, "a weight from 0 to 100")
            continue
        if step.weight < before:
            allowed = f"at least the weight of the steps before it, {before}; it never falls in an analysis"
            yield Problem(f"{path}.weight", step.weight, allowed)
        elif step.weight == 0:
            allowed = "1 or more; with 0 nobody is routed to the canary, and checks need requests of their own"
            yield Problem(f"{path}.weight", 0, allowed, is_warning=True)
        before = max(before, step.weight)


def steps_have_one_end(canary: Canary) -> Iterator[Problem]:
    """Refuse a step that ends in two ways, and a pause that is to end by itself, which is Argo's way to say it."""
    for path, step in _steps(canary):
        if step.pause:
            allowed = "{}, a pause until somebody resumes the run; for a time write duration in its place"
            yield Problem(f"{path}.pause", step.pause, allowed)
        elif step.is_pause and step.duration:
            allowed = "either duration or pause; for one after the other write two steps of the same weight"
            yield Problem(path, as_written(step), allowed)


def steps_last_for_an_interval(canary: Canary) -> Iterator[Problem]:
    """Warn of times that are over before the first checks: nothing goes on without those."""
    analysis = canary.analysis
    if analysis is None:
        return
    times = [(f"{path}.duration", step.duration, step.duration_s) for path, step in _steps(canary)]
    times.append((f"{canary.analysis_path}.bake", analysis.bake, analysis.bake_s))
    for path, written, duration_s in times:
        if written and duration_s < canary.interval_s:
            allowed = f"at least the interval, {_interval(analysis)}; it lasts until checks have passed"
            yield Problem(path, written, allowed, is_warning=True)


def bake_is_analysed(canary: Canary) -> Iterator[Problem]:
    """Warn of a bake that never comes."""
    analysis = canary.analysis
    if analysis is not None and analysis.bake_s and canary.spec.skip_analysis:
        allowed = "nothing beside skipAnalysis: true, with which every revision is promoted at once"
        yield Problem(f"{canary.analysis_path}.bake", analysis.bake, allowed, is_warning=True)


def _steps(canary: Canary) -> Iterator[tuple[str, CanaryStep]]:
    steps = canary.analysis.steps if canary.analysis is not None else ()
    for index, step in enumerate(steps):
        yield f"{canary.analysis_path}.steps[{index}]", step


def _interval(analysis: CanaryAnalysis) -> str:
    return analysis.interval or "60s"


STEP_RULES = (
    steps_stand_alone,
    some_steps_are_given,
    steps_have_weights,
    steps_have_one_end,
    steps_last_for_an_interval,
    bake_is_analysed,
)
