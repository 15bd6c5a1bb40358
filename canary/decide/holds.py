"""What keeps a run at its present split although its checks pass: a step's time, its pause, and the bake.

The checks go on meanwhile, and a hold ends with checks that pass. Time counts from where the gateway serves the step;
what nobody watched counts for no more than an agent's restart may take.
"""

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from canary.decide.clock import UNWATCHED_AFTER_S
from canary.decide.tick import Tick
from canary.decide.transitions import stop_waiting
from canary.judgement.finding import Answer
from canary.judgement.spec import evidence_name
from canary.run.decision import Decision
from canary.run.messages import Message, baking, paused_by_step
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.steps import Step, edited_number, listed_step, pause_key

# Stored moments are cut to the millisecond: a check that is due as the time ends does not come before that.
_ROUNDING_S: Final = 0.01


class Hold(Enum):
    """What holds a run. `TIME` is a step's or the bake's that is not over, `BAKE` one that has to begin."""

    TIME = auto()
    PAUSE = auto()
    BAKE = auto()


def find_hold(tick: Tick, following: Step | None) -> Hold | None:
    """Return what holds the run before the `following` step (None: the promotion), None when nothing does.

    Where the primary is lost, nobody waits for a time to be over. A pause holds even then, as a gate does.
    """
    if not tick.analysis_started:
        return None
    if is_paused_by_step(tick):
        return Hold.PAUSE
    if tick.is_primary_lost:
        return None
    present, record = tick.state.present_step, tick.state.analysis.step
    listed = listed_step(tick.canary, present)
    is_timed = listed is not None and not _is_over(tick, record.served_at_s, listed.duration_s)
    if is_timed and not _is_well_early(tick):
        return Hold.TIME
    bake_s = tick.canary.analysis.bake_s if tick.canary.analysis else 0.0
    if not bake_s or not _comes_to_bake(tick, present, following):
        return None
    if record.bake_started_at_s is None:
        return Hold.BAKE
    return None if _is_over(tick, record.bake_started_at_s, bake_s) else Hold.TIME


def has_own_time(tick: Tick) -> bool:
    """Return whether the present step lasts for a time of its own, or bakes: that counts from its being served."""
    listed = listed_step(tick.canary, tick.state.present_step)
    is_baking = tick.canary.analysis is not None and tick.canary.analysis.bake_s > 0
    return is_baking or (listed is not None and listed.duration_s > 0)


def _is_well_early(tick: Tick) -> bool:
    """Return whether a step's time ends with its evidence, and all tests have found the next step well."""
    metrics = tick.canary.analysis.metrics if tick.canary.analysis else ()
    tested = [metric for metric in metrics if metric.evidence is not None and not metric.dry_run]
    if not tested or any(metric.evidence is None or metric.evidence.advance != "early" for metric in tested):
        return False
    answers = {test.name: test.shown.answer for test in tick.state.analysis.evidence}
    return all(answers.get(evidence_name(tick.canary, metric)) == Answer.WELL for metric in tested)


def _comes_to_bake(tick: Tick, present: Step, following: Step | None) -> bool:
    """Return whether the last split is reached: that of the last step.

    In blue/green that is all requests. Elsewhere such a step is there for the primary that has no pod while it rolls,
    and what is baked is the split before.
    """
    if tick.canary.strategy == "blue-green":
        return following is None
    return not present.carries_everything and (following is None or following.carries_everything)


def _is_over(tick: Tick, since_s: float | None, duration_s: float) -> bool:
    if not duration_s:
        return True
    return since_s is not None and tick.now_s - since_s >= duration_s - _ROUNDING_S


def is_paused_by_step(tick: Tick) -> bool:
    """Return whether the present step is a pause, and nobody has resumed it."""
    listed = listed_step(tick.canary, tick.state.present_step) if tick.analysis_started else None
    return listed is not None and listed.is_pause and not tick.state.analysis.step.is_resumed


def begin_bake(tick: Tick) -> Decision:
    """Keep the last split from now on, for the time of the bake."""
    analysis = tick.canary.analysis
    assert analysis is not None, "what has no analysis is not baked"
    state = stop_waiting(tick.state)
    step = replace(state.analysis.step, bake_started_at_s=tick.now_s)
    kept = replace(
        state,
        phase=Phase.PROGRESSING,
        analysis=replace(state.analysis, step=step),
        timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s),
    )
    return tick.transition(kept, baking(tick.name, analysis.bake))


def report_pause(tick: Tick) -> tuple[State, tuple[Message, ...]]:
    """Return the state that waits for the present step's pause, if that holds, and the message, once for each pause."""
    state, number = tick.state, tick.state.analysis.step.number
    analysis = tick.canary.analysis
    is_waiting = pause_key(number) in state.hooks.waiting_for
    if analysis is None or is_paused_by_step(tick) == is_waiting:
        return state, ()
    if is_waiting:
        # The pause was taken out of the spec.
        return replace(state, hooks=replace(state.hooks, waiting_for=())), ()
    paused = replace(state, hooks=replace(state.hooks, waiting_for=(pause_key(number),)))
    weight, revision = state.traffic.canary_percent, state.revisions.analysed
    return paused, (paused_by_step(tick.name, number, len(analysis.steps), weight, revision),)


def follow_edited_steps(tick: Tick) -> Decision | None:
    """Follow an edit of the steps: a pause that it moves or puts in holds at once, one that it takes out no more."""
    record = tick.state.analysis.step
    if tick.skips_analysis:
        return None
    is_waiting = pause_key(record.number) in tick.state.hooks.waiting_for
    number = edited_number(tick.canary, tick.state.present_step, is_waiting=is_waiting, is_resumed=record.is_resumed)
    placed = tick
    if number != record.number:
        step, hooks = replace(record, number=number, is_resumed=False), replace(tick.state.hooks, waiting_for=())
        analysis = replace(tick.state.analysis, step=step)
        placed = tick.having(replace(tick.state, analysis=analysis, hooks=hooks))
    state, messages = report_pause(placed)
    return None if state == tick.state else tick.update(state, *messages)


def without_unwatched(tick: Tick) -> State:
    """Return the state in which no step lasts by time that nobody watched: checks were due long ago."""
    state, record = tick.state, tick.state.analysis.step
    unwatched_s = tick.now_s - state.timing.next_check_at_s - UNWATCHED_AFTER_S
    if unwatched_s <= 0:
        return state
    watched = replace(
        record,
        served_at_s=None if record.served_at_s is None else record.served_at_s + unwatched_s,
        bake_started_at_s=None if record.bake_started_at_s is None else record.bake_started_at_s + unwatched_s,
    )
    return replace(state, analysis=replace(state.analysis, step=watched))
