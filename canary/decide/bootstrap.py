"""Bootstrap: the generated objects come to life beside the target without a request lost.

The order matters: the primary is up, and known to the gateway, before the apex service and the route lead to it (one
that a deleted Canary left behind has traffic already); the route is served before the target goes.
"""

from typing import Final

from canary.decide.attempt import promote_primary
from canary.decide.context import PATIENCE_S, Tick
from canary.run.action import Action
from canary.run.decision import Decision, act, move, wait
from canary.run.messages import initialized
from canary.run.observation import ManagedObject
from canary.run.phase import Phase
from canary.run.state import State

# Until every kube-proxy and gateway has stopped sending to the target's pods. The gateway's part was measured at up to
# 0.8 s (tests/contract/gloo), kube-proxy syncs within a second.
_SETTLE_S: Final = 3.0

_LOOK_AGAIN_S: Final = 1.0


def decide(tick: Tick) -> Decision:
    """Generate the objects, let the primary take over, scale the target to zero."""
    state, primary = tick.state, tick.seen.primary
    is_overtaken = primary is None and tick.target.seen.revision != state.analysed
    if state.phase is None or is_overtaken:
        return move(_begun(tick))
    beside: tuple[Action, ...] = tick.due(ManagedObject.PRIMARY_SERVICE, ManagedObject.CANARY_SERVICE)
    if primary is None:
        return act(*beside) if beside else promote_primary(tick, state.analysed)
    beside += tick.due(ManagedObject.PRIMARY_SCALER)
    if beside:
        return act(*beside)
    trouble = tick.primary_trouble() or (tick.trouble() if tick.seen.failed_objects else None)
    if trouble is not None:
        return wait(trouble, seconds=PATIENCE_S)
    if state.unready_since_s is not None:
        return move(tick.became_ready())
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    takeover = tick.due(
        ManagedObject.PRIMARY_UPSTREAM, ManagedObject.CANARY_UPSTREAM, ManagedObject.APEX_SERVICE, ManagedObject.ROUTE
    )
    if takeover:
        return act(*takeover)
    return _let_target_go(tick)


def _begun(tick: Tick) -> State:
    """Take as the baseline what the primary runs: its own revision where it exists already, else the target's."""
    primary = tick.seen.primary
    revision = primary.revision if primary is not None and primary.revision else tick.target.seen.revision
    begun = {"analysed": revision, "promoted": revision, "finished": revision, "unready_since_s": tick.now_s}
    return tick.moved(phase=Phase.INITIALIZING, seen=tick.target.seen, **begun)


def _let_target_go(tick: Tick) -> Decision:
    weights = tick.due_weights()
    if weights:
        return act(*weights)
    if tick.state.shifted_s is None:
        trouble = tick.route_trouble()
        if trouble is not None or not tick.is_route_served():
            return wait(trouble, seconds=_LOOK_AGAIN_S)
        return move(tick.moved(shifted_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    settles_in_s = tick.state.shifted_s + _SETTLE_S - tick.now_s
    if settles_in_s > 0:
        return wait(seconds=settles_in_s)
    scale = tick.due_scale(0)
    if scale:
        return act(*scale)
    said = initialized(tick.name, tick.canary.spec.target_ref.kind or "Deployment")
    return move(tick.moved(said, phase=Phase.INITIALIZED, shifted_s=None, canary_weight=0))
