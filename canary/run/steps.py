"""The steps of an analysis: weights, iterations and mirroring.

Source: Flagger 1.44, `runCanary`, `runAB`, `runBlueGreen`, `nextStepWeight`, `maxWeight` and `runPromotionTrafficShift`
in `pkg/controller/scheduler.go`.
"""

from dataclasses import dataclass, field
from typing import Final

from canary.api.analysis import CanaryStep
from canary.api.canary import Canary
from canary.run.traffic import TOTAL_PERCENT, Traffic

_PAUSE: Final = "pause"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an analysis stands: the split of its traffic, the iterations begun, and which of `analysis.steps` it is.

    `number` counts those from 1; it is 0 without them, and before the first.

    A split that `includes_unmatched` is that of the last step, in which the canary side carries everything before the
    primary is promoted. The session cookie is none of a step's business.
    """

    traffic: Traffic = field(default_factory=Traffic)
    iterations: int = 0
    number: int = 0

    @property
    def carries_everything(self) -> bool:
        """Return whether it is the step before the promotion in which all requests go to the canary side."""
        return self.traffic.includes_unmatched


def next_step(
    canary: Canary, present: Step | None, *, rollout_interrupts_primary: bool = False, is_primary_lost: bool = False
) -> Step | None:
    """Return the step after `present` (None: the analysis has not begun), None when the analysis is at its end.

    Weights: with `mirror` one step of mirroring comes before the first weight. A/B: the matched requests go to the
    canary at once, and each step counts an iteration. Blue/green: no traffic, or copies of it, for all iterations; then
    one step with all the traffic. The others have such a step where the rollout of the primary leaves it without a pod.
    Where the primary has none anyway, that step is the next one: all who are not on the canary side get no answer.
    """
    if present is not None and present.carries_everything:
        return None
    percent = present.traffic.canary_percent if present is not None else 0
    carries_everything = canary.strategy == "canary" and percent >= TOTAL_PERCENT
    if is_primary_lost and not carries_everything:
        return _everything(present.iterations if present else 0)
    if canary.strategy == "blue-green":
        return _next_blue_green(canary, present)
    if canary.grows_by_weight:
        step = _next_weights(canary, present)
    else:
        step = _next_iteration(canary, present, Traffic(TOTAL_PERCENT))
    if step is not None or carries_everything or not rollout_interrupts_primary:
        return step
    return _everything(present.iterations if present else 0)


def _everything(iterations: int) -> Step:
    return Step(Traffic(TOTAL_PERCENT, includes_unmatched=True), iterations)


def _next_weights(canary: Canary, present: Step | None) -> Step | None:
    if present is None and _mirror_percent(canary) and not canary.is_for_matching:
        return Step(Traffic(mirror_percent=_mirror_percent(canary)))
    if canary.analysis is not None and canary.analysis.steps:
        return _next_listed(canary.analysis.steps, present or Step())
    percent = next_weight(canary, present.traffic.canary_percent if present else 0)
    return None if percent is None else Step(Traffic(percent))


def _next_listed(steps: tuple[CanaryStep, ...], present: Step) -> Step | None:
    """Return the next one of `analysis.steps`.

    Where the list was edited in mid-run, and the present step is not in its place any more, that is the first one
    whose weight is not below the present weight: a pause is asked for twice rather than never, see `edited_number`.
    """
    percent = present.traffic.canary_percent
    begun = present.number if _listed(steps, present) is not None else 0
    for number, step in enumerate(steps, 1):
        if number > begun and step.weight >= percent:
            return Step(Traffic(min(step.weight, TOTAL_PERCENT)), number=number)
    return None


def listed_step(canary: Canary, present: Step) -> CanaryStep | None:
    """Return the entry of `analysis.steps` that an analysis is at, None where it is at none of them (any more)."""
    steps = canary.analysis.steps if canary.analysis is not None and canary.grows_by_weight else ()
    return _listed(steps, present)


def _listed(steps: tuple[CanaryStep, ...], present: Step) -> CanaryStep | None:
    if present.carries_everything or not 0 < present.number <= len(steps):
        return None
    step = steps[present.number - 1]
    # One whose weight was lowered meanwhile is lasted out at the present split: no edit takes traffic back.
    return step if min(step.weight, TOTAL_PERCENT) <= present.traffic.canary_percent else None


def edited_number(canary: Canary, present: Step, *, is_waiting: bool, is_resumed: bool) -> int:
    """Return which of `analysis.steps` an analysis is at, where the list was edited in mid-run.

    Its present weight may be above that of pauses that nobody resumed: it is at the last one of them then. They are
    those from the present number on, and where it `is_waiting` at a pause, those before it too.
    """
    steps = canary.analysis.steps if canary.analysis is not None and canary.grows_by_weight else ()
    percent, begun = present.traffic.canary_percent, present.number
    is_in_place = begun <= len(steps) and begun > 0 and min(steps[begun - 1].weight, TOTAL_PERCENT) == percent
    if present.carries_everything or not begun or is_in_place:
        return begun
    first = 1 if is_waiting else begun + 1 if is_resumed else begun
    left = [number for number, step in enumerate(steps, 1) if step.is_pause and step.weight < percent]
    return max((number for number in left if number >= first), default=begun)


def pause_key(number: int) -> str:
    """Return the name of a step's pause among what a run waits for: `pause/3`."""
    return f"{_PAUSE}/{number}"


def paused_step(key: str) -> int:
    """Return the number of the step whose pause is meant by one of what a run waits for, 0 where it is no pause."""
    kind, _, number = key.partition("/")
    return int(number) if kind == _PAUSE and number.isdecimal() else 0


def _next_blue_green(canary: Canary, present: Step | None) -> Step | None:
    if present is not None and present.traffic.canary_percent > 0:
        return None
    step = _next_iteration(canary, present, Traffic(mirror_percent=_mirror_percent(canary)))
    return step or _everything((present.iterations if present else 0) + 1)


def _next_iteration(canary: Canary, present: Step | None, traffic: Traffic) -> Step | None:
    done = present.iterations if present else 0
    if canary.analysis is None or done >= canary.analysis.iterations:
        return None
    return Step(traffic, done + 1)


def _mirror_percent(canary: Canary) -> int:
    """Return the share of the requests that is copied while mirroring, 0 without `mirror`; all of them by default."""
    analysis = canary.analysis
    if analysis is None or not analysis.mirror:
        return 0
    return min(analysis.mirror_weight or TOTAL_PERCENT, TOTAL_PERCENT)


def next_weight(canary: Canary, percent: int) -> int | None:
    """Return the canary's next weight in percent, None when the analysis is at its end.

    With `stepWeight` the weight grows by it up to `maxWeight`; with `stepWeights` it takes the first listed weight
    that is higher than the present one, so a list edited in mid-run goes on from where the traffic is.
    """
    analysis = canary.analysis
    if analysis is None or percent >= canary.max_weight:
        return None
    if analysis.step_weight:
        return min(percent + analysis.step_weight, TOTAL_PERCENT)
    higher = [weight for weight in analysis.step_weights or () if weight > percent]
    return min(higher[0], TOTAL_PERCENT) if higher else None


def next_promotion_weight(canary: Canary, percent: int) -> int:
    """Return the canary's next weight in percent on the way back to the promoted primary; 0 in one go by default."""
    step = canary.analysis.step_weight_promotion if canary.analysis else None
    return max(percent - step, 0) if step else 0
