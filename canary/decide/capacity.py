"""The canary side while it must be up, and its size before it carries everything."""

from dataclasses import replace

from canary.decide.advance import step_ahead
from canary.decide.gates import gate_before
from canary.decide.tick import Tick
from canary.decide.timing import ENDPOINTS_KNOWN_S, PATIENCE_S
from canary.decide.transitions import promote, roll_back
from canary.run.action import ScaleTarget
from canary.run.decision import Decision, act, wait
from canary.run.messages import Message, not_ready, scaling_to_full_size


def why_canary_not_ready(tick: Tick) -> Message | None:
    """Return why the canary side is not up, None when it is.

    When its time to grow is over, fewer pods than it was to grow to are enough.
    """
    readiness = tick.target.readiness
    if readiness.is_ready or (readiness.has_available and _is_growth_over(tick)):
        return None
    return not_ready(tick.target_name, readiness.explanation, is_canary_side=True)


def await_canary(tick: Tick) -> Decision | None:
    """Wait for the canary side until the progress deadline, by the stored clock; return None when it is up."""
    why = why_canary_not_ready(tick)
    if why is None:
        return None
    state = tick.state
    if state.timing.unready_at_s is None:
        # Checks that passed spoke of a side that was up.
        timing = replace(state.timing, unready_at_s=tick.now_s)
        return tick.update(replace(state, timing=timing, analysis=replace(state.analysis, checks_passed=False)))
    left_s = state.timing.unready_at_s + tick.canary.progress_deadline_s - tick.now_s
    if left_s > 0:
        return wait(why, seconds=min(left_s, PATIENCE_S))
    return roll_back(tick, f"progress deadline exceeded {tick.target.readiness.explanation}")


def why_too_small(tick: Tick) -> Message | None:
    """Return why the step ahead, in which the canary side carries everything, waits for its size; None if it needn't.

    The canary side grows only when the gates before that step are open: they may take days.
    """
    step = step_ahead(tick)
    is_next = step is not None and step.carries_everything and gate_before(tick, step) is None
    return _report_growth(tick) if is_next and _is_too_small(tick) else None


def _is_too_small(tick: Tick) -> bool:
    """Return whether the canary side has fewer replicas than it needs to carry what the primary carries."""
    is_small = tick.rollout_interrupts_primary and tick.target.replicas < tick.observation.full_size
    return is_small and not _is_growth_over(tick)


def _is_growth_over(tick: Tick) -> bool:
    """Return whether the canary side has had the time of the progress deadline to grow.

    Where there is no room for so many pods, or an autoscaler takes them away again, fewer carry more than none.
    """
    growth_started_at_s = tick.state.analysis.growth_started_at_s
    return growth_started_at_s is not None and tick.now_s - growth_started_at_s >= tick.canary.progress_deadline_s


def has_grown(tick: Tick) -> bool:
    """Return whether it has the size that was waited for; the time for it is counted anew when it loses that again."""
    has_size = tick.target.replicas >= tick.observation.full_size and tick.target.readiness.is_ready
    return tick.state.analysis.growth_started_at_s is not None and has_size


def grow(tick: Tick) -> Decision:
    """Report it once, then scale the canary side up."""
    analysis = tick.state.analysis
    if analysis.growth_started_at_s is None:
        growing = replace(analysis, growth_started_at_s=tick.now_s)
        return tick.update(replace(tick.state, analysis=growing), _report_growth(tick))
    return act(ScaleTarget(tick.observation.full_size))


def _report_growth(tick: Tick) -> Message:
    return scaling_to_full_size(tick.target_name, tick.observation.full_size, tick.primary_name)


def skip_to_promotion(tick: Tick) -> Decision:
    """Promote as soon as the canary side, which is up, can carry everything; at once where it won't have to."""
    if tick.rollout_interrupts_primary:
        if tick.state.timing.unready_at_s is not None:
            # No check is waited for, only the gateway: everything will be sent to the new pods.
            known_at_s = tick.now_s + ENDPOINTS_KNOWN_S
            timing = replace(tick.state.timing, unready_at_s=None, next_check_at_s=known_at_s)
            return tick.update(replace(tick.state, timing=timing))
        if _is_too_small(tick):
            return grow(tick)
        if 0 < tick.remaining_s <= ENDPOINTS_KNOWN_S:
            return wait(seconds=tick.remaining_s)
    return promote(tick, skips_analysis=True)
