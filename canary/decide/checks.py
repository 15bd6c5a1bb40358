"""From the answers of a tick to the next transition: advance, halt, hold or roll back."""

from dataclasses import replace

from canary.decide.advance import advance, step_ahead
from canary.decide.gates import gate_before
from canary.decide.tick import Tick
from canary.decide.transitions import roll_back
from canary.run.decision import Decision
from canary.run.judge import CheckResult, Verdict, overall
from canary.run.managed import ManagedObject
from canary.run.messages import Message, halted, held
from canary.run.state import State


def judge_checks(tick: Tick, checks: tuple[CheckResult, ...], why_not_advancing: Message | None) -> Decision:
    """Judge a tick's checks: when they pass, the next step is taken, or what stands before it is done first.

    `why_not_advancing`, if any, lets nothing go forward.
    """
    verdict = overall(checks)
    if verdict is not Verdict.PASS:
        return hold_back(tick, verdict, checks)
    if why_not_advancing is not None:
        return tick.transition(_after_checks(tick, passed=False), remarks=(why_not_advancing,))
    if tick.due(*ManagedObject) or gate_before(tick, step_ahead(tick)) is not None:
        overdue = _report_overdue(tick) if tick.state.analysis.checks_passed else ()
        return tick.transition(_after_checks(tick, passed=True), remarks=overdue)
    analysis = replace(tick.state.analysis, decisive_at_s=tick.now_s)
    return advance(tick.having(replace(tick.state, analysis=analysis)))


def _after_checks(tick: Tick, *, passed: bool) -> State:
    analysis = replace(tick.state.analysis, decisive_at_s=tick.now_s, checks_passed=passed)
    return _next_interval(tick, replace(tick.state, analysis=analysis))


def _next_interval(tick: Tick, state: State) -> State:
    return replace(state, timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s))


def _report_overdue(tick: Tick) -> tuple[Message, ...]:
    """Report what has been due since the checks before, which passed too: it was tried again and again."""
    due = sorted(tick.observation.due_objects)
    return (halted(tick.name, f"not applied yet: {', '.join(due)}"),) if due else ()


def hold_back(tick: Tick, verdict: Verdict, answers: tuple[CheckResult, ...], *before: Message) -> Decision:
    """Stay where the traffic is until the next interval; or roll back, at once, when the limit is reached."""
    failed = (*before, *(halted(tick.name, answer.text) for answer in answers if answer.verdict is Verdict.FAIL))
    because = "; ".join(answer.text for answer in answers if answer.verdict is verdict)
    analysis, now_s = replace(tick.state.analysis, checks_passed=False), tick.now_s
    decisive_at_s = analysis.decisive_at_s or now_s
    if verdict is Verdict.FAIL:
        count = analysis.failed_checks + 1
        analysis = replace(analysis, failed_checks=count, decisive_at_s=now_s)
        is_over, reason = count >= tick.canary.threshold, f"failed checks threshold reached {count}"
    else:
        unobserved_s = now_s - decisive_at_s
        if analysis.decisive_at_s is None:
            analysis = replace(analysis, decisive_at_s=now_s)
        is_over, reason = unobserved_s >= tick.unobserved_deadline_s, f"no decisive sample for {unobserved_s:.0f} s"
    held_back = _next_interval(tick, replace(tick.state, analysis=analysis))
    if is_over:
        return roll_back(tick.having(held_back), reason, *failed, because=because)
    undecided = tuple(held(answer.text) for answer in answers if answer.verdict in {Verdict.NO_DATA, Verdict.ERROR})
    return tick.transition(held_back, *failed, remarks=undecided)
