"""Bootstrap: the generated objects come to life beside the target without a request lost.

The order matters: the primary is up before the apex service selects it, the route is served before the target goes.
"""

from typing import Final

from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, move, wait
from canary.news import initialized, not_ready
from canary.observation import Part
from canary.phase import Phase

# Until every kube-proxy and gateway has stopped sending to the target's pods. The gateway's part was measured at up to
# 0.8 s (tests/contract/gloo), kube-proxy syncs within a second.
_SETTLE_S: Final = 3.0


def decide(tick: Tick) -> Decision:
    """Generate the objects, let the primary take over, scale the target to zero."""
    state = tick.state
    if state.phase is None:
        revision = tick.target.seen.revision
        return move(
            tick.moved(
                phase=Phase.INITIALIZING, seen=tick.target.seen, analysed=revision, promoted=revision, finished=revision
            )
        )
    beside = tick.due(Part.PRIMARY_SERVICE, Part.CANARY_SERVICE, Part.PRIMARY_WORKLOAD, Part.PRIMARY_SCALER)
    if beside:
        return act(*beside)
    primary = tick.seen.primary
    if primary is None:
        return wait(seconds=PATIENCE_S)
    if not primary.readiness.is_ready:
        said = not_ready(tick.primary_name, primary.readiness.explanation, is_canary_side=False)
        return wait(said, seconds=PATIENCE_S)
    takeover = tick.due(Part.PRIMARY_UPSTREAM, Part.CANARY_UPSTREAM, Part.APEX_SERVICE, Part.ROUTE)
    if takeover:
        return act(*takeover)
    return _let_target_go(tick)


def _let_target_go(tick: Tick) -> Decision:
    weights = tick.due_weights()
    if weights:
        return act(*weights)
    if tick.state.shifted_s is None:
        if not tick.is_route_settled():
            return wait(seconds=1.0)
        return move(tick.moved(shifted_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    settles_in_s = tick.state.shifted_s + _SETTLE_S - tick.now_s
    if settles_in_s > 0:
        return wait(seconds=settles_in_s)
    scale = tick.due_scale(0)
    if scale:
        return act(*scale)
    return move(tick.moved(initialized(tick.name), phase=Phase.INITIALIZED, shifted_s=None, canary_weight=0))
