"""Idle: everything generated is kept as rendered, and a new revision starts a run."""

from canary.decide.context import POST_ROLLOUT, Tick
from canary.decide.ending import drain_and_scale_down
from canary.decide.run import start_run
from canary.run.decision import Decision, act, ask, move
from canary.run.judge import Verdict
from canary.run.messages import hook_passed, warning
from canary.run.observation import ManagedObject, Question


def decide(tick: Tick) -> Decision:
    """Start a due run; else keep the world as it should be, and finish scaling down what failed or was skipped."""
    if tick.state.has_untold_end:
        return _tell_end(tick)
    if _is_run_due(tick):
        return move(start_run(tick))
    upkeep = tick.due(*ManagedObject)
    if upkeep:
        return act(*upkeep)
    if tick.state.finished != tick.state.analysed:
        return drain_and_scale_down(tick, lambda: move(tick.moved(finished=tick.state.analysed, shifted_s=None)))
    return Decision()


def _is_run_due(tick: Tick) -> bool:
    """A revision that was neither promoted nor rolled back nor skipped is due.

    Setting the target back to the promoted revision is a manual rollback and starts nothing, as with Flagger.
    """
    return tick.target.seen.revision not in {tick.state.finished, tick.state.promoted, tick.state.analysed}


def _tell_end(tick: Tick) -> Decision:
    """Tell the post-rollout hooks of the run's end, once; nothing follows from what they answer."""
    answers = tick.seen.answered(Question.POST_ROLLOUT)
    if answers is None and tick.hooks(POST_ROLLOUT):
        return ask(Question.POST_ROLLOUT)
    said = [
        hook_passed(POST_ROLLOUT, answer.name) if answer.verdict is Verdict.PASS else warning(answer.text)
        for answer in answers or ()
    ]
    return move(tick.moved(*said, has_untold_end=False, last_transition_s=tick.state.last_transition_s))
