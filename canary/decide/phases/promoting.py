"""Promoting: the primary gets the analysed template, then the traffic.

A primary that has no pod while it rolls is rolled only when nothing is on it: a Deployment that is recreated, one whose
rolling update may take all its pods away, or a DaemonSet without surge on as many nodes as may be without it. See
docs/decisions/0008.
"""

from dataclasses import replace

from canary.decide.advance import await_route, await_size
from canary.decide.attempts import attempt, promote_primary
from canary.decide.drain import drain
from canary.decide.giving_up import go_back
from canary.decide.promotion_checks import check_promotion
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import (
    clear_traffic,
    give_everything_to_canary,
    promote_newer,
    restart_analysis,
    restart_run,
)
from canary.run.action import Promote
from canary.run.decision import Decision, act, wait
from canary.run.managed import ManagedObject
from canary.run.messages import (
    analysis_resumed,
    not_ready,
    primary_grows,
    primary_stays_small,
    primary_weight_advanced,
    promotion_waits,
    routing_to_canary,
    routing_to_primary,
    still_asked,
)
from canary.run.phase import Phase
from canary.run.revision import UNKNOWN
from canary.run.state import Promotion
from canary.run.steps import next_promotion_weight
from canary.run.traffic import TOTAL_PERCENT


def decide(tick: Tick) -> Decision:
    """Bring the primary up on the analysed template; traffic stays on the healthy canary until it is.

    The canary is checked meanwhile: where it fails, the promotion is given up, and the primary gets back what it had.
    """
    guarded = go_back(tick) or check_promotion(tick)
    if guarded is not None:
        return guarded
    if tick.canary.spec.suspend:
        return wait(tick.why_not_advancing(), seconds=PATIENCE_S)
    overdue = _decide_overdue(tick) if tick.is_primary_overdue else None
    if overdue is not None:
        return overdue
    primary, analysed = tick.observation.primary, tick.state.revisions.analysed
    if primary is None or primary.revision != analysed:
        return _evacuate_primary(tick) or _await_gateway(tick) or promote_primary(tick, analysed)
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    if not primary.readiness.is_ready and not _is_large_enough(tick):
        return _await_primary(tick, primary.readiness.explanation)
    if tick.state.timing.unready_at_s is not None:
        return tick.became_ready()
    if tick.remaining_s > 0:
        return wait(seconds=tick.remaining_s)
    return _await_gateway(tick) or _shift_back(tick)


def _await_gateway(tick: Tick) -> Decision | None:
    """Wait for a gateway that is not known to serve the stored split: it would send to pods that are rolled away."""
    return None if tick.is_route_served or not tick.can_primary_serve else await_route(tick)


def _await_primary(tick: Tick, explanation: str) -> Decision:
    """Wait for the primary. Its deadline begins with its rollout, which may have had to wait for the traffic to go."""
    timing = tick.state.timing
    if timing.unready_at_s is not None and timing.shifted_at_s is None:
        return wait(not_ready(tick.primary_name, explanation, is_canary_side=False), seconds=PATIENCE_S)
    begun = replace(timing, unready_at_s=tick.now_s, shifted_at_s=None)
    promotion = replace(tick.state.promotion, is_late=False)
    return tick.update(replace(tick.state, timing=begun, promotion=promotion))


def _shift_back(tick: Tick) -> Decision:
    state = tick.state
    percent = next_promotion_weight(tick.canary, state.traffic.canary_percent)
    growing = _grow_primary(tick, tick.primary_size(TOTAL_PERCENT - percent))
    if growing is not None:
        return growing
    if percent > 0:
        shifting = replace(
            state,
            traffic=replace(state.traffic, canary_percent=percent),
            timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s),
        )
        return tick.transition(shifting, primary_weight_advanced(tick.name, TOTAL_PERCENT - percent))
    shifted = replace(
        clear_traffic(state),
        phase=Phase.FINALISING,
        analysis=replace(state.analysis, growth_started_at_s=None),
        promotion=Promotion(),
        timing=replace(state.timing, unready_at_s=None, shifted_at_s=None),
    )
    return tick.transition(shifted, routing_to_primary())


def _is_large_enough(tick: Tick) -> bool:
    """Return whether a primary without all its pods had its time to grow: some serve, and no more will come."""
    primary, started_at_s = tick.observation.primary, tick.state.promotion.growth_started_at_s
    is_over = started_at_s is not None and tick.now_s - started_at_s >= tick.canary.progress_deadline_s
    return is_over and primary is not None and primary.readiness.has_available and primary.is_lasting


def _grow_primary(tick: Tick, size: int) -> Decision | None:
    """Let the primary's autoscaler give it the size for what comes back; None when it has it, or had its time."""
    primary, state = tick.observation.primary, tick.state
    started_at_s = state.promotion.growth_started_at_s
    is_small = primary is not None and primary.replicas < size
    if primary is None or not is_small or state.promotion.is_late:
        return None
    if started_at_s is None or state.primary_floor < size:
        begun = replace(
            state,
            primary_floor=max(state.primary_floor, size),
            promotion=replace(state.promotion, growth_started_at_s=started_at_s or tick.now_s),
        )
        return tick.update(begun, primary_grows(tick.primary_name, size, primary.replicas))
    if tick.now_s - started_at_s < tick.canary.progress_deadline_s:
        return wait(seconds=PATIENCE_S)
    # Reported once: what is late is not waited for any longer.
    late = replace(state, promotion=replace(state.promotion, is_late=True))
    return tick.update(late, primary_stays_small(tick.primary_name, size, primary.replicas))


def _evacuate_primary(tick: Tick) -> Decision | None:
    """See everything on the canary side, and nothing on the primary; None when that may be rolled.

    The promotion, a request or the last step of the analysis brought it there, unless the primary's strategy was edited
    since. As long as nothing of the revision has reached the primary, whatever goes wrong is undone by beginning again.
    """
    primary = tick.observation.primary
    if not tick.rollout_interrupts_primary or primary is None or not primary.readiness.has_available:
        return None
    if tick.is_target_newer:
        return restart_run(tick)
    if not tick.can_canary_serve:
        return restart_analysis(tick, analysis_resumed(tick.target_name, tick.target.readiness.explanation))
    if not tick.canary_carries_everything:
        growing = await_size(tick, tick.canary_size(TOTAL_PERCENT))
        if growing is not None:
            return growing
        return tick.transition(give_everything_to_canary(tick), routing_to_canary(was_mirrored=False))
    due, why = tick.due(ManagedObject.ROUTE), tick.why_route_not_served()
    if due or why is not None:
        return act(*due) if due else wait(why, seconds=PATIENCE_S)
    return drain(tick, still_asked(tick.primary_name))


def _decide_overdue(tick: Tick) -> Decision | None:
    """Report, once, that the primary does not come up within the progress deadline; it is tried on.

    Where the target has a newer revision, that may be the cure, and gets its run.
    """
    newer = _give_way_to_newer(tick) if tick.is_target_newer else None
    if newer is not None:
        return newer
    if tick.state.promotion.is_late:
        return _bring_back(tick) if tick.is_target_newer else None
    primary = tick.observation.primary
    explanation = "it does not exist" if primary is None else primary.readiness.explanation
    late = replace(tick.state, promotion=replace(tick.state.promotion, is_late=True))
    return tick.update(late, promotion_waits(tick.target_name, explanation or "it has not got the template yet"))


def _give_way_to_newer(tick: Tick) -> Decision | None:
    """Begin the newer revision's run; None while that would take the traffic to a primary that can't serve it."""
    primary, state = tick.observation.primary, tick.state
    if state.traffic.canary_percent == 0:
        if primary is None or not tick.rollout_interrupts_primary or not primary.readiness.has_available:
            return restart_run(tick)
        # To bring it back to what was promoted before would end the pods that serve everybody: it stays on this one.
        revisions = replace(state.revisions, promoted=state.revisions.analysed)
        return restart_run(tick.having(replace(state, revisions=revisions)))
    if not tick.canary.is_analysis_skipped:
        return None
    return restart_run(tick) if tick.can_primary_serve else promote_newer(tick)


def _bring_back(tick: Tick) -> Decision | None:
    """Bring the primary back to what was promoted last: when it serves that, the newer revision gets its run.

    The canary side, analysed or not, is all that serves meanwhile. None where what was promoted last can't be had:
    then the primary is waited for as it is, and whoever is on call may ask for the promotion of the newer revision.
    """
    primary, promoted = tick.observation.primary, tick.state.revisions.promoted
    if primary is not None and primary.revision == promoted:
        return wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)
    return None if promoted == UNKNOWN else attempt(tick, Promote(promoted))
