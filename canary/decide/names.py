"""Following names: an edit of what a canary's objects are named after moves the traffic first, then the names.

Until the names are followed everything is decided about the objects as they are named. Their route never stays split,
and what was made under the old names stays whole, with all traffic on its primary: a VirtualService may lead there.
"""

from dataclasses import replace

from canary.api.names import Identity
from canary.decide.guards import restore_primary
from canary.decide.tick import Tick
from canary.decide.transitions import roll_back
from canary.rules.identity import target_is_kept
from canary.run.decision import Decision, act, wait
from canary.run.managed import ManagedObject
from canary.run.messages import renamed, warning
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.revision import UNKNOWN
from canary.run.state import Blocker, Control, Revisions, State


def follow_names(tick: Tick) -> Decision | None:
    """Pull the traffic of a run whose names were edited, and follow them between runs; a promotion ends first.

    None where the names are those of the spec, or where something else is to be done first under the old ones.
    """
    old, new = tick.state.identity, tick.observation.renamed_to
    if old is None and tick.state.phase in IDLE:
        # An older version made the objects, and did not store their names.
        return tick.update(tick.state)
    if old is None or new is None:
        return None
    if tick.state.phase in ANALYSING:
        return roll_back(tick, f"its names were edited from {_in_words(old)} to {_in_words(new)}")
    is_begun = tick.state.phase is Phase.INITIALIZING
    if tick.canary.spec.suspend or not (is_begun or tick.state.phase in IDLE):
        return None
    if tick.state.phase in IDLE and _is_ending(tick):
        return None
    blocker = _why_not(tick, old, new)
    return _follow(tick, old, new) if blocker is None else _stay(tick, blocker)


def _stay(tick: Tick, blocker: Blocker) -> Decision:
    """Store once why the names are not followed, and keep up what serves under the old ones."""
    if tick.state.blocker != blocker:
        return tick.update(replace(tick.state, blocker=blocker), warning(blocker.message))
    if tick.observation.target is None or tick.observation.blockers or tick.state.phase not in IDLE:
        return wait()
    due = tick.due(*ManagedObject)
    return restore_primary(tick) or (act(*due) if due else wait())


def _is_ending(tick: Tick) -> bool:
    """Return whether the end of a run is still to be carried out, on a canary side that is still there."""
    state = tick.state
    if state.hooks.post_rollout_pending:
        return True
    return tick.observation.target is not None and state.revisions.finished != state.revisions.analysed


def _why_not(tick: Tick, old: Identity, new: Identity) -> Blocker | None:
    """Return why the new names can't be followed, None when they can. Before there is a route nobody comes by them."""
    name = f"Canary {tick.canary.namespace}/{tick.canary.name}"
    for problem in target_is_kept(old, new):
        if tick.observation.route is not None:
            return Blocker("TargetChanged", f"{name} {problem}")
    if old.has_target_of(new):
        return None
    if not tick.observation.has_renamed_target:
        allowed = f"the name of a {new.kind} in namespace {tick.canary.namespace}, and there is none of this name"
        return Blocker("TargetNotFound", f"{name} spec.targetRef.name: found {new.target!r}; allowed: {allowed}")
    return None


def _follow(tick: Tick, old: Identity, new: Identity) -> Decision:
    """Begin under the new names: with the same target where the state is, with another from the bootstrap on."""
    message = renamed(tick.name, _in_words(old), _in_words(new))
    if old.has_target_of(new):
        return tick.update(replace(tick.state, identity=new, blocker=None), message)
    fresh = State(
        phase=Phase.INITIALIZING,
        previous_cookie=tick.state.previous_cookie,
        strategy=tick.state.strategy,
        identity=new,
        history=tick.state.history,
        revisions=Revisions(analysed=UNKNOWN, promoted=UNKNOWN, finished=UNKNOWN),
        control=Control(request=tick.state.control.request),
    )
    return tick.transition(fresh, message)


def _in_words(identity: Identity) -> str:
    return f"{identity.workload} with Service {identity.apex}"
