"""Waiting: a new revision that nobody confirmed yet. No traffic, and no canary side to give it to."""

from dataclasses import replace

from canary.decide.drain import drain_and_scale_down
from canary.decide.gates import CONFIRM_ROLLOUT, GateAnswers, read_gates, unanswered_hooks, with_rollback
from canary.decide.tick import Tick
from canary.run.decision import Decision, act, ask, wait
from canary.run.managed import ManagedObject
from canary.run.messages import run_started
from canary.run.observation import Question
from canary.run.phase import Phase
from canary.run.state import Timing


def decide(tick: Tick) -> Decision:
    """Ask the `confirm-rollout` gates each interval until all said yes; a gate that is removed holds nothing."""
    answers = read_gates(tick, CONFIRM_ROLLOUT)
    if answers is None and not unanswered_hooks(tick.canary, tick.state, CONFIRM_ROLLOUT):
        answers = GateAnswers(is_open=True, state=tick.state)
    if answers is not None:
        return _begin(tick, answers) if answers.is_open else _wait_on(tick, answers)
    if tick.remaining_s <= 0:
        return ask(*with_rollback(tick, Question.CONFIRM_ROLLOUT))
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    # An unconfirmed revision may be here with the canary side of the run before it.
    return drain_and_scale_down(tick, lambda: wait(seconds=tick.remaining_s))


def _wait_on(tick: Tick, answers: GateAnswers) -> Decision:
    later_at_s = tick.now_s + tick.canary.interval_s
    waiting = replace(answers.state, timing=replace(answers.state.timing, next_check_at_s=later_at_s))
    record = tick.transition if answers.messages else tick.update
    return record(waiting, *answers.messages, remarks=answers.remarks)


def _begin(tick: Tick, answers: GateAnswers) -> Decision:
    begun = replace(
        answers.state,
        phase=Phase.PROGRESSING,
        hooks=replace(answers.state.hooks, waiting_for=()),
        timing=Timing(next_check_at_s=tick.now_s, unready_at_s=tick.now_s),
    )
    return tick.transition(begun, *answers.messages, run_started(tick.target_name, tick.state.revisions.change))
