"""Entering: the canary side comes up, and the hooks that stand before its first traffic are asked."""

from typing import Any

from canary.decide.advance import advance, step_ahead
from canary.decide.canary_side import await_canary
from canary.decide.context import CONFIRM_TRAFFIC_INCREASE, PATIENCE_S, PRE_ROLLOUT, Tick, answer_key
from canary.decide.gates import QUESTIONS, gate_before, hear, with_rollback
from canary.decide.skipping import skip_to_promotion
from canary.decide.verdicts import hold_back
from canary.run.decision import Decision, act, ask, move, wait
from canary.run.judge import CheckResult, Verdict, overall
from canary.run.messages import Message, analysis_started, hook_passed
from canary.run.observation import ManagedObject, Question


def decide(tick: Tick) -> Decision:
    """Bring the canary side up; then one hook after the other must say yes before the analysis begins."""
    if tick.seen.answers is not None:
        return _judge(tick)
    due = tick.due(*ManagedObject) + tick.due_scale(tick.seen.scale_to)
    if due:
        return act(*due)
    waiting = await_canary(tick)
    if waiting is not None:
        return waiting
    if tick.is_skipping and not tick.state.is_paused:
        return skip_to_promotion(tick)
    if tick.state.unready_since_s is not None:
        return move(tick.became_ready())
    trouble = tick.trouble()
    if trouble is not None:
        return wait(trouble, seconds=PATIENCE_S)
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    questions = with_rollback(tick, *_questions(tick))
    return ask(*questions) if questions else _begin(tick)


def _questions(tick: Tick) -> tuple[Question, ...]:
    """Return what is to be asked next: the pre-rollout hooks, and when all of them said yes, the gate to traffic."""
    if tick.unanswered_hooks(PRE_ROLLOUT):
        return (Question.PRE_ROLLOUT,)
    gate = gate_before(tick, step_ahead(tick))
    return (QUESTIONS[gate],) if gate is not None else ()


def _judge(tick: Tick) -> Decision:
    hooks = tick.seen.answered(Question.PRE_ROLLOUT)
    if hooks is not None:
        return _judge_pre_rollout(tick, hooks)
    heard = hear(tick, CONFIRM_TRAFFIC_INCREASE)
    if heard is None:
        return _begin(tick)
    if heard.is_open:
        return _begin(tick, *heard.news, answered=heard.changes["answered"])
    later_s = tick.now_s + tick.canary.interval_s
    # Nothing is exposed while the gate is shut: the time without a sample begins anew.
    waiting = tick.moved(*_started(tick), *heard.news, not_before_s=later_s, decisive_s=tick.now_s, **heard.changes)
    return move(waiting, *heard.remarks)


def _judge_pre_rollout(tick: Tick, answers: tuple[CheckResult, ...]) -> Decision:
    """Begin once every hook said yes; a refusal is a failed check.

    A hook that said yes is not asked again for this revision, whatever the others say.
    """
    passed = {answer.name for answer in answers if answer.verdict is Verdict.PASS}
    hooks = [hook for hook in tick.unanswered_hooks(PRE_ROLLOUT) if hook.name in passed]
    answered = tick.state.answered + tuple(answer_key(tick.state, hook) for hook in hooks)
    news = [hook_passed(PRE_ROLLOUT, hook.name) for hook in hooks]
    verdict = overall(answers)
    if verdict is not Verdict.PASS:
        return hold_back(tick, verdict, answers, *_started(tick), *news, answered=answered)
    if gate_before(tick, step_ahead(tick)) is not None:
        return move(tick.moved(*_started(tick), *news, decisive_s=tick.now_s, answered=answered))
    return _begin(tick, *news, answered=answered)


def _begin(tick: Tick, *news: Message, **changes: Any) -> Decision:
    """Take the first step; or only keep what was answered, where the world changed while it was asked."""
    said = (*_started(tick), *news)
    if tick.target.readiness.is_ready and tick.trouble() is None and not tick.due(*ManagedObject):
        return advance(tick, *said, **changes)
    return move(tick.moved(*said, decisive_s=tick.now_s, **changes))


def _started(tick: Tick) -> tuple[Message, ...]:
    """Say once that the analysis starts: before anything was judged."""
    return (analysis_started(tick.target_name),) if tick.state.decisive_s is None else ()
