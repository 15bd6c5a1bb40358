"""The canary side while it must be up."""

from canary.decide.context import PATIENCE_S, Tick
from canary.decide.growing import is_growth_over
from canary.decide.run import roll_back
from canary.run.decision import Decision, move, wait
from canary.run.messages import Message, not_ready


def canary_trouble(tick: Tick) -> Message | None:
    """Why the canary side is not up, None when it is; fewer pods than it was to grow to are enough in the end."""
    readiness = tick.target.readiness
    if readiness.is_ready or (readiness.has_available and is_growth_over(tick)):
        return None
    return not_ready(tick.target_name, readiness.explanation, is_canary_side=True)


def await_canary(tick: Tick) -> Decision | None:
    """Wait for the canary side until the progress deadline, by the stored clock; return None when it is up."""
    trouble = canary_trouble(tick)
    if trouble is None:
        return None
    since_s = tick.state.unready_since_s
    if since_s is None:
        # Checks that passed spoke of a side that was up.
        same_time = tick.state.last_transition_s
        return move(tick.moved(unready_since_s=tick.now_s, is_cleared=False, last_transition_s=same_time))
    left_s = since_s + tick.canary.progress_deadline_s - tick.now_s
    if left_s <= 0:
        return roll_back(tick, f"progress deadline exceeded {tick.target.readiness.explanation}")
    return wait(trouble, seconds=min(left_s, PATIENCE_S))
