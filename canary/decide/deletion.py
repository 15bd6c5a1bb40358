"""Deletion: with `revertOnDeletion` the target takes the traffic back before the Canary and its primary go.

What carries the traffic outlives the Canary: services, Upstreams and the route. Everything else that was generated is
owned by the Canary and goes with it.
"""

from typing import Any, Final

from canary.decide.attempt import attempt
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.takeover import UNKNOWN, is_foreign
from canary.run.action import Action, ReleaseObject, ScaleTarget, SetFinalizer
from canary.run.decision import Decision, act, move, wait
from canary.run.messages import not_ready, nothing_to_revert, routing_to_target, terminated, terminating
from canary.run.observation import ManagedObject
from canary.run.phase import Phase

# Gloo acknowledges a route within this time, and every kube-proxy has followed a Service long before.
_SETTLE_S: Final = 5.0


def keep_finalizer(tick: Tick) -> Decision | None:
    """Make the deletion of a Canary wait for its revert, as long as it wants one and no longer."""
    is_wanted = tick.canary.spec.revert_on_deletion
    return None if is_wanted == tick.seen.has_finalizer else attempt(tick, SetFinalizer(is_set=is_wanted))


def decide(tick: Tick) -> Decision:
    """Revert what is to be reverted, then let the Canary go."""
    state = tick.state
    if not tick.seen.has_finalizer:
        return wait()
    if not tick.canary.spec.revert_on_deletion or state.phase in {None, Phase.TERMINATED}:
        return attempt(tick, SetFinalizer(is_set=False)) or wait()
    if state.phase is not Phase.TERMINATING or is_foreign(state):
        begun: dict[str, Any] = {"unready_since_s": tick.now_s, "not_before_s": tick.now_s, "shifted_s": None}
        begun |= {"mirror_percent": 0, "cookie": "", "is_paused": False}
        begun |= {"finished": state.finished or UNKNOWN, "seen": tick.target.seen if tick.seen.target else state.seen}
        said = terminating(tick.name, tick.target_name, is_target_promoted=_is_target_promoted(tick))
        return move(tick.moved(*said, phase=Phase.TERMINATING, **begun))
    if tick.seen.target is None:
        return move(tick.moved(nothing_to_revert(tick.target_name), phase=Phase.TERMINATED))
    if ManagedObject.ROUTE in tick.seen.unreleased_objects and tick.due_weights():
        return act(*tick.due_weights())
    return _await_target(tick) if state.unready_since_s is not None else _hand_over(tick)


def _is_target_promoted(tick: Tick) -> bool:
    if tick.seen.target is None or tick.target.seen.revision == tick.state.promoted:
        return True
    return tick.seen.primary is not None and tick.seen.primary.runs_target


def _await_target(tick: Tick) -> Decision:
    """Bring the target up to the primary's size. What it takes to get ready is not limited: the primary serves on."""
    wanted = tick.seen.full_size
    if tick.target.replicas == 0 or (tick.target.replicas < wanted and _is_scaled_by_nobody(tick)):
        return act(ScaleTarget(wanted))
    if ManagedObject.TARGET_SCALER in tick.seen.unreleased_objects:
        # Paused at zero by a scaling down that was cut short: it would take the pods from the target.
        return act(ReleaseObject(ManagedObject.TARGET_SCALER))
    if not tick.target.readiness.is_ready:
        return wait(
            not_ready(tick.target_name, tick.target.readiness.explanation, is_canary_side=True), seconds=PATIENCE_S
        )
    return move(tick.became_ready())


def _is_scaled_by_nobody(tick: Tick) -> bool:
    """Does the target stand as the deletion found it?

    It is scaled once: what its HPA makes of the number after that is right. A DaemonSet knows only none and some.
    """
    found, now = tick.state.seen, tick.target.seen
    is_daemonset = tick.canary.spec.target_ref.kind == "DaemonSet"
    return not is_daemonset and found is not None and (found.uid, found.generation) == (now.uid, now.generation)


def _hand_over(tick: Tick) -> Decision:
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    released = _due_releases(tick)
    if released:
        return act(*released)
    if tick.state.shifted_s is None:
        return move(tick.moved(routing_to_target(tick.target_name), shifted_s=tick.now_s))
    left_s = tick.state.shifted_s + max(tick.drain_s, _SETTLE_S) - tick.now_s
    return wait(seconds=left_s) if left_s > 0 else move(tick.moved(terminated(tick.name), phase=Phase.TERMINATED))


def _due_releases(tick: Tick) -> tuple[Action, ...]:
    """Return what is still to be let go; the route last, for the one to the target leads through the other objects."""
    due = [
        ReleaseObject(part)
        for part in ManagedObject
        if part in tick.seen.unreleased_objects and part is not ManagedObject.ROUTE
    ]
    if ManagedObject.ROUTE in tick.seen.unreleased_objects:
        due.append(ReleaseObject(ManagedObject.ROUTE))
    return tuple(due)
