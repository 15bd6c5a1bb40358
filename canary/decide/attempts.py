"""Attempts: an action that was refused a moment ago waits for its next try, and keeps nothing else from its turn."""

from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.run.action import Action, Promote
from canary.run.decision import Decision, act, wait


def attempt(tick: Tick, action: Action) -> Decision | None:
    """Do it; None while it cools down."""
    return None if action in tick.observation.cooling_down else act(action)


def promote_primary(tick: Tick, revision: str) -> Decision:
    """Set the primary to the template of `revision`, or wait until that is tried again."""
    return attempt(tick, Promote(revision)) or wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)
