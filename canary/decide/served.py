"""Since when the gateway serves the stored split: a step's interval counts from then."""

from dataclasses import replace

from canary.decide.attempts import repeat_route
from canary.decide.clock import SAME_CLOCK_S
from canary.decide.holds import has_own_time
from canary.decide.tick import Tick
from canary.decide.timing import COUNTED_S, SERVED_AT_ONCE_S
from canary.run.decision import Decision
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.traffic import TOTAL_PERCENT


def note_served(tick: Tick) -> Decision | None:
    """Store once that the gateway serves the stored split.

    Where its traffic is not changed by it, as by an iteration, it counts from the step's being stored. A gateway that
    has nothing to acknowledge is given something.
    """
    state, route = tick.state, tick.observation.route
    if state.phase is None or state.served_at_s is not None or tick.due_traffic():
        return None
    if not tick.is_route_served:
        return repeat_route(tick)
    since_s = None if route is None else route.served_since_s
    if since_s is None or since_s <= state.transition.stored_at_s - SAME_CLOCK_S:
        return tick.update(_served_from(tick, tick.now_s, tick.now_s + tick.canary.interval_s))
    return tick.update(_served_since(tick, since_s))


def count_served(tick: Tick) -> Tick:
    """Return the tick with its step counted as served, where that needs no write of its own.

    The next transition stores it: that of a next step, or that a promoted canary side is drained. An agent that dies
    before that costs a step an interval at the most: the next agent comes too late to count it so, and stores it. So
    this is for short intervals. What took the gateway long, what changed nothing for it, and steps whose own time
    people see in the status, are stored at once, too.
    """
    state, route = tick.state, tick.observation.route
    is_counted = state.phase is Phase.FINALISING or (tick.analysis_started and tick.canary.interval_s <= COUNTED_S)
    if state.served_at_s is not None or not is_counted or route is None or route.served_since_s is None:
        return tick
    took_s = route.served_since_s - state.transition.stored_at_s
    if not -SAME_CLOCK_S < took_s <= SERVED_AT_ONCE_S or tick.due_traffic() or has_own_time(tick):
        return tick
    return tick.having(_served_since(tick, route.served_since_s))


def _served_since(tick: Tick, since_s: float) -> State:
    """Return the state with its step served since a moment after it was stored.

    Where the interval is made longer meanwhile, that is for the next step.
    """
    took_s = max(since_s - tick.state.transition.stored_at_s, 0.0)
    latest_s = tick.state.timing.next_check_at_s + took_s + SERVED_AT_ONCE_S
    return _served_from(tick, since_s, min(since_s + tick.canary.interval_s, latest_s))


def _served_from(tick: Tick, from_s: float, check_at_s: float) -> State:
    state, timing = tick.state, tick.state.timing
    served = replace(state, served_at_s=from_s)
    is_step_back = state.phase is Phase.PROMOTING and 0 < state.traffic.canary_percent < TOTAL_PERCENT
    if tick.analysis_started or is_step_back:
        next_check_at_s = max(timing.next_check_at_s, check_at_s)
        served = replace(served, timing=replace(timing, next_check_at_s=next_check_at_s))
    step = state.analysis.step
    if step.number > 0 and step.served_at_s is None:
        # A step's time goes on where somebody changes the route back and forth.
        served = replace(served, analysis=replace(state.analysis, step=replace(step, served_at_s=from_s)))
    return served
