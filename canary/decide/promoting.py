"""Promotion: the primary gets the analysed template, then the traffic, then the canary side goes."""

from dataclasses import replace
from typing import Any

from canary.decide.attempt import attempt, promote_primary
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.ending import drain_and_scale_down
from canary.decide.making_way import make_way
from canary.decide.progressing import restart
from canary.decide.run import all_on_canary, no_traffic, promote_newer, untold_end
from canary.decide.takeover import UNKNOWN
from canary.run.action import Promote
from canary.run.decision import Decision, act, move, wait
from canary.run.messages import (
    not_ready,
    primary_weight_advanced,
    promotion_completed,
    promotion_waits,
    routing_to_canary,
    routing_to_primary,
)
from canary.run.observation import ManagedObject
from canary.run.phase import Phase
from canary.run.steps import TOTAL_WEIGHT, next_promotion_weight


def keep_served(tick: Tick) -> Decision | None:
    """Have a promotion's traffic where it is served: not on a side without an available pod while the other has one.

    But whatever primary can serve, old or new, is safer than a canary side whose pods already roll to a revision that
    nobody analysed.
    """
    is_canary_good = tick.target.seen.revision == tick.state.analysed and tick.can_canary_serve
    primary = tick.seen.primary
    if is_canary_good and not tick.is_all_on_canary and not (primary and primary.readiness.has_available):
        return move(tick.moved(routing_to_canary(was_mirrored=False), **all_on_canary(tick)))
    if not is_canary_good and tick.state.canary_weight > 0 and tick.can_primary_serve:
        return move(tick.moved(routing_to_primary(), **no_traffic(tick.state), shifted_s=None))
    return None


def decide_promoting(tick: Tick) -> Decision:
    """Bring the primary up on the analysed template; traffic stays on the healthy canary until it is."""
    overdue = _decide_overdue(tick)
    if overdue is not None:
        return overdue
    primary = tick.seen.primary
    if primary is None or primary.revision != tick.state.analysed:
        return make_way(tick) or promote_primary(tick, tick.state.analysed)
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    if not primary.readiness.is_ready:
        return _await_primary(tick)
    if tick.state.unready_since_s is not None:
        return move(tick.became_ready())
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    return _shift_back(tick)


def _decide_overdue(tick: Tick) -> Decision | None:
    """Tell, once, that the primary does not come up within the progress deadline; it is tried on.

    Where the target has a newer revision, that may be the cure, and gets its run.
    """
    if not tick.is_primary_overdue:
        return None
    is_overtaken = tick.target.seen.revision != tick.state.analysed
    given_way = _give_way(tick) if is_overtaken else None
    if given_way is not None:
        return given_way
    if not tick.state.is_promotion_late:
        primary = tick.seen.primary
        explanation = "it does not exist" if primary is None else primary.readiness.explanation
        said = promotion_waits(tick.target_name, explanation or "it has not got the template yet")
        return move(tick.moved(said, is_promotion_late=True, last_transition_s=tick.state.last_transition_s))
    return _bring_back(tick) if is_overtaken else None


def _give_way(tick: Tick) -> Decision | None:
    """Begin the newer revision's run; None while that would take the traffic to a primary that can't serve it."""
    primary = tick.seen.primary
    if tick.state.canary_weight == 0:
        if primary is None or not tick.is_primary_to_make_way or not primary.readiness.has_available:
            return restart(tick)
        # To bring it back to what was promoted before would end the pods that serve everybody: it stays on this one.
        return restart(Tick(tick.canary, replace(tick.state, promoted=tick.state.analysed), tick.seen))
    if not tick.canary.is_analysis_skipped:
        return None
    return restart(tick) if tick.can_primary_serve else promote_newer(tick)


def _bring_back(tick: Tick) -> Decision | None:
    """Return the primary what was promoted last: when it serves that again, the newer revision gets its run.

    The canary side, analysed or not, is all that serves meanwhile. None where what was promoted last can't be had:
    then the primary is waited for as it is, and whoever is on call may ask for the promotion of the newer revision.
    """
    primary, promoted = tick.seen.primary, tick.state.promoted
    if primary is None or primary.revision != promoted:
        return None if promoted == UNKNOWN else attempt(tick, Promote(promoted))
    return wait(tick.primary_trouble(), seconds=PATIENCE_S)


def _await_primary(tick: Tick) -> Decision:
    """Wait for the primary. Its deadline begins with its rollout, which may have had to wait for the traffic to go."""
    if tick.state.unready_since_s is None or tick.state.shifted_s is not None:
        same_time = tick.state.last_transition_s
        begun: dict[str, Any] = {"unready_since_s": tick.now_s, "shifted_s": None, "is_promotion_late": False}
        return move(tick.moved(**begun, last_transition_s=same_time))
    assert tick.seen.primary is not None
    explanation = tick.seen.primary.readiness.explanation
    return wait(not_ready(tick.primary_name, explanation, is_canary_side=False), seconds=PATIENCE_S)


def _shift_back(tick: Tick) -> Decision:
    weight = next_promotion_weight(tick.canary, tick.state.canary_weight)
    if weight > 0:
        later_s = tick.now_s + tick.canary.interval_s
        news = primary_weight_advanced(tick.name, TOTAL_WEIGHT - weight)
        return move(tick.moved(news, canary_weight=weight, not_before_s=later_s))
    shifted: dict[str, Any] = {"phase": Phase.FINALISING, "unready_since_s": None, "shifted_s": None}
    shifted |= {"grown_s": None, "is_promotion_late": False}
    return move(tick.moved(routing_to_primary(), **(shifted | no_traffic(tick.state))))


def decide_finalising(tick: Tick) -> Decision:
    """All traffic is meant for the primary: see it there, then scale the canary side down."""
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    if tick.target.seen.revision != tick.state.analysed:
        # A newer revision waits on the canary side: its run starts at once, there is nothing to scale down for.
        return _succeeded(tick)
    return drain_and_scale_down(tick, lambda: _succeeded(tick))


def _succeeded(tick: Tick) -> Decision:
    return move(
        tick.moved(
            promotion_completed(tick.target_name, is_analysis_skipped=tick.state.is_analysis_skipped),
            phase=Phase.SUCCEEDED,
            promoted=tick.state.analysed,
            finished=tick.state.analysed,
            iterations=0,
            shifted_s=None,
            **untold_end(tick),
        )
    )
