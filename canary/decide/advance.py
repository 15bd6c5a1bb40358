"""The way forward: the next step of an analysis, or its good end."""

from typing import Any

from canary.decide.affinity import cookie_at
from canary.decide.context import Tick
from canary.decide.run import promote
from canary.run.decision import Decision, move
from canary.run.messages import Message, canary_iteration_advanced, canary_weight_advanced, routing_to_canary
from canary.run.phase import Phase
from canary.run.steps import Step, next_step


def step_ahead(tick: Tick) -> Step | None:
    """Return the step that comes next, None when the promotion does."""
    state, present = tick.state, None
    if tick.is_begun:
        present = Step(state.canary_weight, state.mirror_percent, state.iterations, state.is_for_everyone)
    return next_step(tick.canary, present, is_primary_to_make_way=tick.is_primary_to_make_way)


def advance(tick: Tick, *news: Message, **changes: Any) -> Decision:
    """Take the next step; `news` are said first, `changes` are kept with it."""
    step = step_ahead(tick)
    if step is None:
        return promote(tick, *news, is_analysis_skipped=False, **changes)
    begun = {} if tick.is_begun else {"first_weight_s": tick.now_s, "decisive_s": tick.now_s}
    forward: dict[str, Any] = {
        "phase": Phase.PROGRESSING,
        "canary_weight": step.weight_percent,
        "is_for_everyone": step.is_for_everyone,
        "mirror_percent": step.mirror_percent,
        "iterations": step.iterations,
        "not_before_s": tick.now_s + tick.canary.interval_s,
        "waiting_for": (),
        "is_cleared": False,
        "strategy": tick.canary.strategy,
    }
    forward |= cookie_at(tick, step.weight_percent) | begun
    return move(tick.moved(*news, _told(tick, step), **(changes | forward)))


def _told(tick: Tick, step: Step) -> Message:
    if step.is_for_everyone:
        return routing_to_canary(was_mirrored=tick.state.mirror_percent > 0)
    if tick.canary.strategy == "canary":
        return canary_weight_advanced(tick.name, step.weight_percent)
    assert tick.canary.analysis is not None
    return canary_iteration_advanced(tick.name, step.iterations, tick.canary.analysis.iterations)
