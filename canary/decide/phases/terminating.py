"""Terminating: with `revertOnDeletion` the target takes the traffic back before the Canary and its primary go.

What carries the traffic outlives the Canary: services, Upstreams and the route. Everything else that was generated is
owned by the Canary and goes with it.
"""

from dataclasses import replace

from canary.decide.advance import await_route
from canary.decide.attempts import attempt, repeat_route
from canary.decide.drain import drain
from canary.decide.takeover import is_foreign
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S, RELEASE_SETTLE_S
from canary.run.action import Action, ReleaseObject, ScaleTarget, SetFinalizer
from canary.run.decision import Decision, act, wait
from canary.run.managed import ManagedObject
from canary.run.messages import not_ready, nothing_to_revert, routing_to_target, still_released, terminated, terminating
from canary.run.phase import Phase
from canary.run.revision import UNKNOWN
from canary.run.state import Timing
from canary.run.traffic import TOTAL_PERCENT


def decide(tick: Tick) -> Decision | None:
    """Revert what is to be reverted, then let the Canary go; None for a Canary that is not deleted."""
    if not tick.observation.is_deleted:
        return None
    state = tick.state
    if not tick.observation.has_finalizer:
        return wait()
    if not tick.canary.spec.revert_on_deletion or state.phase in {None, Phase.TERMINATED}:
        return attempt(tick, SetFinalizer(is_set=False)) or wait()
    if state.phase is not Phase.TERMINATING or is_foreign(state):
        return _begin(tick)
    if tick.observation.target is None:
        return tick.transition(replace(state, phase=Phase.TERMINATED), nothing_to_revert(tick.target_name))
    written = tick.write_traffic() if ManagedObject.ROUTE in tick.observation.unreleased_objects else None
    if written is not None:
        return written
    return _await_target(tick) if state.timing.unready_at_s is not None else _hand_over(tick)


def _begin(tick: Tick) -> Decision:
    state, target = tick.state, tick.observation.target
    begun = replace(
        state,
        phase=Phase.TERMINATING,
        traffic=replace(state.traffic, mirror_percent=0, cookie=""),
        target=state.target if target is None else target.identity,
        revisions=replace(state.revisions, finished=state.revisions.finished or UNKNOWN),
        control=replace(state.control, is_paused=False),
        timing=Timing(next_check_at_s=tick.now_s, unready_at_s=tick.now_s),
    )
    messages = terminating(tick.name, tick.target_name, is_target_promoted=_is_target_promoted(tick))
    return tick.transition(begun, *messages)


def _is_target_promoted(tick: Tick) -> bool:
    target, primary = tick.observation.target, tick.observation.primary
    if target is None or target.identity.revision == tick.state.revisions.promoted:
        return True
    return primary is not None and primary.runs_target


def _await_target(tick: Tick) -> Decision:
    """Bring the target up to the primary's size. What it takes to get ready is not limited: the primary serves on."""
    target, wanted = tick.target, tick.canary_size(TOTAL_PERCENT)
    if target.replicas == 0 or (target.replicas < wanted and _has_no_scaler(tick)):
        return act(ScaleTarget(wanted))
    if ManagedObject.TARGET_SCALER in tick.observation.unreleased_objects:
        # Paused at zero by a scaling down that was cut short: it would take the pods from the target.
        return act(ReleaseObject(ManagedObject.TARGET_SCALER))
    if target.readiness.is_ready:
        return tick.became_ready()
    return wait(not_ready(tick.target_name, target.readiness.explanation, is_canary_side=True), seconds=PATIENCE_S)


def _has_no_scaler(tick: Tick) -> bool:
    """Return whether the target stands as the deletion found it.

    It is scaled once: what its HPA makes of the number after that is right. A DaemonSet knows only none and some.
    """
    found, now = tick.state.target, tick.target.identity
    is_daemonset = tick.canary.spec.target_ref.kind == "DaemonSet"
    return not is_daemonset and found is not None and (found.uid, found.generation) == (now.uid, now.generation)


def _hand_over(tick: Tick) -> Decision:
    if tick.remaining_s > 0:
        return wait(seconds=tick.remaining_s)
    due, shifted_at_s = _due_releases(tick), tick.state.timing.shifted_at_s
    if due:
        # From now on it is another split that the gateway has to serve.
        return tick.update(replace(tick.state, served_at_s=None)) if tick.state.served_at_s is not None else act(*due)
    if shifted_at_s is None:
        if tick.observation.route is not None and not tick.is_route_served:
            return repeat_route(tick) or await_route(tick)
        timing = replace(tick.state.timing, shifted_at_s=tick.now_s)
        shifted = replace(tick.state, timing=timing, served_at_s=tick.now_s)
        return tick.transition(shifted, routing_to_target(tick.target_name))
    left_s = shifted_at_s + RELEASE_SETTLE_S - tick.now_s
    if left_s > 0:
        return wait(seconds=left_s)
    if tick.observation.route is not None and (draining := drain(tick, still_released(tick.primary_name))) is not None:
        return draining
    return tick.transition(replace(tick.state, phase=Phase.TERMINATED), terminated(tick.name))


def _due_releases(tick: Tick) -> tuple[Action, ...]:
    """Return what is still to be let go; the route last, for the one to the target leads through the other objects."""
    unreleased = tick.observation.unreleased_objects
    in_order = (*(one for one in ManagedObject if one is not ManagedObject.ROUTE), ManagedObject.ROUTE)
    return tuple(ReleaseObject(one) for one in in_order if one in unreleased)
