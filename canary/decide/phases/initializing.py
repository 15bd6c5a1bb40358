"""Initializing: the generated objects come to life beside the target without a request lost.

The order matters: the primary is up, and known to the gateway, before the apex service and the route lead to it (one
that a deleted Canary left behind has traffic already); the route is served before the target goes.
"""

from dataclasses import replace

from canary.decide.attempts import promote_primary
from canary.decide.drain import await_shift
from canary.decide.run_record import end_record
from canary.decide.tick import Tick
from canary.decide.timing import ACCEPTED_WITHIN_S, BOOTSTRAP_SETTLE_S, PATIENCE_S, POLL_S, SETTLING_S
from canary.run.action import Action
from canary.run.decision import Decision, act, wait
from canary.run.history import Outcome, Run
from canary.run.managed import ManagedObject
from canary.run.messages import halted, initialized
from canary.run.phase import Phase
from canary.run.revision import UNKNOWN


def decide(tick: Tick) -> Decision:
    """Generate the objects, let the primary carry the traffic, scale the target to zero."""
    state, primary = tick.state, tick.observation.primary
    is_renamed = state.revisions.analysed == UNKNOWN
    if state.phase is None or is_renamed or (primary is None and tick.is_target_newer):
        return _begin(tick)
    services: tuple[Action, ...] = tick.due(ManagedObject.PRIMARY_SERVICE, ManagedObject.CANARY_SERVICE)
    if primary is None:
        return act(*services) if services else promote_primary(tick, state.revisions.analysed)
    due = services + tick.due(ManagedObject.PRIMARY_SCALER)
    return act(*due) if due else _await_primary(tick) or _lead_traffic_to_primary(tick)


def _begin(tick: Tick) -> Decision:
    """Take as the baseline what the primary runs: its own revision where it exists already, else the target's."""
    primary, state = tick.observation.primary, tick.state
    revision = primary.revision if primary is not None and primary.revision else tick.target.identity.revision
    begun = replace(
        state,
        phase=Phase.INITIALIZING,
        target=tick.target.identity,
        revisions=replace(state.revisions, analysed=revision, promoted=revision, finished=revision),
        timing=replace(state.timing, unready_at_s=tick.now_s),
        run=state.run if state.run.started_at_s is not None else Run(tick.now_s),
    )
    return tick.transition(begun)


def _await_primary(tick: Tick) -> Decision | None:
    why_failed = tick.why_not_advancing() if tick.observation.failed_objects else None
    why = tick.why_primary_not_ready() or why_failed
    if why is not None:
        return wait(why, seconds=PATIENCE_S)
    if tick.state.timing.unready_at_s is not None:
        return tick.became_ready()
    return wait(seconds=tick.remaining_s) if tick.remaining_s > 0 else None


def _lead_traffic_to_primary(tick: Tick) -> Decision:
    upstreams = (ManagedObject.PRIMARY_UPSTREAM, ManagedObject.CANARY_UPSTREAM)
    due = tick.due(*upstreams)
    if due:
        return act(*due)
    route = tick.due(ManagedObject.ROUTE)
    if route and tick.observation.unaccepted:
        return _await_upstreams(tick)
    due = tick.due(ManagedObject.APEX_SERVICE) + route
    written = act(*due) if due else tick.write_traffic()
    if written is not None:
        return written
    shifted_at_s = tick.state.timing.shifted_at_s
    if shifted_at_s is None:
        # Nothing is lost while the target serves: a route with a warning is not enough to let it go.
        why = tick.why_route_not_served()
        return await_shift(tick) if why is None else wait(why, seconds=POLL_S)
    settles_in_s = shifted_at_s + BOOTSTRAP_SETTLE_S - tick.now_s
    if settles_in_s > 0:
        return wait(seconds=settles_in_s)
    scale = tick.due_scale(0)
    return act(*scale) if scale else _end(tick)


def _await_upstreams(tick: Tick) -> Decision:
    """Wait until the gateway has accepted the Upstreams: a route that it sees before them is served without them."""
    is_late = tick.now_s - tick.state.timing.next_check_at_s >= ACCEPTED_WITHIN_S
    why = halted(tick.name, tick.observation.unaccepted) if is_late else None
    return wait(why, seconds=POLL_S if is_late else SETTLING_S)


def _end(tick: Tick) -> Decision:
    state = tick.state
    ended = replace(
        end_record(state, Outcome.PROMOTED, tick.now_s, "bootstrap"),
        phase=Phase.INITIALIZED,
        traffic=replace(state.traffic, canary_percent=0),
        timing=replace(state.timing, shifted_at_s=None),
    )
    return tick.transition(ended, initialized(tick.name, tick.canary.target_kind))
