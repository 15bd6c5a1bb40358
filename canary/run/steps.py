"""The steps of an analysis: weights, iterations and mirroring.

Source: Flagger 1.44, `runCanary`, `runAB`, `runBlueGreen`, `nextStepWeight`, `maxWeight` and `runPromotionTrafficShift`
in `pkg/controller/scheduler.go`.
"""

from dataclasses import dataclass

from canary.api.canary import Canary

TOTAL_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Step:
    """Where an analysis stands: the canary's weight and the mirrored share in percent, and the iterations begun.

    `is_for_everyone`: the last step, in which the canary carries everything before the primary is promoted.
    """

    weight_percent: int = 0
    mirror_percent: int = 0
    iterations: int = 0
    is_for_everyone: bool = False


def next_step(canary: Canary, present: Step | None, *, is_primary_to_make_way: bool = False) -> Step | None:
    """Return the step after `present` (None: the analysis has not begun), None when the analysis is at its end.

    Weights: with `mirror` one step of mirroring comes before the first weight. A/B: the matched requests go to the
    canary at once, and each step counts an iteration. Blue/green: no traffic, or copies of it, for all iterations; then
    one step with all the traffic. The others have such a step where the primary is to make way, for it has no pod left
    while it rolls.
    """
    if present is not None and present.is_for_everyone:
        return None
    if canary.strategy == "blue-green":
        return _next_blue_green(canary, present)
    if canary.strategy == "canary":
        step = _next_weights(canary, present)
    else:
        step = _next_iteration(canary, present, weight_percent=TOTAL_WEIGHT)
    is_everyone_there = canary.strategy == "canary" and present is not None and present.weight_percent >= TOTAL_WEIGHT
    if step is not None or is_everyone_there or not is_primary_to_make_way:
        return step
    return Step(TOTAL_WEIGHT, iterations=present.iterations if present else 0, is_for_everyone=True)


def _next_weights(canary: Canary, present: Step | None) -> Step | None:
    if present is None and _mirror_percent(canary):
        return Step(mirror_percent=_mirror_percent(canary))
    weight = next_weight(canary, present.weight_percent if present else 0)
    return None if weight is None else Step(weight)


def _next_blue_green(canary: Canary, present: Step | None) -> Step | None:
    if present is not None and present.weight_percent > 0:
        return None
    step = _next_iteration(canary, present, mirror_percent=_mirror_percent(canary))
    done = present.iterations if present else 0
    return step or Step(TOTAL_WEIGHT, iterations=done + 1, is_for_everyone=True)


def _next_iteration(
    canary: Canary, present: Step | None, *, weight_percent: int = 0, mirror_percent: int = 0
) -> Step | None:
    done = present.iterations if present else 0
    if canary.analysis is None or done >= canary.analysis.iterations:
        return None
    return Step(weight_percent, mirror_percent, done + 1)


def _mirror_percent(canary: Canary) -> int:
    """Return the share of the requests that is copied while mirroring, 0 without `mirror`; all of them by default."""
    analysis = canary.analysis
    return (analysis.mirror_weight or TOTAL_WEIGHT) if analysis is not None and analysis.mirror else 0


def next_weight(canary: Canary, weight_percent: int) -> int | None:
    """Return the canary's next weight in percent, None when the analysis is at its end.

    With `stepWeight` the weight grows by it up to `maxWeight`; with `stepWeights` it takes the first listed weight
    that is higher than the present one, so a list edited in mid-run goes on from where the traffic is.
    """
    analysis = canary.analysis
    if analysis is None or weight_percent >= canary.max_weight:
        return None
    if analysis.step_weight:
        return min(weight_percent + analysis.step_weight, TOTAL_WEIGHT)
    higher = [weight for weight in analysis.step_weights or () if weight > weight_percent]
    return min(higher[0], TOTAL_WEIGHT) if higher else None


def next_promotion_weight(canary: Canary, weight_percent: int) -> int:
    """Return the canary's next weight in percent on the way back to the promoted primary; 0 in one go by default."""
    step = canary.analysis.step_weight_promotion if canary.analysis else None
    return max(weight_percent - step, 0) if step else 0
