"""HookAnswers and gates: which are asked when, and what their answers mean.

A gate is a hook that holds a run until it says yes. A yes is kept in the state and never asked for again; a refusal and
no answer at all both mean that the run waits. Source of what is asked when, and of the words: Flagger 1.44,
`pkg/controller/scheduler_hooks.go`.
"""

from dataclasses import dataclass, replace
from typing import Final

from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.decide.tick import Tick
from canary.run.judge import Verdict
from canary.run.messages import Message, gate_shut, held, hook_passed, rollback_asked_for, rollback_not_asked_for
from canary.run.observation import Question
from canary.run.state import State

CONFIRM_ROLLOUT: Final = "confirm-rollout"
PRE_ROLLOUT: Final = "pre-rollout"
CONFIRM_TRAFFIC_INCREASE: Final = "confirm-traffic-increase"
CONFIRM_PROMOTION: Final = "confirm-promotion"
POST_ROLLOUT: Final = "post-rollout"
ROLLBACK: Final = "rollback"

QUESTIONS: Final = {
    CONFIRM_ROLLOUT: Question.CONFIRM_ROLLOUT,
    CONFIRM_TRAFFIC_INCREASE: Question.CONFIRM_TRAFFIC_INCREASE,
    CONFIRM_PROMOTION: Question.CONFIRM_PROMOTION,
}
"""Type of a gate -> the question that asks it."""


def hooks_of(canary: Canary, kind: str) -> tuple[CanaryWebhook, ...]:
    """Return the hooks of a type (`pre-rollout`, ...), in the order in which they are written."""
    hooks = canary.analysis.webhooks if canary.analysis else ()
    return tuple(hook for hook in hooks if hook.type_effective == kind)


def unanswered_hooks(canary: Canary, state: State, kind: str) -> tuple[CanaryWebhook, ...]:
    """Return the hooks of a type that have not said yes for the revision under analysis, and for its present step."""
    return tuple(hook for hook in hooks_of(canary, kind) if answer_key(state, hook) not in state.hooks.answered)


def answer_key(state: State, hook: CanaryWebhook) -> str:
    """Return the name of a hook's answer in the state: `{type}/{name}`, for hooks of several types may share a name.

    A yes to more traffic is for one step: its key ends with the weight that the step starts from (`@20`).
    """
    key = f"{hook.type_effective}/{hook.name}"
    is_for_a_step = hook.type_effective == CONFIRM_TRAFFIC_INCREASE
    return f"{key}@{state.traffic.canary_percent}" if is_for_a_step else key


def with_answers(state: State, *keys: str) -> State:
    """Return the state in which these hooks have said yes, too."""
    return replace(state, hooks=replace(state.hooks, answered=state.hooks.answered + keys))


@dataclass(frozen=True, slots=True)
class GateAnswers:
    """What the gates of one type answered. `state` has what is to be kept of it."""

    is_open: bool
    state: State
    messages: tuple[Message, ...] = ()
    remarks: tuple[Message, ...] = ()


def read_gates(tick: Tick, kind: str) -> GateAnswers | None:
    """Return what the gates of a type answered, None when they were not asked in this tick."""
    answers = tick.observation.answered(QUESTIONS[kind])
    if answers is None:
        return None
    opened = {answer.name for answer in answers if answer.verdict is Verdict.PASS}
    asked = unanswered_hooks(tick.canary, tick.state, kind)
    passed = tuple(hook for hook in asked if hook.name in opened)
    shut = tuple(hook for hook in asked if hook.name not in opened)
    state = with_answers(tick.state, *(answer_key(tick.state, hook) for hook in passed))
    waiting_for = tuple(answer_key(tick.state, hook) for hook in shut)
    return GateAnswers(
        is_open=not shut,
        state=replace(state, hooks=replace(state.hooks, waiting_for=waiting_for)),
        messages=(*(hook_passed(kind, hook.name) for hook in passed), *_report_shut(tick, kind, shut)),
        remarks=tuple(held(answer.text) for answer in answers if answer.verdict is Verdict.ERROR),
    )


def _report_shut(tick: Tick, kind: str, shut: tuple[CanaryWebhook, ...]) -> list[Message]:
    """Report each gate once that the run waits for; chats get one of those that are not muted."""
    waiting_for = tick.state.hooks.waiting_for
    new = [hook for hook in shut if answer_key(tick.state, hook) not in waiting_for]
    alerted = None if waiting_for else next((hook for hook in new if not hook.mute_alert), None)
    return [gate_shut(tick.name, kind, hook.name, is_alerted=hook is alerted) for hook in new]


def with_rollback(tick: Tick, *questions: Question) -> tuple[Question, ...]:
    """Return the questions with that for the rollback gates, where there are any: it goes with every poll of a run."""
    return (*questions, Question.ROLLBACK) if hooks_of(tick.canary, ROLLBACK) else questions


def rollbacks_asked_for(tick: Tick) -> tuple[Message, ...]:
    """Return a message for each rollback gate that is open: one is enough to roll the run back."""
    answers = tick.observation.answered(Question.ROLLBACK) or ()
    return tuple(rollback_asked_for(answer.name) for answer in answers if answer.verdict is Verdict.PASS)


def rollback_remarks(tick: Tick) -> tuple[Message, ...]:
    """Return a remark for each rollback gate that was asked: that it is shut, or why nobody knows."""
    return tuple(
        held(answer.text) if answer.verdict is Verdict.ERROR else rollback_not_asked_for(answer.name)
        for answer in tick.observation.answered(Question.ROLLBACK) or ()
    )
