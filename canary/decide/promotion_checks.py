"""Checks of a promotion: the canary side is checked for as long as it has traffic, however long its primary takes."""

from dataclasses import replace

from canary.decide.checks import count, end_by_evidence, note_decisive, report_failures, weigh
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import roll_back
from canary.run.decision import Decision, ask
from canary.run.judge import CheckResult, Verdict, is_observed, overall
from canary.run.observation import Question


def check_promotion(tick: Tick) -> Decision | None:
    """Ask and judge the checks of an interval; None while none are due, or where there is nothing to check.

    That is where nobody is on the canary side, where the analysis is not wanted, or where its pods are those of a newer
    revision by now: they are left as soon as the primary can serve.
    """
    if tick.state.traffic.canary_percent == 0 or tick.skips_analysis or tick.is_target_newer:
        return None
    checks = tick.observation.answered(Question.CHECKS)
    if checks is not None:
        state, counted, _, remarks = count(tick, checks)
        decision = _judge(tick.having(state), counted)
        return replace(decision, remarks=decision.remarks + remarks, judged=counted)
    return ask(Question.CHECKS) if tick.now_s >= _due_at_s(tick) else None


def _due_at_s(tick: Tick) -> float:
    checked_at_s = tick.state.promotion.checked_at_s
    # Never back to back: an agent that is killed again and again would come to nothing but its checks.
    return tick.now_s if checked_at_s is None else checked_at_s + max(tick.canary.interval_s, PATIENCE_S)


def _judge(tick: Tick, checks: tuple[CheckResult, ...]) -> Decision:
    """Roll back where the checks fail too often; or where nothing is known for too long, and the primary hangs.

    A primary that is up takes the traffic anyway: the fewer requests are left for the canary, the less they tell.
    """
    promotion, verdict = replace(tick.state.promotion, checked_at_s=tick.now_s), overall(checks)
    final = end_by_evidence(tick.having(replace(tick.state, promotion=promotion)), checks)
    if final is not None:
        return final
    if verdict is Verdict.PASS or is_observed(checks):
        failed = report_failures(tick, checks)
        record = tick.transition if failed else tick.update
        return record(replace(note_decisive(tick, tick.state), promotion=promotion), *failed)
    weighed = weigh(tick, verdict, checks, due_at_s=_due_at_s(tick))
    checked = replace(tick.state, analysis=weighed.analysis, promotion=promotion)
    is_leaving = verdict is not Verdict.FAIL and tick.why_primary_not_ready() is None
    if weighed.is_over and not is_leaving:
        rolled = tick.having(checked)
        return roll_back(rolled, weighed.reason, *weighed.failed, because=weighed.because, why=weighed.why)
    record = tick.transition if weighed.failed else tick.update
    return record(checked, *weighed.failed, remarks=weighed.remarks)
