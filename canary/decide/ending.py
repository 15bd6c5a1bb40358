"""Ending: a side that is to go gets no traffic any more, then none at all, and only then does it go.

Never the last healthy copy: the other side must have an available pod, and the shift must be acknowledged by the
gateway; then the side must have got no new request over two scrapes, or `drainSeconds` must have passed where that
can't be asked.
"""

from collections.abc import Callable
from typing import Final

from canary.decide.context import Tick
from canary.run.decision import Decision, act, ask, move, wait
from canary.run.messages import Message, still_drained
from canary.run.observation import Question

_LOOK_AGAIN_S: Final = 1.0

# Requests that go on for longer come from somebody who calls that side by itself: no reason to keep it for ever.
_REQUESTS_END_WITHIN_S: Final = 300.0


def drain_and_scale_down(tick: Tick, done: Callable[[], Decision]) -> Decision:
    """Let the canary side go; `done` decides once the target is at zero."""
    if tick.target.replicas == 0:
        return done()
    primary = tick.seen.primary
    if primary is None or not primary.readiness.has_available:
        return wait(tick.primary_trouble(), seconds=_LOOK_AGAIN_S)
    return drain(tick, still_drained(tick.target_name)) or act(*tick.due_scale(0))


def drain(tick: Tick, said: Message) -> Decision | None:
    """Wait until nothing reaches the side that gets no traffic any more; None when it may go.

    `said` tells that requests still reach it.
    """
    if tick.state.shifted_s is None:
        if not tick.is_route_served():
            return wait(tick.route_trouble(), seconds=_LOOK_AGAIN_S)
        return move(tick.moved(shifted_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    if tick.seen.answers is None:
        return ask(Question.DRAINED)
    waited_s = tick.now_s - tick.state.shifted_s
    if tick.seen.is_drained is None and waited_s < tick.drain_s:
        return wait(seconds=_LOOK_AGAIN_S)
    if tick.seen.is_drained is False and waited_s < max(tick.drain_s, _REQUESTS_END_WITHIN_S):
        return wait(said, seconds=_LOOK_AGAIN_S)
    return None
