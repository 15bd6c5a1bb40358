"""The steps of a canary's weight.

Source: Flagger 1.44, `nextStepWeight`, `maxWeight` and `runPromotionTrafficShift` in `pkg/controller/scheduler.go`.
"""

from canary.model.canary import Canary

TOTAL_WEIGHT = 100


def next_weight(canary: Canary, weight_percent: int) -> int | None:
    """Give the canary's next weight in percent, None when the analysis is at its end.

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
    """Give the canary's next weight in percent on the way back to the promoted primary; 0 in one go by default."""
    step = canary.analysis.step_weight_promotion if canary.analysis else None
    return max(weight_percent - step, 0) if step else 0
