"""Rolling the primary to another revision's template."""

from canary.action import Promote
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, wait


def promote_primary(tick: Tick, revision: str) -> Decision:
    """Give the primary the template of `revision`; what was refused a moment ago waits for its next try."""
    action = Promote(revision)
    if action in tick.seen.set_aside:
        said = tick.primary_trouble()
        return wait(*([said] if said else []), seconds=PATIENCE_S)
    return act(action)
