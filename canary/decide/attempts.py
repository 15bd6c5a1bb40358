"""Attempts: an action that was refused a moment ago waits for its next try, and keeps nothing else from its turn."""

from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.run.action import Action, Promote, RepeatRoute
from canary.run.decision import Decision, act, wait
from canary.run.observation import RouteState


def attempt(tick: Tick, action: Action) -> Decision | None:
    """Do it; None while it cools down."""
    return None if action in tick.observation.cooling_down else act(action)


def promote_primary(tick: Tick, revision: str) -> Decision:
    """Set the primary to the template of `revision`, or wait until that is tried again."""
    return attempt(tick, Promote(revision)) or wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)


def repeat_route(tick: Tick) -> Decision | None:
    """Write the split anew for a gateway that may know the routes already; None where that is not needed.

    A weight that was written and taken back while the gateway was away leaves it the routes that it has: it says
    nothing, however long one waits. An agent that has just started may not know what was acknowledged before.
    """
    route = tick.observation.route
    if route is None or tick.is_route_served or route.state is not RouteState.UNACKNOWLEDGED:
        return None
    return attempt(tick, RepeatRoute()) if route.may_be_known else None
