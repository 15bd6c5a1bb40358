"""The way in: what holds for every phase, then the phase's own function."""

from typing import Any, Final

from canary.action import Promote
from canary.decide import bootstrap, idle, progressing, promoting
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, move, wait
from canary.model.canary import Canary
from canary.news import info, target_gone, warning
from canary.observation import Observation, Target
from canary.phase import ANALYSING, Phase
from canary.state import Blocked, State

_SUSPENDED: Final = Blocked("Suspended", "spec.suspend is true: the run stands still until it is false.")


def decide(canary: Canary, state: State, seen: Observation) -> Decision:
    """Decide what comes next. Total and pure: every input has an answer, and the same input the same one."""
    tick = Tick(canary, state, seen)
    if _is_overtaken(tick):
        said = warning(f"Halt {tick.name} its route was written by a later move: this agent sees an old status")
        return wait(said, seconds=PATIENCE_S)
    return _keep_traffic_safe(tick) or _stand_still(tick) or _follow_target(tick) or _decide_phase(tick)


def _keep_traffic_safe(tick: Tick) -> Decision | None:
    """Carry out what was decided of the traffic, and pull it from what nobody analysed, whatever else is the matter."""
    if tick.state.phase in {None, Phase.INITIALIZING}:
        return None
    due = tick.due_weights()
    if due:
        return act(*due)
    target = tick.seen.target
    if target is None and tick.state.canary_weight > 0:
        return move(tick.moved(target_gone(tick.target_name), canary_weight=0))
    if target is not None and tick.state.phase in ANALYSING and target.seen.revision != tick.state.analysed:
        return None if _is_same_generation(tick, target) else progressing.restart(tick)
    return None


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
    if lost is not None:
        return act(Promote(lost))
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


def _is_overtaken(tick: Tick) -> bool:
    """Did a move that we don't know yet write the route? Then our view is old, and everything that we would do too."""
    return tick.state.phase is not None and tick.seen.route is not None and tick.seen.route.move > tick.state.sequence


def _lost_primary(tick: Tick) -> str | None:
    """Give the revision that the primary should run when it is gone, or was left on one that was not promoted."""
    state, primary = tick.state, tick.seen.primary
    if state.phase in {None, Phase.INITIALIZING, Phase.PROMOTING, Phase.TERMINATING, Phase.TERMINATED}:
        return None
    wanted = state.analysed if state.phase is Phase.FINALISING else state.promoted
    is_as_wanted = primary is not None and primary.revision in {"", wanted}
    return None if is_as_wanted else wanted


def _blocked(tick: Tick) -> Blocked | None:
    """Give what makes the canary stand still.

    Once it has traffic, an obstacle only keeps it from getting more: its checks, a rollback and the end of its
    promotion must go on.
    """
    if tick.canary.spec.suspend:
        return _SUSPENDED
    is_under_way = tick.state.canary_weight > 0 or tick.state.phase in {Phase.PROMOTING, Phase.FINALISING}
    if not tick.seen.obstacles or (is_under_way and tick.seen.target is not None):
        return None
    return tick.seen.obstacles[0]


def _tell_blocked(tick: Tick, blocked: Blocked | None) -> Decision | None:
    """Stand still while blocked, and store why, once; None when the way is free and that is stored too."""
    if blocked == tick.state.blocked:
        return None if blocked is None else wait()
    same_time: dict[str, Any] = {"last_transition_s": tick.state.last_transition_s or tick.now_s}
    if blocked is None:
        return move(tick.moved(info(f"{tick.name} goes on"), blocked=None, **same_time))
    return move(tick.moved(warning(blocked.message), blocked=blocked, **same_time))


def _rebased(tick: Tick) -> State | None:
    """Follow the target's identity without starting a run.

    The same uid and generation with another hash: nobody changed the target, the API server reads it otherwise (a new
    default after an upgrade). Every stored revision that meant the old hash means the new one. And a generation that
    moved without the template (scaling, labels) is noted, so that the rule above stays sharp.
    """
    stored, target = tick.state.seen, tick.seen.target
    if stored is None or target is None or stored == target.seen:
        return None
    if stored.revision == target.seen.revision:
        return tick.moved(seen=target.seen, last_transition_s=tick.state.last_transition_s)
    if not _is_same_generation(tick, target):
        return None
    renamed: dict[str, Any] = {
        name: target.seen.revision
        for name in ("analysed", "promoted", "finished")
        if getattr(tick.state, name) == stored.revision
    }
    return tick.moved(seen=target.seen, last_transition_s=tick.state.last_transition_s, **renamed)


def _is_same_generation(tick: Tick, target: Target) -> bool:
    stored = tick.state.seen
    return stored is not None and (stored.uid, stored.generation) == (target.seen.uid, target.seen.generation)
