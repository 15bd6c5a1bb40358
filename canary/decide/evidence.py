"""What a tick's counts come to: each test is carried on in the state, and answers as a check does."""

from dataclasses import replace
from typing import Final, NamedTuple

from canary.api.duration import format_duration
from canary.decide.advance import look_ahead
from canary.decide.tick import Tick
from canary.judgement.finding import Answer, Finding
from canary.judgement.observe import observe, times_of
from canary.judgement.plan import Plan
from canary.judgement.scrapes import Reading
from canary.judgement.spec import evidence_names
from canary.judgement.state import EvidenceState
from canary.run.evidence import MOST_LOOKS, MOST_LOOKS_OF_ALL, CheckEvidence, Look, shown_of, with_look
from canary.run.judge import CheckResult, Counts, Verdict
from canary.run.messages import Message, common_cause, dry_run, held, info, no_evidence
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.steps import Step
from canary.run.traffic import TOTAL_PERCENT

_PATIENCE_S: Final = 120.0
"""So old may the newest scrape be, and the newest request: two scrapes of a Prometheus at its default."""

_NO_HISTORY: Final = (
    "the samples of the time before the release are too many for one answer, so that each failure counts as one "
    "until the primary shows bursts during the run; evidence.burst says how large they are"
)


class Heard(NamedTuple):
    """The state with the tests carried on, the checks with their answers, and what is said of it.

    `messages` are for once; `remarks` tell of a test that has come to another answer.
    """

    state: State
    checks: tuple[CheckResult, ...]
    messages: tuple[Message, ...]
    remarks: tuple[Message, ...]


class _Answered(NamedTuple):
    test: CheckEvidence
    check: CheckResult
    messages: tuple[Message, ...] = ()
    remarks: tuple[Message, ...] = ()
    is_news: bool = False


def hear_evidence(tick: Tick, checks: tuple[CheckResult, ...]) -> Heard:
    """Carry on the test of each check that counts, whatever the others say: no request is counted later."""
    wanted = evidence_names(tick.canary)
    tests = {test.name: test for test in tick.state.analysis.evidence if test.name in wanted}
    if not wanted:
        return Heard(_with_tests(tick.state, ()), checks, (), ())
    percent, most = _next_percent(tick), min(MOST_LOOKS, MOST_LOOKS_OF_ALL // len(wanted))
    heard: list[CheckResult] = []
    messages: tuple[Message, ...] = ()
    remarks: tuple[Message, ...] = ()
    for check in checks:
        counts = check.counts
        if counts is None or counts.name not in wanted:
            heard.append(check)
            continue
        answered = _hear(tick, tests.get(counts.name, CheckEvidence(name=counts.name)), check, counts, percent, most)
        tests[counts.name] = answered.test
        heard.append(answered.check)
        if not check.is_dry_run:
            messages, remarks = messages + answered.messages, remarks + answered.remarks
        elif answered.is_news and answered.check.verdict is not Verdict.PASS:
            remarks = (*remarks, dry_run(tick.name, answered.check.text))
    return Heard(_with_tests(tick.state, tuple(tests.values())), tuple(heard), messages, remarks)


def _with_tests(state: State, tests: tuple[CheckEvidence, ...]) -> State:
    return (
        state if tests == state.analysis.evidence else replace(state, analysis=replace(state.analysis, evidence=tests))
    )


def _next_percent(tick: Tick) -> float:
    """Return the share of the traffic that the canary gets next, if all is well: all of it with the promotion."""
    step = look_ahead(tick).step
    if step is None or step.carries_everything or tick.canary.strategy != "canary":
        return TOTAL_PERCENT
    return step.traffic.canary_percent or step.traffic.mirror_percent or TOTAL_PERCENT


def _hear(
    tick: Tick, before: CheckEvidence, check: CheckResult, counts: Counts, percent: float, most: int
) -> _Answered:
    started_at_s = tick.state.analysis.started_at_s
    started_at_s = tick.now_s if started_at_s is None else started_at_s
    times = times_of(counts.plan, before.state, started_at_s, before.others_until_s, tick.now_s)
    reading = counts.read(before.memory, times, tick.canary.interval_s)
    state, finding = observe(counts.plan, before.state, reading.deltas, percent, tick.now_s)
    step = _key(tick.state.present_step)
    is_same = before.step == step and before.waiting_since_s is not None
    since_s = _waiting_since_s(tick, before, counts, state, finding) if is_same else tick.now_s
    is_overdue = counts.plan.deadline_s is not None and tick.now_s - since_s >= counts.plan.deadline_s
    is_idle = _is_idle(tick, before, reading)
    judged = _judged(check, counts, finding, is_idle=is_idle, is_overdue=is_overdue)
    if judged.verdict is Verdict.UNDECIDED and tick.is_primary_lost:
        # Everybody on the primary gets no answer: no evidence is worth that.
        judged = replace(judged, verdict=Verdict.PASS)
    look = Look(at_s=float(int(tick.now_s)), next_percent=percent, deltas=replace(reading.deltas, history=()))
    test = CheckEvidence(
        name=before.name,
        memory=reading.memory,
        state=state,
        shown=shown_of(finding),
        step=step,
        waiting_since_s=since_s,
        is_told=is_same and before.is_told,
        looks=with_look(before.looks, look, most),
        others_until_s=before.others_until_s,
    )
    is_news = not is_same or before.shown.answer != finding.answer
    answered = _report(tick, _Answered(test, judged, is_news=is_news), finding, counts.plan, is_overdue=is_overdue)
    if counts.lacks_history and counts.plan.burst is None and not before.memory.processes:
        unlearned = info(f"{check.name}: {_NO_HISTORY}")
        answered = answered._replace(remarks=(unlearned, *answered.remarks))
    return answered


def _waiting_since_s(
    tick: Tick, before: CheckEvidence, counts: Counts, state: EvidenceState, finding: Finding
) -> float:
    """Return since when the step waits for evidence alone: the deadline is for that.

    It does not wait for it while it is well, while its own time, a bake, a pause or the warm-up holds it, or while it
    is promoted; and nobody has waited while there was no look.
    """
    began_at_s, since_s = state.began_at_s, before.waiting_since_s
    is_cold = began_at_s is not None and tick.now_s - began_at_s < counts.plan.warm_up_s
    is_held = tick.state.phase is not Phase.PROGRESSING or look_ahead(tick).hold is not None
    if since_s is None or is_cold or is_held or finding.answer is Answer.WELL:
        return tick.now_s
    unseen_s = tick.now_s - before.looks[-1].at_s if before.looks else 0.0
    is_gap = unseen_s > max(_PATIENCE_S, 2 * tick.canary.interval_s)
    return since_s + (unseen_s - tick.canary.interval_s if is_gap else 0.0)


def _is_idle(tick: Tick, before: CheckEvidence, reading: Reading) -> bool:
    """Return whether the canary gets no requests, as far as scrapes tell.

    Those are rarer than looks: without a new one nothing has changed, and with little traffic some show none. Of the
    first one it may not be known whose requests it has.
    """
    started_at_s, patience_s = tick.state.analysis.started_at_s, max(_PATIENCE_S, 2 * tick.canary.interval_s)
    if reading.deltas.canary.requests > 0:
        return False
    if reading.newest_s is None or tick.now_s - reading.newest_s > patience_s:
        return True
    last_s = started_at_s if before.last_requests_s is None else before.last_requests_s
    return last_s is None or tick.now_s - last_s > patience_s


def _judged(check: CheckResult, counts: Counts, finding: Finding, *, is_idle: bool, is_overdue: bool) -> CheckResult:
    """Return the check with the one answer that its counts give: harm before all else, then its own threshold."""
    text = f"{check.name}: {finding.text}"
    if finding.answer is Answer.HARM:
        return replace(check, verdict=Verdict.FAIL, text=text, is_final=True)
    if check.verdict is not Verdict.PASS:
        return replace(check, is_final=False)
    if is_idle:
        return replace(check, verdict=counts.without_requests, text=counts.no_requests, is_final=False)
    verdict, is_final = Verdict.UNDECIDED, False
    if finding.answer is Answer.WELL:
        verdict = Verdict.PASS
    elif is_overdue and (finding.answer is Answer.COMMON_CAUSE or counts.plan.undecided == "rollback"):
        verdict, is_final = Verdict.FAIL, True
        text = f"{text}, no other answer in {format_duration(counts.plan.deadline_s or 0)}"
    elif is_overdue and counts.plan.undecided == "promote":
        verdict = Verdict.PASS
    return replace(check, verdict=verdict, text=text, is_final=is_final)


def _report(tick: Tick, answered: _Answered, finding: Finding, plan: Plan, *, is_overdue: bool) -> _Answered:
    """Return it with what is said: each answer as it comes, and what somebody has to look at once for a step."""
    check, test = answered.check, answered.test
    if check.verdict is Verdict.PASS and finding.answer is not Answer.UNDECIDED:
        return answered._replace(remarks=(info(check.text),) if answered.is_news else ())
    if check.verdict is not Verdict.UNDECIDED:
        return answered
    told = test if test.is_told else replace(test, is_told=True)
    if finding.answer is Answer.COMMON_CAUSE and not test.is_told:
        return answered._replace(test=told, messages=(common_cause(tick.name, check.text),))
    if is_overdue and not test.is_told:
        return answered._replace(
            test=told, messages=(no_evidence(tick.name, check.text, format_duration(plan.deadline_s or 0)),)
        )
    return answered._replace(remarks=(held(check.text),) if answered.is_news else ())


def _key(step: Step) -> str:
    """Return what tells a step from the others of its run."""
    share = f"m{step.traffic.mirror_percent}" if step.traffic.mirror_percent else str(step.traffic.canary_percent)
    return f"{share}/{step.iterations}/{step.number}"
