"""From the answers of a tick to the next transition: advance, halt, hold or roll back."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from canary.decide.advance import advance, grow, look_ahead
from canary.decide.evidence import hear_evidence
from canary.decide.gates import (
    CONFIRM_PROMOTION,
    CONFIRM_TRAFFIC_INCREASE,
    PRE_ROLLOUT,
    GateAnswers,
    answer_key,
    read_gates,
    unanswered_hooks,
    with_answers,
)
from canary.decide.holds import Hold, begin_bake, without_unwatched
from canary.decide.tick import Tick
from canary.decide.transitions import roll_back
from canary.run.decision import Decision, wait
from canary.run.judge import CheckResult, Verdict, is_observed, is_open, overall
from canary.run.kept import keep_samples
from canary.run.managed import ManagedObject
from canary.run.messages import Message, analysis_started, dry_run, halted, held, hook_passed
from canary.run.observation import Question
from canary.run.phase import Phase
from canary.run.state import Analysis, State
from canary.run.streaks import count_failures

# Before the first step.


def judge_entry(tick: Tick) -> Decision:
    """Judge what was asked before the first step: the pre-rollout hooks, or the gate to traffic."""
    answers = tick.observation.answered(Question.PRE_ROLLOUT)
    if answers is not None:
        return _judge_pre_rollout(tick, answers)
    gate = read_gates(tick, CONFIRM_TRAFFIC_INCREASE)
    if gate is None or gate.is_open:
        return begin_analysis(tick) if gate is None else begin_analysis(tick.having(gate.state), *gate.messages)
    # Nothing is exposed while the gate is shut: the time without a sample begins anew.
    held = _next_interval(tick, note_decisive(tick, gate.state))
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
    if verdict is Verdict.PASS:
        return begin_analysis(kept, *messages)
    return _hold_back(kept, verdict, answers, *_report_start(tick), *messages)


def begin_analysis(tick: Tick, *messages: Message) -> Decision:
    """Take the first step; or only keep what was answered, where a gate is shut or the world changed meanwhile."""
    ahead, said = look_ahead(tick), (*_report_start(tick), *messages)
    if ahead.why_not is None and ahead.gate is None and not tick.due(*ManagedObject):
        return advance(tick, ahead.step, *said)
    if ahead.needs_growth and not said:
        return grow(tick, ahead.size)
    return tick.transition(note_decisive(tick, tick.state), *said)


def _report_start(tick: Tick) -> tuple[Message, ...]:
    """Report once that the analysis starts: before anything was judged."""
    return (analysis_started(tick.target_name),) if tick.state.analysis.decisive_at_s is None else ()


# From the first step on.


def judge_analysis(tick: Tick) -> Decision:
    """Judge the checks of an interval, or read the gates of the step ahead."""
    checks = tick.observation.answered(Question.CHECKS)
    if checks is not None:
        state, counted, said, remarks = count(tick.having(without_unwatched(tick)), checks)
        decision = _judge_checks(tick.having(state), counted, *said)
        return replace(decision, remarks=decision.remarks + remarks, judged=counted)
    gates = ((kind, read_gates(tick, kind)) for kind in (CONFIRM_TRAFFIC_INCREASE, CONFIRM_PROMOTION))
    asked = next(((kind, gate) for kind, gate in gates if gate is not None), None)
    return wait(seconds=tick.remaining_s) if asked is None else _pass_gate(tick, *asked)


def _judge_checks(tick: Tick, checks: tuple[CheckResult, ...], *said: Message) -> Decision:
    """Take the next step where the checks pass, or do first what stands before it; `said` comes with what holds."""
    verdict, ahead = overall(checks), look_ahead(tick)
    final = end_by_evidence(tick, checks)
    if final is not None:
        return final
    if is_observed(checks) and (verdict is not Verdict.PASS or any(is_open(check) for check in checks)):
        return _stay(tick, checks, *said)
    if verdict is not Verdict.PASS:
        return _hold_back(tick, verdict, checks, *said)
    passed = note_decisive(tick, tick.state)
    is_due = bool(tick.due(*ManagedObject))
    if ahead.why_not is None and ahead.hold is Hold.BAKE:
        return begin_bake(tick.having(passed))
    if ahead.why_not is None and ahead.hold is None and ahead.gate is None and not is_due:
        return advance(tick.having(passed), ahead.step)
    # Whoever resumes the run waits for no other checks; those of a time that is not over are not the last of it.
    analysis = replace(passed.analysis, checks_passed=ahead.why_not is None and ahead.hold is not Hold.TIME)
    remarks = (ahead.why_not,) if ahead.why_not is not None else _report_overdue(tick)
    return tick.transition(_next_interval(tick, replace(passed, analysis=analysis)), remarks=remarks)


def end_by_evidence(tick: Tick, checks: tuple[CheckResult, ...]) -> Decision | None:
    """Roll back at once where a test has found harm, or has waited for too long; None where none has."""
    final = [check for check in checks if check.is_final and not check.is_dry_run]
    if not final:
        return None
    because = "; ".join(check.text for check in final)
    reason = f"evidence against {', '.join(check.name for check in final)}"
    return roll_back(tick, reason, *report_failures(tick, checks), because=because, why=because)


def _stay(tick: Tick, checks: tuple[CheckResult, ...], *said: Message) -> Decision:
    """Stay where the traffic is while hooks still run, or while a check knows something, and not enough.

    It is known how the canary does, as long as all else passes.
    """
    passed = note_decisive(tick, tick.state)
    waiting = replace(passed, analysis=replace(passed.analysis, checks_passed=False))
    remarks = tuple(held(check.text) for check in checks if check.is_pending)
    return tick.transition(_next_interval(tick, waiting), *said, *report_failures(tick, checks), remarks=remarks)


def _report_overdue(tick: Tick) -> tuple[Message, ...]:
    """Report what has been due since the checks before, which passed too: it was tried again and again."""
    due = sorted(tick.observation.due_objects) if tick.state.analysis.checks_passed else ()
    return (halted(tick.name, f"not applied yet: {', '.join(due)}"),) if due else ()


def _pass_gate(tick: Tick, kind: str, gate: GateAnswers) -> Decision:
    """Take the step whose gates are open; shut ones are asked again after the next checks that pass."""
    if not gate.is_open:
        phase = Phase.WAITING_PROMOTION if kind == CONFIRM_PROMOTION else tick.state.phase
        analysis = replace(gate.state.analysis, checks_passed=False)
        shut = replace(gate.state, phase=phase, analysis=analysis)
        return tick.transition(shut, *gate.messages, remarks=gate.remarks)
    opened = tick.having(gate.state)
    ahead = look_ahead(opened)
    if ahead.hold is not None or ahead.gate is not None or ahead.why_not is not None or tick.due(*ManagedObject):
        return tick.transition(gate.state, *gate.messages)
    return advance(opened, ahead.step, *gate.messages)


# Whenever checks don't pass.


def _hold_back(tick: Tick, verdict: Verdict, answers: tuple[CheckResult, ...], *before: Message) -> Decision:
    """Stay where the traffic is until the next interval; or roll back, at once, when the limit is reached."""
    weighed = weigh(tick, verdict, answers, due_at_s=tick.state.timing.next_check_at_s)
    held_back = _next_interval(tick, replace(tick.state, analysis=weighed.analysis))
    failed = (*before, *weighed.failed)
    if weighed.is_over:
        rolled = tick.having(held_back)
        return roll_back(rolled, weighed.reason, *failed, because=weighed.because, why=weighed.why)
    return tick.transition(held_back, *failed, remarks=weighed.remarks)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What follows from checks that did not pass: `is_over`, for that `reason`, or the analysis as it stands now.

    `why` is told of it in the history: what decided, and where nothing did, for how long.
    `failed` reports the checks that failed, `remarks` those that nothing is known from, `because` what decided.
    """

    analysis: Analysis
    is_over: bool
    reason: str
    because: str
    why: str
    failed: tuple[Message, ...]
    remarks: tuple[Message, ...]


def weigh(tick: Tick, verdict: Verdict, answers: tuple[CheckResult, ...], *, due_at_s: float) -> Weighed:
    """Count a failed check; or the time in which nothing was observed, by the checks that were due and asked.

    No clock that jumps counts for more than another interval: so much may the answers to a check take.
    """
    analysis, now_s = replace(tick.state.analysis, checks_passed=False), tick.now_s
    if verdict is Verdict.FAIL:
        count = analysis.failed_checks + 1
        analysis = replace(analysis, failed_checks=count, decisive_at_s=now_s, unobserved_s=0.0)
        is_over, reason = count >= tick.canary.threshold, f"failed checks threshold reached {count}"
    else:
        interval_s = float(tick.canary.interval_s)
        is_first = analysis.decisive_at_s is None
        spent_s = 0.0 if is_first else interval_s + min(max(now_s - due_at_s, 0.0), interval_s)
        unobserved_s = analysis.unobserved_s + spent_s
        analysis = replace(analysis, decisive_at_s=analysis.decisive_at_s or now_s, unobserved_s=unobserved_s)
        is_over, reason = unobserved_s >= tick.unobserved_deadline_s, f"no decisive sample for {unobserved_s:.0f} s"
    decisive = [answer for answer in answers if not answer.is_dry_run]
    because = "; ".join(answer.text for answer in decisive if answer.verdict is verdict and not answer.is_unconfirmed)
    return Weighed(
        analysis,
        is_over,
        reason,
        because=because,
        why=because if verdict is Verdict.FAIL else f"{reason}: {because}",
        failed=report_failures(tick, answers),
        remarks=tuple(held(answer.text) for answer in decisive if answer.verdict in {Verdict.NO_DATA, Verdict.ERROR}),
    )


def report_failures(tick: Tick, answers: tuple[CheckResult, ...]) -> tuple[Message, ...]:
    """Report what failed, whether it counts yet or not; dry runs are remarks of their own."""
    failed = (answer for answer in answers if answer.verdict is Verdict.FAIL and not answer.is_dry_run)
    return tuple(halted(tick.name, answer.text) for answer in failed)


def dry_run_remarks(tick: Tick, answers: tuple[CheckResult, ...]) -> tuple[Message, ...]:
    """Return a remark for each check that decides nothing and did not pass; a test tells its news itself."""
    dry = (
        answer
        for answer in answers
        if answer.is_dry_run and answer.verdict is not Verdict.PASS and answer.counts is None
    )
    return tuple(dry_run(tick.name, answer.text) for answer in dry)


def note_decisive(tick: Tick, state: State) -> State:
    """Return the state in which it is known now how the canary does."""
    return replace(state, analysis=replace(state.analysis, decisive_at_s=tick.now_s, unobserved_s=0.0))


class Counted(NamedTuple):
    """The state with what checks said, and the checks as they are to be judged.

    `said` is to be told once, where the run is held; `remarks` in any case.
    """

    state: State
    checks: tuple[CheckResult, ...]
    said: tuple[Message, ...]
    remarks: tuple[Message, ...]


def count(tick: Tick, checks: tuple[CheckResult, ...]) -> Counted:
    """Return the state with what these checks said of each metric of the spec, and the checks as they are to be judged.

    Tests go on by what they count. Checks that must fail several times in a row have their rows in the state, and say
    in words how long that is.
    """
    heard, spec = hear_evidence(tick, checks), tick.canary.analysis
    analysis = heard.state.analysis
    failed_in_row, counted = count_failures(analysis.failed_in_row, heard.checks)
    kept = keep_samples(analysis.kept, spec.metrics if spec else (), counted, tick.now_s)
    state = replace(heard.state, analysis=replace(analysis, kept=kept, failed_in_row=failed_in_row))
    return Counted(state, counted, heard.messages, heard.remarks + dry_run_remarks(tick, counted))


def _next_interval(tick: Tick, state: State) -> State:
    return replace(state, timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s))
