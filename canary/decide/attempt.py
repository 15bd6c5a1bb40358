"""Attempts: an action that was refused a moment ago waits for its next try, and keeps nothing else from its turn."""

from canary.decide.context import PATIENCE_S, Tick
from canary.run.action import Action, Promote
from canary.run.decision import Decision, act, wait


def attempt(tick: Tick, action: Action) -> Decision | None:
    """Do it; None while it is set aside."""
    return None if action in tick.seen.set_aside else act(action)


def promote_primary(tick: Tick, revision: str) -> Decision:
    """Return the primary the template of `revision`, or wait until that is tried again."""
    return attempt(tick, Promote(revision)) or wait(tick.primary_trouble(), seconds=PATIENCE_S)
