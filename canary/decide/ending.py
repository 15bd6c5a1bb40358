"""How every run ends for the canary side: traffic is away, the side is drained, then it is scaled to zero.

Rule: never scale down a copy that may still be serving. The shift must be acknowledged by the gateway; then the side
must have got no new request over two scrapes, or `drainSeconds` must have passed where that can't be asked.
"""

from collections.abc import Callable
from typing import Final

from canary.decide.context import Tick
from canary.decide.decision import Decision, act, ask, move, wait
from canary.news import still_drained
from canary.observation import Question

_LOOK_AGAIN_S: Final = 1.0

# Requests that go on for longer come from somebody who calls the canary's own Service: no reason to keep it for ever.
_REQUESTS_END_WITHIN_S: Final = 300.0


def drain_and_scale_down(tick: Tick, done: Callable[[], Decision]) -> Decision:
    """Go through the ending; `done` decides once the target is at zero."""
    if tick.target.replicas == 0:
        return done()
    primary = tick.seen.primary
    if primary is None or not primary.readiness.has_available:
        said = tick.primary_trouble()
        return wait(*([said] if said else []), seconds=_LOOK_AGAIN_S)
    if tick.state.shifted_s is None:
        if not tick.is_route_served():
            trouble = tick.route_trouble()
            return wait(*([trouble] if trouble else []), seconds=_LOOK_AGAIN_S)
        return move(tick.moved(shifted_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    if tick.seen.answers is None:
        return ask(Question.DRAINED)
    return _scale_down_when_drained(tick, tick.now_s - tick.state.shifted_s)


def _scale_down_when_drained(tick: Tick, waited_s: float) -> Decision:
    if tick.seen.is_drained is None and waited_s < tick.drain_s:
        return wait(seconds=_LOOK_AGAIN_S)
    if tick.seen.is_drained is False and waited_s < max(tick.drain_s, _REQUESTS_END_WITHIN_S):
        return wait(still_drained(tick.target_name), seconds=_LOOK_AGAIN_S)
    return act(*tick.due_scale(0))
