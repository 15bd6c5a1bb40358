"""From the answers of a tick to the next move: advance, halt, hold or roll back."""

from collections.abc import Callable
from typing import Any

from canary.decide.context import Tick
from canary.decide.decision import Decision, move
from canary.decide.run import roll_back
from canary.judge import CheckResult, Verdict, overall
from canary.news import News, analysis_started, canary_weight_advanced, halted, held, pre_rollout_passed
from canary.steps import next_weight


def judge_pre_rollout(tick: Tick, answers: tuple[CheckResult, ...]) -> Decision:
    """Give the first weight once every pre-rollout hook said yes; a refusal is a failed check.

    A hook that said yes is not asked again for this revision, whatever the others say.
    """
    passed = tuple(answer.name for answer in answers if answer.verdict is Verdict.PASS)
    news = [pre_rollout_passed(name) for name in passed]
    if tick.state.decisive_s is None:
        news.insert(0, analysis_started(tick.target_name))
    answered = tick.state.answered + passed
    verdict = overall(answers)
    if verdict is Verdict.PASS:
        return _advance(tick, *news, first_weight_s=tick.now_s, decisive_s=tick.now_s, answered=answered)
    return _hold_back(tick, verdict, answers, *news, answered=answered)


def judge_checks(
    tick: Tick, checks: tuple[CheckResult, ...], trouble: News | None, *, at_end: Callable[[], Decision]
) -> Decision:
    """Judge a tick's checks; `at_end` decides when they pass at the last weight. `trouble` lets no weight grow."""
    verdict = overall(checks)
    if verdict is not Verdict.PASS:
        return _hold_back(tick, verdict, checks)
    if trouble is not None:
        later_s = tick.now_s + tick.canary.interval_s
        return move(tick.moved(not_before_s=later_s, decisive_s=tick.now_s), trouble)
    if next_weight(tick.canary, tick.state.canary_weight) is None:
        return at_end()
    return _advance(tick, decisive_s=tick.now_s)


def _advance(tick: Tick, *news: News, **changes: Any) -> Decision:
    weight = next_weight(tick.canary, tick.state.canary_weight)
    assert weight is not None, "a canary without a first step is refused by canary/rules"
    return move(
        tick.moved(
            *news,
            canary_weight_advanced(tick.name, weight),
            canary_weight=weight,
            not_before_s=tick.now_s + tick.canary.interval_s,
            **changes,
        )
    )


def _hold_back(tick: Tick, verdict: Verdict, answers: tuple[CheckResult, ...], *news: News, **changes: Any) -> Decision:
    """Stay where the traffic is until the next interval; or roll back, at once, when the limit is reached."""
    failed_now = tuple(halted(tick.name, answer.text) for answer in answers if answer.verdict is Verdict.FAIL)
    undecided = tuple(held(answer.text) for answer in answers if answer.verdict in {Verdict.NO_DATA, Verdict.ERROR})
    said = news + failed_now
    because = "; ".join(answer.text for answer in answers if answer.verdict is verdict)
    later = {"not_before_s": tick.now_s + tick.canary.interval_s} | changes
    if verdict is Verdict.FAIL:
        failed = tick.state.failed_checks + 1
        later |= {"failed_checks": failed, "decisive_s": tick.now_s}
        if failed >= tick.canary.threshold:
            return roll_back(tick, f"failed checks threshold reached {failed}", *said, because=because, **later)
        return move(tick.moved(*said, **later), *undecided)
    unobserved_s = tick.now_s - (tick.state.decisive_s or tick.now_s)
    if unobserved_s >= tick.unobserved_deadline_s:
        return roll_back(tick, f"no decisive sample for {unobserved_s:.0f} s", *said, because=because, **later)
    if tick.state.decisive_s is None:
        later["decisive_s"] = tick.now_s
    return move(tick.moved(*said, **later), *undecided)
