"""Waiting: a new revision that nobody confirmed yet. No traffic, and no canary side to give it to."""

from canary.decide.context import CONFIRM_ROLLOUT, Tick
from canary.decide.ending import drain_and_scale_down
from canary.decide.gates import Heard, hear, with_rollback
from canary.run.decision import Decision, act, ask, move, wait
from canary.run.messages import run_started
from canary.run.observation import ManagedObject, Question
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Ask the `confirm-rollout` gates each interval until all said yes; a gate that is removed holds nothing."""
    heard = hear(tick, CONFIRM_ROLLOUT)
    if heard is not None and not heard.is_open:
        return _wait_on(tick, heard)
    if heard is not None or not tick.unanswered_hooks(CONFIRM_ROLLOUT):
        return _begin(tick, heard)
    if tick.remaining_s() <= 0:
        return ask(*with_rollback(tick, Question.CONFIRM_ROLLOUT))
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    # An unconfirmed revision may be here with the canary side of the run before it.
    return drain_and_scale_down(tick, lambda: wait(seconds=tick.remaining_s()))


def _wait_on(tick: Tick, heard: Heard) -> Decision:
    since_s = tick.now_s if heard.news else tick.state.last_transition_s
    later_s = tick.now_s + tick.canary.interval_s
    waiting = tick.moved(*heard.news, not_before_s=later_s, last_transition_s=since_s, **heard.changes)
    return move(waiting, *heard.remarks)


def _begin(tick: Tick, heard: Heard | None) -> Decision:
    begun = {"phase": Phase.PROGRESSING, "not_before_s": tick.now_s, "unready_since_s": tick.now_s, "shifted_s": None}
    changes = (heard.changes if heard is not None else {}) | begun
    news = (*(heard.news if heard is not None else ()), run_started(tick.target_name, tick.state.change))
    return move(tick.moved(*news, **(changes | {"waiting_for": ()})))
