"""Growing: the canary side gets the size of a primary that rolls without a pod left, before it carries everything."""

from canary.decide.advance import step_ahead
from canary.decide.context import Tick
from canary.decide.gates import gate_before
from canary.run.action import ScaleTarget
from canary.run.decision import Decision, act, move
from canary.run.messages import Message, scaling_to_full_size


def growth_trouble(tick: Tick) -> Message | None:
    """Why the step ahead, in which the canary side carries everything, must wait for its size; None when it needn't.

    The canary side grows only when the gates before that step are open: they may take days.
    """
    step = step_ahead(tick)
    is_near = step is not None and step.is_for_everyone and gate_before(tick, step) is None
    return _news(tick) if is_near and is_too_small(tick) else None


def is_too_small(tick: Tick) -> bool:
    """Has the canary side fewer replicas than it needs to carry what a primary carries that is to make way?"""
    is_small = tick.is_primary_to_make_way and tick.target.replicas < tick.seen.full_size
    return is_small and not is_growth_over(tick)


def is_growth_over(tick: Tick) -> bool:
    """Has the canary side had the time of the progress deadline to grow?

    Where there is no room for so many pods, or an autoscaler takes them away again, fewer carry more than none.
    """
    since_s = tick.state.grown_s
    return since_s is not None and tick.now_s - since_s >= tick.canary.progress_deadline_s


def is_grown(tick: Tick) -> bool:
    """Has it the size that was waited for? The time for it is counted anew when it loses that again."""
    has_size = tick.target.replicas >= tick.seen.full_size and tick.target.readiness.is_ready
    return tick.state.grown_s is not None and has_size


def grow(tick: Tick) -> Decision:
    """Say so once, then scale the canary side up."""
    if tick.state.grown_s is None:
        same_time = tick.state.last_transition_s
        return move(tick.moved(_news(tick), grown_s=tick.now_s, last_transition_s=same_time))
    return act(ScaleTarget(tick.seen.full_size))


def _news(tick: Tick) -> Message:
    return scaling_to_full_size(tick.target_name, tick.seen.full_size, tick.primary_name)
