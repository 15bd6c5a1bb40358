"""Promotion: the primary gets the analysed template, then the traffic, then the canary side goes."""

from typing import Any

from canary.action import Promote
from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, move, wait
from canary.decide.ending import drain_and_scale_down
from canary.decide.progressing import restart
from canary.decide.run import no_traffic, untold_end
from canary.news import (
    News,
    not_ready,
    primary_weight_advanced,
    promotion_completed,
    promotion_waits,
    routing_to_primary,
)
from canary.observation import Part, Primary
from canary.phase import Phase
from canary.steps import TOTAL_WEIGHT, next_promotion_weight


def decide_promoting(tick: Tick) -> Decision:
    """Bring the primary up on the analysed template; traffic stays on the healthy canary until it is."""
    if tick.target.seen.revision != tick.state.analysed:
        overtaken = _decide_overtaken(tick)
        if overtaken is not None:
            return overtaken
    primary = tick.seen.primary
    if primary is None or primary.revision != tick.state.analysed:
        return act(Promote(tick.state.analysed))
    due = tick.due(*Part)
    if due:
        return act(*due)
    if not primary.readiness.is_ready:
        return wait(_explain(tick, primary), seconds=PATIENCE_S)
    if tick.state.unready_since_s is not None:
        return move(tick.became_ready())
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    return _shift_back(tick)


def _decide_overtaken(tick: Tick) -> Decision | None:
    """The canary's pods already roll to a revision that nobody analysed: any primary, old or new, is the safer side.

    And where this promotion can't be ended (no copy of its template is left, the primary does not come up), the newer
    revision may be the cure: after the progress deadline it gets its run.
    """
    primary, since_s = tick.seen.primary, tick.state.unready_since_s
    if tick.state.canary_weight > 0 and primary is not None and primary.readiness.has_available:
        return move(tick.moved(routing_to_primary(), **no_traffic(tick.state)))
    if since_s is not None and tick.now_s - since_s > tick.canary.progress_deadline_s:
        return restart(tick)
    return None


def _explain(tick: Tick, primary: Primary) -> News:
    since_s = tick.state.unready_since_s
    if since_s is not None and tick.now_s - since_s > tick.canary.progress_deadline_s:
        return promotion_waits(tick.target_name, primary.readiness.explanation)
    return not_ready(tick.primary_name, primary.readiness.explanation, is_canary_side=False)


def _shift_back(tick: Tick) -> Decision:
    weight = next_promotion_weight(tick.canary, tick.state.canary_weight)
    if weight > 0:
        later_s = tick.now_s + tick.canary.interval_s
        news = primary_weight_advanced(tick.name, TOTAL_WEIGHT - weight)
        return move(tick.moved(news, canary_weight=weight, not_before_s=later_s))
    shifted: dict[str, Any] = {"phase": Phase.FINALISING, "unready_since_s": None, "shifted_s": None}
    return move(tick.moved(routing_to_primary(), **(shifted | no_traffic(tick.state))))


def decide_finalising(tick: Tick) -> Decision:
    """All traffic is meant for the primary: see it there, then scale the canary side down."""
    due = tick.due(*Part)
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
