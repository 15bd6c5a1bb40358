"""Gates: hooks that hold a run until they say yes.

A yes is kept in the state and never asked for again; a refusal and no answer at all both mean that the run waits.
Source of what is asked when, and of the words: Flagger 1.44, `pkg/controller/scheduler_hooks.go`.
"""

from dataclasses import dataclass
from typing import Any, Final

from canary.api.hooks import CanaryWebhook
from canary.decide.context import (
    CONFIRM_PROMOTION,
    CONFIRM_ROLLOUT,
    CONFIRM_TRAFFIC_INCREASE,
    ROLLBACK,
    Tick,
    answer_key,
)
from canary.decide.run import fail
from canary.run.decision import Decision
from canary.run.judge import Verdict
from canary.run.messages import (
    Message,
    gate_shut,
    held,
    hook_passed,
    rollback_asked_for,
    rollback_not_asked_for,
    rolled_back_by_hand,
)
from canary.run.observation import Question
from canary.run.steps import Step

QUESTIONS: Final = {
    CONFIRM_ROLLOUT: Question.CONFIRM_ROLLOUT,
    CONFIRM_TRAFFIC_INCREASE: Question.CONFIRM_TRAFFIC_INCREASE,
    CONFIRM_PROMOTION: Question.CONFIRM_PROMOTION,
}
"""Type of a gate -> the question that asks it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the gates of one type answered. `changes`: the state's fields that keep it."""

    is_open: bool
    changes: dict[str, Any]
    news: tuple[Message, ...]
    remarks: tuple[Message, ...]


def gate_before(tick: Tick, step: Step | None) -> str | None:
    """Return the type of the gates that must open before a step (None: the promotion), None when the way is free.

    As with Flagger, the gate before a growing weight is asked before the promotion, too: that is the last increase.
    Where the canary gets all the traffic before its promotion, as always in blue/green, both are asked before that.
    """
    kinds = []
    if tick.canary.strategy == "canary" and not (step is None and tick.state.is_for_everyone):
        kinds.append(CONFIRM_TRAFFIC_INCREASE)
    if step is None or step.is_for_everyone:
        kinds.append(CONFIRM_PROMOTION)
    return next((kind for kind in kinds if tick.unanswered_hooks(kind)), None)


def hear(tick: Tick, kind: str) -> Heard | None:
    """Return what the gates of a type answered, None when they were not asked in this tick."""
    answers = tick.seen.answered(QUESTIONS[kind])
    if answers is None:
        return None
    opened = {answer.name for answer in answers if answer.verdict is Verdict.PASS}
    asked = tick.unanswered_hooks(kind)
    passed = tuple(hook for hook in asked if hook.name in opened)
    shut = tuple(hook for hook in asked if hook.name not in opened)
    keys = tuple(answer_key(tick.state, hook) for hook in passed)
    return Heard(
        is_open=not shut,
        changes={
            "answered": tick.state.answered + keys,
            "waiting_for": tuple(answer_key(tick.state, hook) for hook in shut),
        },
        news=(*(hook_passed(kind, hook.name) for hook in passed), *_shut_news(tick, kind, shut)),
        remarks=tuple(held(answer.text) for answer in answers if answer.verdict is Verdict.ERROR),
    )


def _shut_news(tick: Tick, kind: str, shut: tuple[CanaryWebhook, ...]) -> list[Message]:
    """Tell of each gate once that the run waits for it; one of those that are not muted is told to the chats, too."""
    new = [hook for hook in shut if answer_key(tick.state, hook) not in tick.state.waiting_for]
    loud = None if tick.state.waiting_for else next((hook for hook in new if not hook.mute_alert), None)
    return [gate_shut(tick.name, kind, hook.name, is_alerted=hook is loud) for hook in new]


def with_rollback(tick: Tick, *questions: Question) -> tuple[Question, ...]:
    """Return the questions with that for the rollback gates, where there are any: it goes with every poll of a run."""
    return (*questions, Question.ROLLBACK) if tick.hooks(ROLLBACK) else questions


def decide_rollback(tick: Tick) -> Decision | None:
    """Roll back at once when a rollback gate is open, whatever the checks and the other gates say."""
    answers = tick.seen.answered(Question.ROLLBACK) or ()
    opened = [rollback_asked_for(answer.name) for answer in answers if answer.verdict is Verdict.PASS]
    return fail(tick, *opened, rolled_back_by_hand(tick.name)) if opened else None


def rollback_remarks(tick: Tick) -> tuple[Message, ...]:
    """Say of each rollback gate that was asked that it is shut, or why nobody knows."""
    return tuple(
        held(answer.text) if answer.verdict is Verdict.ERROR else rollback_not_asked_for(answer.name)
        for answer in tick.seen.answered(Question.ROLLBACK) or ()
    )
