"""Taking over a canary that Flagger ran: one transition makes its status ours, and nothing in doubt gets traffic.

Flagger's revisions can't be computed again. What is known is whether the primary runs the target's template.
"""

from dataclasses import replace

from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.decide.transitions import clear_traffic, fail
from canary.run.decision import Decision, wait
from canary.run.messages import rolling_back, taken_over
from canary.run.phase import ANALYSING, Phase
from canary.run.revision import UNKNOWN
from canary.run.state import State
from canary.run.wire import REQUEST_ANNOTATION


def is_foreign(state: State) -> bool:
    """Return whether another controller wrote the status; our own bootstrap begins with a finished revision."""
    return state.phase is not None and not state.revisions.finished


def take_over(tick: Tick) -> Decision | None:
    """Make the canary ours; None while its target is missing, for then nothing is known.

    A run that Flagger had under way ends without its traffic: nobody knows what was seen of it. A promotion goes on:
    its revision was analysed, and the primary may have it already.
    """
    phase = tick.state.phase
    if phase in ANALYSING:
        return _fail(tick)
    if tick.observation.target is None:
        return None
    match phase:
        case Phase.PROMOTING:
            return _go_on_promoting(tick)
        case Phase.FINALISING if _has_same_template(tick):
            return _take(tick, clear_traffic(_ours(tick)), "its promotion goes on")
        case Phase.FINALISING:
            # Its canary side may still be up: it goes, as after a failed run.
            return _take_as_baseline(tick, Phase.SUCCEEDED, finished=UNKNOWN)
        case Phase.FAILED:
            ours = clear_traffic(_ours(tick))
            revisions = replace(ours.revisions, promoted=_promoted(tick), finished=UNKNOWN)
            return _take(tick, replace(ours, revisions=revisions), "its failed revision stays failed")
        case _:
            return _take_as_baseline(tick, phase)


def _go_on_promoting(tick: Tick) -> Decision:
    """Keep the promotion going; but where the target has moved on since, that is nothing that anybody analysed.

    Then the primary, which we made, stays with what it has, and the newer revision gets a run of its own.
    """
    primary = tick.observation.primary
    is_analysed = tick.state.revisions.analysed == tick.target.identity.revision or _has_same_template(tick)
    if primary is not None and primary.revision and not is_analysed:
        return _end_promotion(tick, primary.revision)
    state, route = _ours(tick), tick.observation.route
    percent = 0 if route is None else route.traffic.canary_percent
    going_on = replace(
        state,
        traffic=replace(state.traffic, canary_percent=percent),
        # Where it is given up, its canary side is still to be scaled down.
        revisions=replace(state.revisions, promoted=_promoted(tick), finished=UNKNOWN),
        timing=replace(state.timing, next_check_at_s=tick.now_s),
    )
    return _take(tick, going_on, "its promotion goes on")


def _end_promotion(tick: Tick, running: str) -> Decision:
    """Take what the primary runs for promoted, as soon as that takes nobody to a side without a pod."""
    if tick.is_exposed and tick.can_canary_serve and not tick.can_primary_serve:
        return wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)
    revisions = replace(tick.state.revisions, analysed=running, promoted=running, finished=running)
    ended = replace(clear_traffic(_ours(tick)), phase=Phase.FINALISING, revisions=revisions)
    return _take(tick, ended, f"the primary stays on {running}, and what the target has since gets a run of its own")


def _take_as_baseline(tick: Tick, phase: Phase | None, finished: str = "") -> Decision:
    ours, revision = clear_traffic(_ours(tick)), tick.target.identity.revision
    is_promoted = tick.observation.primary is None or _has_same_template(tick)
    promoted = revision if is_promoted else _promoted(tick)
    revisions = replace(ours.revisions, promoted=promoted, finished=finished or revision)
    state = replace(ours, phase=phase, revisions=revisions)
    if is_promoted:
        return _take(tick, state, "the primary runs the target's template")
    explanation = (
        "the primary runs another template than the target; nothing is rolled out until the target changes, "
        f"or is asked for by the annotation {REQUEST_ANNOTATION}: retry@{revision}"
    )
    return _take(tick, state, explanation, is_warning=True)


def _take(tick: Tick, state: State, explanation: str, *, is_warning: bool = False) -> Decision:
    return tick.update(state, taken_over(tick.name, explanation, is_warning=is_warning))


def _ours(tick: Tick) -> State:
    """Return the state with what we must know of every canary: its target's revision, analysed and finished."""
    state, identity = tick.state, tick.target.identity
    return replace(
        state,
        target=identity,
        revisions=replace(state.revisions, analysed=identity.revision, finished=identity.revision),
        timing=replace(state.timing, unready_at_s=None, shifted_at_s=None),
    )


def _has_same_template(tick: Tick) -> bool:
    return tick.observation.primary is not None and tick.observation.primary.runs_target


def _promoted(tick: Tick) -> str:
    """Return the revision that the primary runs: the target's, or one of which no more than the word is known.

    An agent may have been here before Flagger; then the primary still has the revision that it was given by that.
    Flagger's own word for it stands for no template that could be found again.
    """
    primary = tick.observation.primary
    if primary is not None and primary.runs_target:
        return tick.target.identity.revision
    return (primary.revision if primary is not None else "") or UNKNOWN


def _fail(tick: Tick) -> Decision:
    state, target = tick.state, tick.observation.target
    revisions = replace(state.revisions, finished=UNKNOWN)
    if target is not None:
        revisions = replace(revisions, analysed=target.identity.revision, promoted=_promoted(tick))
    known = replace(
        state,
        target=None if target is None else target.identity,
        revisions=revisions,
        timing=replace(state.timing, unready_at_s=None),
    )
    reason = "taken over from Flagger in mid-run, and nobody knows what its checks said"
    return fail(tick.having(known), rolling_back(tick.name, reason))
