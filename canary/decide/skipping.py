"""Skipping: a promotion without an analysis, or without the rest of it, by the spec or by a request."""

from canary.decide.context import ENDPOINTS_KNOWN_S, Tick
from canary.decide.growing import grow, is_too_small
from canary.decide.run import promote
from canary.run.decision import Decision, move, wait


def skip_to_promotion(tick: Tick) -> Decision:
    """Promote as soon as the canary side, which is up, can carry everything; at once where it won't have to."""
    if tick.is_primary_to_make_way:
        if tick.state.unready_since_s is not None:
            # No check is waited for, only the gateway: everything will be sent to the new pods.
            known_s, same_time = tick.now_s + ENDPOINTS_KNOWN_S, tick.state.last_transition_s
            return move(tick.moved(unready_since_s=None, not_before_s=known_s, last_transition_s=same_time))
        if is_too_small(tick):
            return grow(tick)
        if 0 < tick.remaining_s() <= ENDPOINTS_KNOWN_S:
            return wait(seconds=tick.remaining_s())
    return promote(tick, is_analysis_skipped=True)
