"""The way in: what holds for every phase, then the phase's own function."""

from typing import Any, Final

from canary.decide import bootstrap, idle, progressing, promoting
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, move, wait
from canary.model.canary import Canary
from canary.news import info, warning
from canary.observation import Observation
from canary.phase import Phase
from canary.state import Blocked, State

_SUSPENDED: Final = Blocked("Suspended", "spec.suspend is true: the run stands still until it is false.")


def decide(canary: Canary, state: State, seen: Observation) -> Decision:
    """Decide what comes next. Total and pure: every input has an answer, and the same input the same one."""
    tick = Tick(canary, state, seen)
    if _is_overtaken(tick):
        said = warning(f"Halt {tick.name} its route was written by a later move: this agent sees an old status")
        return wait(said, seconds=PATIENCE_S)
    blocked = _blocked(tick)
    if blocked is not None or state.blocked is not None:
        decision = _tell_blocked(tick, blocked)
        if decision is not None:
            return decision
    rebased = _rebased(tick)
    if rebased is not None:
        return move(rebased)
    return _decide_phase(tick)


def _decide_phase(tick: Tick) -> Decision:
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


def _blocked(tick: Tick) -> Blocked | None:
    if tick.canary.spec.suspend:
        return _SUSPENDED
    return tick.seen.obstacles[0] if tick.seen.obstacles else None


def _tell_blocked(tick: Tick, blocked: Blocked | None) -> Decision | None:
    """Stand still while blocked, and store why, once; None when the way is free and that is stored too."""
    if blocked == tick.state.blocked:
        return None if blocked is None else wait(seconds=PATIENCE_S)
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
    if (stored.uid, stored.generation) != (target.seen.uid, target.seen.generation):
        return None
    renamed: dict[str, Any] = {
        name: target.seen.revision
        for name in ("analysed", "promoted", "finished")
        if getattr(tick.state, name) == stored.revision
    }
    return tick.moved(seen=target.seen, last_transition_s=tick.state.last_transition_s, **renamed)
