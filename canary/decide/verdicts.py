"""From the answers of a tick to the next move: advance, halt, hold or roll back."""

from typing import Any

from canary.decide.advance import advance, step_ahead
from canary.decide.context import Tick
from canary.decide.gates import gate_before
from canary.decide.run import roll_back
from canary.run.decision import Decision, move
from canary.run.judge import CheckResult, Verdict, overall
from canary.run.messages import Message, halted, held
from canary.run.observation import ManagedObject


def judge_checks(tick: Tick, checks: tuple[CheckResult, ...], trouble: Message | None) -> Decision:
    """Judge a tick's checks: when they pass, the next step is taken, or what stands before it is done first.

    `trouble` lets nothing go forward.
    """
    verdict = overall(checks)
    if verdict is not Verdict.PASS:
        return hold_back(tick, verdict, checks)
    later_s = tick.now_s + tick.canary.interval_s
    if trouble is not None:
        return move(tick.moved(not_before_s=later_s, decisive_s=tick.now_s, is_cleared=False), trouble)
    if tick.due(*ManagedObject) or gate_before(tick, step_ahead(tick)) is not None:
        cleared = tick.moved(not_before_s=later_s, decisive_s=tick.now_s, is_cleared=True)
        return move(cleared, *_overdue(tick) if tick.state.is_cleared else ())
    return advance(tick, decisive_s=tick.now_s)


def _overdue(tick: Tick) -> tuple[Message, ...]:
    """Tell of what has been due since the checks before, which passed too: it was tried again and again."""
    due = sorted(tick.seen.due_objects)
    return (halted(tick.name, f"not applied yet: {', '.join(due)}"),) if due else ()


def hold_back(
    tick: Tick, verdict: Verdict, answers: tuple[CheckResult, ...], *news: Message, **changes: Any
) -> Decision:
    """Stay where the traffic is until the next interval; or roll back, at once, when the limit is reached."""
    failed_now = tuple(halted(tick.name, answer.text) for answer in answers if answer.verdict is Verdict.FAIL)
    undecided = tuple(held(answer.text) for answer in answers if answer.verdict in {Verdict.NO_DATA, Verdict.ERROR})
    said = news + failed_now
    because = "; ".join(answer.text for answer in answers if answer.verdict is verdict)
    later = {"not_before_s": tick.now_s + tick.canary.interval_s, "is_cleared": False} | changes
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
