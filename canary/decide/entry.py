"""The way in: what holds for every phase, then the phase's own function."""

from dataclasses import replace
from typing import Any, Final

from canary.api.canary import Canary
from canary.decide import bootstrap, control, deletion, idle, progressing, promoting, takeover
from canary.decide.attempt import attempt
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.run import fresh_analysis, no_traffic, roll_back
from canary.run.action import Promote
from canary.run.decision import Decision, act, move, wait
from canary.run.messages import info, routing_to_primary, target_gone, warning
from canary.run.observation import Observation, Target
from canary.run.phase import ANALYSING, Phase
from canary.run.revision import config_part, template_part
from canary.run.state import Blocker, State

_SUSPENDED: Final = Blocker("Suspended", "spec.suspend is true: the run stands still until it is false.")


def decide(canary: Canary, state: State, seen: Observation) -> Decision:
    """Decide what comes next. Total and pure: every input has an answer, and the same input the same one."""
    tick = Tick(canary, _counting_on(state, seen), seen)
    if _is_overtaken(tick):
        said = warning(f"Halt {tick.name} its route was written by a later move: this agent sees an old status")
        return wait(said, seconds=PATIENCE_S)
    if seen.flagger:
        text = f"{seen.flagger}: nothing is done until that Flagger has stopped."
        return _tell_blocked(tick, Blocker("FlaggerRunning", text)) or wait()
    if seen.is_deleted:
        return deletion.decide(tick)
    if takeover.is_foreign(state):
        return takeover.decide(tick) or _stand_still(tick) or wait()
    safe = _keep_traffic_safe(tick)
    if safe is not None or seen.is_spec_lost:
        return safe or _await_spec(tick)
    asked = control.decide(tick) or deletion.keep_finalizer(tick)
    return asked or _stand_still(tick) or _follow_target(tick) or _decide_phase(tick)


def _await_spec(tick: Tick) -> Decision:
    """Stand still, but for one thing: a canary whose checks nobody knows must not stay exposed."""
    told = _stand_still(tick)
    if told is not None and told.intent is not None:
        return told
    if not tick.is_begun:
        return wait()
    since_s = tick.state.last_transition_s if tick.state.decisive_s is None else tick.state.decisive_s
    left_s = since_s + tick.unobserved_deadline_s - tick.now_s
    return wait(seconds=left_s) if left_s > 0 else roll_back(tick, "its spec can't be read, nothing can be checked")


def _keep_traffic_safe(tick: Tick) -> Decision | None:
    """Carry out what was decided of the traffic, and pull it from what nobody analysed, whatever else is the matter."""
    if tick.state.phase in {None, Phase.INITIALIZING}:
        return None
    kept = _keep_meaning(tick) or _keep_served(tick)
    if kept is not None:
        return kept
    due = tick.due_weights()
    if due:
        return act(*due)
    if tick.is_route_refused and tick.state.phase not in ANALYSING:
        return wait(tick.route_trouble(), seconds=PATIENCE_S)
    target = tick.seen.target
    if target is None and (tick.is_begun or tick.state.canary_weight > 0):
        anew = fresh_analysis(tick) | {"phase": Phase.PROGRESSING} if tick.is_begun else no_traffic(tick.state)
        return move(tick.moved(target_gone(tick.target_name), **anew))
    if target is not None and tick.state.phase in ANALYSING and target.seen.revision != tick.state.analysed:
        return None if _is_same_generation(tick, target) else progressing.restart(tick)
    return None


def _keep_meaning(tick: Tick) -> Decision | None:
    """Keep a weight from being carried out under a strategy to which it means another thing.

    That comes before the stored weight is: the spec renders the route, and its edit is on it with the next write.
    """
    if tick.state.strategy == tick.canary.strategy:
        return None
    if tick.is_begun:
        return progressing.restart_with_strategy(tick)
    if tick.state.canary_weight == 0:
        return None
    if tick.can_primary_serve:
        return move(tick.moved(routing_to_primary(), **no_traffic(tick.state), shifted_s=None))
    same = {"strategy": tick.canary.strategy, "is_for_everyone": True}
    return move(tick.moved(**same, last_transition_s=tick.state.last_transition_s))


def _keep_served(tick: Tick) -> Decision | None:
    target = tick.seen.target
    if tick.state.phase is not Phase.PROMOTING or target is None:
        return None
    is_new_default = target.seen.revision != tick.state.analysed and _is_same_generation(tick, target)
    return None if is_new_default else promoting.keep_served(tick)


def _stand_still(tick: Tick) -> Decision | None:
    blocked = _blocked(tick)
    if blocked is None and tick.state.blocked is None:
        return None
    return _tell_blocked(tick, blocked)


def _follow_target(tick: Tick) -> Decision | None:
    rebased = _rebased(tick)
    return None if rebased is None else move(rebased)


def _decide_phase(tick: Tick) -> Decision:
    lost = _lost_primary(tick)
    restored = None if lost is None else attempt(tick, Promote(lost))
    if restored is not None:
        return restored
    match tick.state.phase:
        case None | Phase.INITIALIZING:
            return bootstrap.decide(tick)
        case Phase.INITIALIZED | Phase.SUCCEEDED | Phase.FAILED:
            return idle.decide(tick)
        case Phase.WAITING | Phase.PROGRESSING | Phase.WAITING_PROMOTION:
            return progressing.decide(tick)
        case Phase.PROMOTING:
            return promoting.decide_promoting(tick)
        case Phase.FINALISING:
            return promoting.decide_finalising(tick)
        case Phase.TERMINATING | Phase.TERMINATED:
            return wait()


def _counting_on(state: State, seen: Observation) -> State:
    """Let the first move that is ours follow those that the route tells of: somebody wiped the status, or wrote it.

    From then on a route that is ahead of the status tells that the status is old.
    """
    is_ours = state.phase is not None and not takeover.is_foreign(state)
    if is_ours or seen.route is None or seen.route.move <= state.sequence:
        return state
    return replace(state, sequence=seen.route.move)


def _is_overtaken(tick: Tick) -> bool:
    """Did a move that we don't know yet write the route? Then our view is old, and everything that we would do too."""
    return tick.seen.route is not None and tick.seen.route.move > tick.state.sequence


def _lost_primary(tick: Tick) -> str | None:
    """Return the revision that the primary should run when it is gone, or was left on one that was not promoted.

    A primary of no revision is one that Flagger made.
    """
    state, primary = tick.state, tick.seen.primary
    if state.phase in {None, Phase.INITIALIZING, Phase.PROMOTING, Phase.TERMINATING, Phase.TERMINATED}:
        return None
    wanted = state.analysed if state.phase is Phase.FINALISING else state.promoted
    is_as_wanted = primary is not None and (primary.revision in {"", wanted} or wanted == takeover.UNKNOWN)
    return None if is_as_wanted else wanted


def _blocked(tick: Tick) -> Blocker | None:
    """Return what makes the canary stand still.

    Once its analysis has begun, an obstacle only keeps it from going forward: its checks, a rollback and the end of its
    promotion must go on.
    """
    if tick.canary.spec.suspend:
        return _SUSPENDED
    if tick.seen.is_spec_lost:
        return tick.seen.blockers[0]
    is_under_way = tick.is_begun or tick.state.phase in {Phase.PROMOTING, Phase.FINALISING}
    if not tick.seen.blockers or (is_under_way and tick.seen.target is not None):
        return None
    return tick.seen.blockers[0]


def _tell_blocked(tick: Tick, blocked: Blocker | None) -> Decision | None:
    """Stand still while blocked, and store why, once; None when the way is free and that is stored too."""
    if blocked == tick.state.blocked:
        return None if blocked is None else wait()
    same_time: dict[str, Any] = {"last_transition_s": tick.state.last_transition_s or tick.now_s}
    if blocked is None:
        return move(tick.moved(info(f"{tick.name} goes on"), blocked=None, **same_time))
    return move(tick.moved(warning(blocked.message), blocked=blocked, **same_time))


def _rebased(tick: Tick) -> State | None:
    """Follow the target's identity without starting a run.

    The same uid and generation with another template hash: nobody changed the target, the API server reads it otherwise
    (a new default after an upgrade). Every stored revision that meant the old hash means the new one. And a generation
    that moved without the template (scaling, labels) is noted, so that the rule above stays sharp.
    """
    stored, target = tick.state.seen, tick.seen.target
    if stored is None or target is None or stored == target.seen:
        return None
    if stored.revision == target.seen.revision:
        return tick.moved(seen=target.seen, last_transition_s=tick.state.last_transition_s)
    if not _is_same_generation(tick, target):
        return None
    before, after = template_part(stored.revision), template_part(target.seen.revision)
    renamed: dict[str, Any] = {
        name: getattr(tick.state, name).replace(before, after, 1)
        for name in ("analysed", "promoted", "finished")
        if template_part(getattr(tick.state, name)) == before
    }
    return tick.moved(seen=target.seen, last_transition_s=tick.state.last_transition_s, **renamed)


def _is_same_generation(tick: Tick, target: Target) -> bool:
    """Did nobody change the target? Another configuration is a change, though it moves no generation of the target."""
    stored, seen = tick.state.seen, target.seen
    if stored is None or config_part(stored.revision) != config_part(seen.revision):
        return False
    return (stored.uid, stored.generation) == (seen.uid, seen.generation)
