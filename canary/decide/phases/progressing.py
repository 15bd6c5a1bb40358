"""Progressing: the canary side comes up, its hooks are asked, and its checks decide step by step.

The analysis goes on come what may: what goes wrong elsewhere keeps it from going forward, not its checks away.
"""

from dataclasses import replace

from canary.decide.advance import advance, step_ahead
from canary.decide.capacity import (
    await_canary,
    grow,
    has_grown,
    skip_to_promotion,
    why_canary_not_ready,
    why_too_small,
)
from canary.decide.checks import hold_back, judge_checks
from canary.decide.gates import (
    CONFIRM_PROMOTION,
    CONFIRM_TRAFFIC_INCREASE,
    PRE_ROLLOUT,
    QUESTIONS,
    GateAnswers,
    answer_key,
    gate_before,
    read_gates,
    rollback_remarks,
    rollbacks_asked_for,
    unanswered_hooks,
    with_answers,
    with_rollback,
)
from canary.decide.phases import waiting
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import fail
from canary.run.decision import Decision, act, ask, wait
from canary.run.judge import CheckResult, Verdict, overall
from canary.run.managed import ManagedObject
from canary.run.messages import Message, analysis_started, hook_passed, rolled_back_by_hand
from canary.run.observation import Question
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Roll back where a rollback gate says so; else do what the run's stage asks for."""
    rollbacks = rollbacks_asked_for(tick)
    if rollbacks:
        return fail(tick, *rollbacks, rolled_back_by_hand(tick.name))
    if tick.analysis_started:
        decision = _decide_analysis(tick)
    elif tick.state.phase is Phase.WAITING:
        decision = waiting.decide(tick)
    else:
        decision = _decide_entry(tick)
    return replace(decision, remarks=decision.remarks + rollback_remarks(tick))


# Before the first step: the canary side comes up, then one hook after the other must say yes.


def _decide_entry(tick: Tick) -> Decision:
    if tick.observation.answers is not None:
        return _judge_entry(tick)
    due = tick.due(*ManagedObject) + tick.due_scale(tick.observation.scale_to)
    return act(*due) if due else await_canary(tick) or _enter(tick)


def _enter(tick: Tick) -> Decision:
    """Take the canary side, which is up, to its first step."""
    if tick.skips_analysis and not tick.state.control.is_paused:
        return skip_to_promotion(tick)
    if tick.state.timing.unready_at_s is not None:
        return tick.became_ready()
    why = tick.why_not_advancing()
    if why is not None or tick.remaining_s > 0:
        return wait(why, seconds=PATIENCE_S if why is not None else tick.remaining_s)
    questions = with_rollback(tick, *_entry_questions(tick))
    return ask(*questions) if questions else _begin_analysis(tick)


def _entry_questions(tick: Tick) -> tuple[Question, ...]:
    """Return what is to be asked next: the pre-rollout hooks, and when all of them said yes, the gate to traffic."""
    if unanswered_hooks(tick.canary, tick.state, PRE_ROLLOUT):
        return (Question.PRE_ROLLOUT,)
    gate = gate_before(tick, step_ahead(tick))
    return (QUESTIONS[gate],) if gate is not None else ()


def _judge_entry(tick: Tick) -> Decision:
    answers = tick.observation.answered(Question.PRE_ROLLOUT)
    if answers is not None:
        return _judge_pre_rollout(tick, answers)
    gate = read_gates(tick, CONFIRM_TRAFFIC_INCREASE)
    if gate is None or gate.is_open:
        return _begin_analysis(tick) if gate is None else _begin_analysis(tick.having(gate.state), *gate.messages)
    # Nothing is exposed while the gate is shut: the time without a sample begins anew.
    held = replace(
        gate.state,
        analysis=replace(gate.state.analysis, decisive_at_s=tick.now_s),
        timing=replace(gate.state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s),
    )
    return tick.transition(held, *_report_start(tick), *gate.messages, remarks=gate.remarks)


def _judge_pre_rollout(tick: Tick, answers: tuple[CheckResult, ...]) -> Decision:
    """Begin once every hook said yes; a refusal is a failed check.

    A hook that said yes is not asked again for this revision, whatever the others say.
    """
    passed = {answer.name for answer in answers if answer.verdict is Verdict.PASS}
    hooks = [hook for hook in unanswered_hooks(tick.canary, tick.state, PRE_ROLLOUT) if hook.name in passed]
    messages = [hook_passed(PRE_ROLLOUT, hook.name) for hook in hooks]
    kept = tick.having(with_answers(tick.state, *(answer_key(tick.state, hook) for hook in hooks)))
    verdict = overall(answers)
    if verdict is not Verdict.PASS:
        return hold_back(kept, verdict, answers, *_report_start(tick), *messages)
    if gate_before(tick, step_ahead(tick)) is not None:
        return _note_decisive(kept, *_report_start(tick), *messages)
    return _begin_analysis(kept, *messages)


def _begin_analysis(tick: Tick, *messages: Message) -> Decision:
    """Take the first step; or only keep what was answered, where the world changed while it was asked."""
    is_ready = tick.target.readiness.is_ready and tick.why_not_advancing() is None and not tick.due(*ManagedObject)
    go_on = advance if is_ready else _note_decisive
    return go_on(tick, *_report_start(tick), *messages)


def _note_decisive(tick: Tick, *messages: Message) -> Decision:
    analysis = replace(tick.state.analysis, decisive_at_s=tick.now_s)
    return tick.transition(replace(tick.state, analysis=analysis), *messages)


def _report_start(tick: Tick) -> tuple[Message, ...]:
    """Report once that the analysis starts: before anything was judged."""
    return (analysis_started(tick.target_name),) if tick.state.analysis.decisive_at_s is None else ()


# From the first step on: checks that pass once an interval, then the gates of the next step.


def _decide_analysis(tick: Tick) -> Decision:
    if tick.observation.answers is not None:
        return _judge_analysis(tick)
    waiting_for_canary = await_canary(tick)
    if waiting_for_canary is not None and waiting_for_canary.intent is not None:
        return waiting_for_canary
    if tick.skips_analysis and not tick.state.control.is_paused:
        return waiting_for_canary or skip_to_promotion(tick)
    if waiting_for_canary is None and tick.state.timing.unready_at_s is not None:
        # Before anything that may hold the run for long: the next short outage of that side has its own deadline.
        return tick.update_timing(shifted_at_s=tick.state.timing.shifted_at_s)
    if tick.remaining_s <= 0:
        return ask(*with_rollback(tick, Question.CHECKS))
    due = tick.due(*ManagedObject) + tick.due_scale(tick.observation.scale_to)
    return act(*due) if due else _await_next_step(tick)


def _await_next_step(tick: Tick) -> Decision:
    """Wait for the next checks; after those that passed, bring about what the next step needs."""
    why = why_canary_not_ready(tick) or tick.why_not_advancing()
    if why is not None:
        return wait(why, seconds=min(tick.remaining_s, PATIENCE_S))
    if why_too_small(tick) is not None:
        return grow(tick)
    if has_grown(tick):
        return tick.update(replace(tick.state, analysis=replace(tick.state.analysis, growth_started_at_s=None)))
    if not tick.state.analysis.checks_passed:
        return wait(seconds=tick.remaining_s)
    gate = gate_before(tick, step_ahead(tick))
    return ask(QUESTIONS[gate]) if gate is not None else advance(tick)


def _why_no_step(tick: Tick) -> Message | None:
    return why_canary_not_ready(tick) or tick.why_not_advancing() or why_too_small(tick)


def _judge_analysis(tick: Tick) -> Decision:
    checks = tick.observation.answered(Question.CHECKS)
    if checks is not None:
        return judge_checks(tick, checks, _why_no_step(tick))
    for kind in (CONFIRM_TRAFFIC_INCREASE, CONFIRM_PROMOTION):
        gate = read_gates(tick, kind)
        if gate is not None:
            return _pass_gate(tick, kind, gate)
    return wait(seconds=tick.remaining_s)


def _pass_gate(tick: Tick, kind: str, gate: GateAnswers) -> Decision:
    """Take the step whose gates are open; shut ones are asked again after the next checks that pass."""
    if not gate.is_open:
        phase = Phase.WAITING_PROMOTION if kind == CONFIRM_PROMOTION else tick.state.phase
        analysis = replace(gate.state.analysis, checks_passed=False)
        return tick.transition(
            replace(gate.state, phase=phase, analysis=analysis), *gate.messages, remarks=gate.remarks
        )
    opened = tick.having(gate.state)
    has_other_gate = gate_before(opened, step_ahead(tick)) is not None
    if has_other_gate or tick.due(*ManagedObject) or _why_no_step(opened) is not None:
        return tick.transition(gate.state, *gate.messages)
    return advance(opened, *gate.messages)
