"""Progressing: the canary side comes up, its hooks are asked, and its checks decide step by step.

The analysis goes on come what may: what goes wrong elsewhere keeps it from going forward, not its checks away.
"""

from dataclasses import replace

from canary.decide.advance import (
    Ahead,
    advance,
    await_canary,
    await_route,
    grow,
    has_grown,
    look_ahead,
    skip_to_promotion,
)
from canary.decide.checks import begin_analysis, judge_analysis, judge_entry
from canary.decide.gates import (
    PRE_ROLLOUT,
    QUESTIONS,
    rollback_remarks,
    rollbacks_asked_for,
    unanswered_hooks,
    with_rollback,
)
from canary.decide.giving_up import go_back
from canary.decide.holds import Hold, begin_bake, follow_edited_steps
from canary.decide.phases import waiting
from canary.decide.run_record import give_reason
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import end_badly
from canary.run.decision import Decision, act, ask, wait
from canary.run.managed import ManagedObject
from canary.run.messages import rolled_back_by_hand
from canary.run.observation import Question
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Roll back where a rollback gate says so; else do what the run's stage asks for."""
    rollbacks = rollbacks_asked_for(tick)
    if rollbacks:
        gates = tick.having(give_reason(tick.state, "; ".join(message.text for message in rollbacks)))
        return end_badly(gates, *rollbacks, rolled_back_by_hand(tick.name))
    guarded = go_back(tick) or _note_primary(tick)
    if guarded is not None:
        return guarded
    if tick.analysis_started:
        decision = _decide_analysis(tick)
    elif tick.state.phase is Phase.WAITING:
        decision = waiting.decide(tick)
    else:
        decision = _decide_entry(tick)
    return replace(decision, remarks=decision.remarks + rollback_remarks(tick))


def _note_primary(tick: Tick) -> Decision | None:
    """Note since when the primary has no pod, or that it has one again; no answers are given up for it."""
    primary, timing = tick.observation.primary, tick.state.timing
    is_down = primary is None or not primary.readiness.has_available
    if is_down == (timing.primary_down_at_s is not None) or tick.observation.answers is not None:
        return None
    timing = replace(timing, primary_down_at_s=tick.now_s if is_down else None)
    return tick.update(replace(tick.state, timing=timing))


# Before the first step: the canary side comes up, then one hook after the other must say yes.


def _decide_entry(tick: Tick) -> Decision:
    if tick.observation.answers is not None:
        return judge_entry(tick)
    due = tick.due(*ManagedObject) + tick.due_scale(tick.observation.scale_to)
    return act(*due) if due else await_canary(tick) or _enter(tick)


def _enter(tick: Tick) -> Decision:
    """Take the canary side, which is up, to its first step."""
    if tick.skips_analysis and not tick.is_held:
        return skip_to_promotion(tick)
    if tick.state.timing.unready_at_s is not None:
        return tick.became_ready()
    if tick.is_route_settling:
        return await_route(tick)
    why = tick.why_not_advancing()
    if why is not None or tick.remaining_s > 0:
        return wait(why, seconds=PATIENCE_S if why is not None else tick.remaining_s)
    questions = with_rollback(tick, *_entry_questions(tick))
    return ask(*questions) if questions else begin_analysis(tick)


def _entry_questions(tick: Tick) -> tuple[Question, ...]:
    """Return what is to be asked next: the pre-rollout hooks, and when all of them said yes, the gate to traffic."""
    if unanswered_hooks(tick.canary, tick.state, PRE_ROLLOUT):
        return (Question.PRE_ROLLOUT,)
    gate = look_ahead(tick).gate
    return (QUESTIONS[gate],) if gate is not None else ()


# From the first step on: checks that pass once an interval, then the gates of the next step.


def _decide_analysis(tick: Tick) -> Decision:
    followed = follow_edited_steps(tick)
    if followed is not None:
        # Checks that were asked meanwhile are asked again: what they may bring about was another step.
        return followed
    if tick.observation.answers is not None:
        return judge_analysis(tick)
    awaited = await_canary(tick)
    if awaited is not None and awaited.intent is not None:
        return awaited
    if tick.skips_analysis and not tick.is_held:
        return awaited or skip_to_promotion(tick)
    if awaited is None and tick.state.timing.unready_at_s is not None:
        # Before anything that may hold the run for long: the next short outage of that side has its own deadline.
        return tick.update_timing(shifted_at_s=tick.state.timing.shifted_at_s)
    if tick.is_route_settling:
        # Not even a check: it would be about the split before.
        return awaited or await_route(tick)
    if tick.remaining_s <= 0:
        return ask(*with_rollback(tick, Question.CHECKS))
    due = tick.due(*ManagedObject) + tick.due_scale(tick.observation.scale_to)
    is_acted = bool(due) and not tick.canary.spec.suspend
    return act(*due) if is_acted else _await_step(tick, look_ahead(tick))


def _await_step(tick: Tick, ahead: Ahead) -> Decision:
    """Wait for the next checks; after those that passed, bring about what the next step needs."""
    if ahead.needs_growth:
        return grow(tick, ahead.size)
    if ahead.why_not is not None:
        return wait(ahead.why_not, seconds=min(tick.remaining_s, PATIENCE_S))
    if has_grown(tick, ahead.size):
        return tick.update(replace(tick.state, analysis=replace(tick.state.analysis, growth_started_at_s=None)))
    if not tick.state.analysis.checks_passed or ahead.hold in {Hold.PAUSE, Hold.TIME}:
        return wait(seconds=tick.remaining_s)
    if ahead.hold is Hold.BAKE:
        return begin_bake(tick)
    return ask(QUESTIONS[ahead.gate]) if ahead.gate is not None else advance(tick, ahead.step)
