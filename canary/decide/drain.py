"""Draining: a side that is to go gets no traffic any more, then no request, and only then does it go.

Never the last healthy copy: the other side must have an available pod, and the shift must be acknowledged by the
gateway; then the side must have got no new request over two scrapes, however long that takes. Only where that can't be
asked must `drainSeconds` have passed.
"""

from collections.abc import Callable

from canary.decide.tick import Tick
from canary.decide.timing import POLL_S, SETTLING_S
from canary.run.decision import Decision, act, ask, wait
from canary.run.messages import Message, still_drained
from canary.run.observation import Question


def drain_and_scale_down(tick: Tick, then: Callable[[], Decision]) -> Decision:
    """Let the canary side go; `then` decides once the target is at zero."""
    if tick.target.replicas == 0:
        return then()
    primary = tick.observation.primary
    if primary is None or not primary.readiness.has_available:
        return wait(tick.why_primary_not_ready(), seconds=POLL_S)
    return drain(tick, still_drained(tick.target_name)) or act(*tick.due_scale(0))


def drain(tick: Tick, still_requested: Message) -> Decision | None:
    """Wait until nothing reaches the side that gets no traffic any more; None when it may go.

    `still_requested` reports that requests still reach it.
    """
    shifted_at_s = tick.state.timing.shifted_at_s
    if shifted_at_s is None or not tick.is_route_served:
        return await_shift(tick)
    if tick.observation.answers is None:
        return ask(Question.DRAINED)
    is_drained = tick.observation.is_drained
    if is_drained is False:
        return wait(still_requested, seconds=POLL_S)
    return None if is_drained or tick.now_s - shifted_at_s >= tick.drain_s else wait(seconds=POLL_S)


def await_shift(tick: Tick) -> Decision:
    """Wait until the gateway serves the route as it stands, then note since when it does."""
    if not tick.is_route_served:
        return wait(tick.why_route_not_served(), seconds=SETTLING_S if tick.is_route_settling else POLL_S)
    return tick.update_timing(unready_at_s=tick.state.timing.unready_at_s, shifted_at_s=tick.now_s)
