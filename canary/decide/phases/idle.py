"""Idle (Initialized, Succeeded, Failed): everything generated is kept as rendered, and a new revision starts a run."""

from dataclasses import replace

from canary.decide.drain import drain_and_scale_down
from canary.decide.gates import POST_ROLLOUT, hooks_of
from canary.decide.tick import Tick
from canary.decide.timing import AUTOSCALER_LOOKS_BACK_S, PATIENCE_S, PLACE_WRITTEN_EVERY_S
from canary.decide.transitions import start_run
from canary.run.decision import Decision, act, ask, wait
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.messages import (
    analysed_from_now_on,
    hook_passed,
    target_kept_up,
    unanalysed,
    waits_for_turn,
    warning,
)
from canary.run.observation import Question
from canary.run.queue import Place, Queued


def decide(tick: Tick) -> Decision:
    """Start a due run; else keep the world as it should be, and finish scaling down what failed or was skipped."""
    if tick.state.hooks.post_rollout_pending:
        return _call_post_rollout(tick)
    if tick.canary.lacks_analysis != tick.state.is_unanalysed:
        return _tell_unanalysed(tick)
    is_run_due = _is_run_due(tick) and tick.observation.renamed_to is None
    if is_run_due and tick.observation.place is None:
        return start_run(tick)
    queued = _keep_place(tick, tick.observation.place if is_run_due else None)
    if queued is not None:
        return queued
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    revisions = tick.state.revisions
    is_finished = revisions.finished == revisions.analysed
    return _rest(tick) if is_finished else drain_and_scale_down(tick, lambda: _finish(tick))


def _keep_place(tick: Tick, place: Place | None) -> Decision | None:
    """Store that a run waits for its turn, and now and then where it stands; None where there is nothing to store.

    A newer revision keeps the place of the one before. Who waits for nothing any more has none.
    """
    state, queued = tick.state, tick.state.queue
    if place is None:
        return None if queued is None else tick.update(replace(state, queue=None))
    if queued is None:
        begun = replace(state, queue=Queued(place.position, place.of, tick.now_s))
        return tick.update(begun, waits_for_turn(tick.target_name, place.position, place.of, place.bound))
    if tick.now_s - state.transition.stored_at_s < PLACE_WRITTEN_EVERY_S or not queued.has_moved(place):
        return None
    return tick.update(replace(state, queue=replace(queued, position=place.position, of=place.of)))


def _tell_unanalysed(tick: Tick) -> Decision:
    """Say once that nothing is analysed, before a run shows it; and once that this is over."""
    is_unanalysed = tick.canary.lacks_analysis
    message = unanalysed(tick.name) if is_unanalysed else analysed_from_now_on(tick.name)
    return tick.update(replace(tick.state, is_unanalysed=is_unanalysed), message)


def _rest(tick: Tick) -> Decision:
    """Leave the primary's size to its autoscaler again, as soon as that knows what it carries; then rest."""
    kept_up = (target_kept_up(tick.target_name, tick.target.replicas),) if tick.target.replicas else ()
    if not tick.state.primary_floor:
        is_unserved = tick.observation.route is not None and tick.state.served_at_s is None
        return wait(*kept_up, seconds=PATIENCE_S if is_unserved else None)
    left_s = tick.state.transition.at_s + AUTOSCALER_LOOKS_BACK_S - tick.now_s
    if left_s > 0:
        return wait(*kept_up, seconds=left_s)
    return tick.update(replace(tick.state, primary_floor=0))


def _is_run_due(tick: Tick) -> bool:
    """Return whether the revision was neither promoted nor rolled back nor skipped, and its checks could be asked.

    Setting the target back to the promoted revision is a manual rollback and starts nothing, as with Flagger.
    """
    revisions = tick.state.revisions
    if tick.start_blocker is not None:
        return False
    return tick.target.identity.revision not in {revisions.finished, revisions.promoted, revisions.analysed}


def _finish(tick: Tick) -> Decision:
    state = tick.state
    revisions = replace(state.revisions, finished=state.revisions.analysed)
    return tick.transition(replace(state, revisions=revisions, timing=replace(state.timing, shifted_at_s=None)))


def _call_post_rollout(tick: Tick) -> Decision:
    """Call the post-rollout hooks at the run's end, once; nothing follows from what they answer."""
    answers = tick.observation.answered(Question.POST_ROLLOUT)
    if answers is None and hooks_of(tick.canary, POST_ROLLOUT):
        return ask(Question.POST_ROLLOUT)
    messages = [
        hook_passed(POST_ROLLOUT, answer.name) if answer.verdict is Verdict.PASS else warning(answer.text)
        for answer in answers or ()
    ]
    called = replace(tick.state, hooks=replace(tick.state.hooks, post_rollout_pending=False))
    return tick.update(called, *messages)
