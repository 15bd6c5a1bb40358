"""A run that was given up: it ends as soon as the primary can serve, for nobody is sent to a side without a pod."""

from canary.decide.attempts import attempt
from canary.decide.drain import drain
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import end_badly, give_everything_to_canary
from canary.run.action import Promote
from canary.run.decision import Decision, wait
from canary.run.messages import routing_to_canary, still_asked
from canary.run.phase import Phase
from canary.run.revision import UNKNOWN


def go_back(tick: Tick) -> Decision | None:
    """Bring a run that was given up to its end; None for one that was not."""
    if not tick.state.analysis.is_given_up:
        return None
    if not tick.must_canary_serve:
        return end_badly(tick)
    back = _bring_back(tick) if tick.state.phase is Phase.PROMOTING else None
    return back or wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)


def _bring_back(tick: Tick) -> Decision | None:
    """Bring back to the primary what was promoted before, with no user on it if it has no pod meanwhile.

    None while it comes up, or where what it ran before can't be had.
    """
    primary, promoted = tick.observation.primary, tick.state.revisions.promoted
    if primary is None or promoted in {UNKNOWN, primary.revision}:
        return None
    if tick.rollout_interrupts_primary and primary.readiness.has_available:
        evacuated = _evacuate(tick)
        if evacuated is not None:
            return evacuated
    return attempt(tick, Promote(promoted))


def _evacuate(tick: Tick) -> Decision | None:
    """See everything on the canary side; None when nothing reaches the primary any more."""
    if not tick.canary_carries_everything:
        return tick.transition(give_everything_to_canary(tick), routing_to_canary(was_mirrored=False))
    why = tick.why_route_not_served()
    return drain(tick, still_asked(tick.primary_name)) if why is None else wait(why, seconds=PATIENCE_S)
