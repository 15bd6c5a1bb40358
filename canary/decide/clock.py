"""Clocks that differ or jump, and agents that were away: what is counted is the time that somebody watched.

Every write of the intent notes its moment, and while a deadline runs there is a write each minute. So a clock behind
that moment was set back, or is another node's: all stored moments move back with it, and what was left of each wait is
left still. A clock far ahead of it jumped, or nobody was there: no deadline has run meanwhile. How far it really was
nobody can tell, so neither fails a run, nor keeps one from its checks: those are due at once.
"""

from dataclasses import replace
from typing import Final

from canary.decide.tick import Tick
from canary.run.decision import Decision
from canary.run.phase import IDLE, Phase
from canary.run.state import State

# The clocks of two nodes differ by less, and a wait that is longer by that harms nobody.
SAME_CLOCK_S: Final = 1.0
# About a write a minute costs next to nothing beside the checks.
_NOTED_EVERY_S: Final = 45.0
# An agent that is killed is back within this time after its last note, or others have taken over.
UNWATCHED_AFTER_S: Final = 150.0


def count_watched(state: State, now_s: float) -> State:
    """Return the state with its moments by the present clock, and with no deadline run while nobody watched."""
    ahead_s = _ahead_s(state, now_s)
    if ahead_s < -SAME_CLOCK_S:
        return _moved(state, ahead_s, has_checks=True)
    if ahead_s > UNWATCHED_AFTER_S:
        return _moved(state, ahead_s, has_checks=False)
    return state


def note_time(tick: Tick) -> Decision | None:
    """Store the moments that moved, or that a deadline runs; None where neither has to be."""
    state = tick.state
    is_under_way = state.phase not in {None, Phase.TERMINATED, *IDLE} or state.timing.shifted_at_s is not None
    is_set_back = is_under_way and _ahead_s(state, tick.now_s) < -SAME_CLOCK_S
    if not is_set_back and not (runs_down(tick) and _is_note_due(state, tick.now_s)):
        return None
    analysis = replace(state.analysis, unobserved_s=unchecked_s(tick))
    return tick.update(replace(state, analysis=analysis))


def unchecked_s(tick: Tick) -> float:
    """Return for how long nothing was observed of the canary, with the time in which nobody could check it."""
    unobserved_s = tick.state.analysis.unobserved_s
    if not _can_not_be_checked(tick):
        return unobserved_s
    return unobserved_s + min(max(_ahead_s(tick.state, tick.now_s), 0.0), UNWATCHED_AFTER_S)


def _can_not_be_checked(tick: Tick) -> bool:
    return tick.observation.is_spec_lost and (tick.is_exposed or tick.analysis_started)


def runs_down(tick: Tick) -> bool:
    """Return whether there is something that may be for so long and no longer."""
    state, timing = tick.state, tick.state.timing
    if _can_not_be_checked(tick):
        return True
    if state.phase in {None, Phase.TERMINATED, *IDLE}:
        return timing.shifted_at_s is not None
    growing_s = (state.analysis.growth_started_at_s, state.promotion.growth_started_at_s)
    since_s = (timing.unready_at_s, timing.shifted_at_s, timing.primary_down_at_s, *growing_s)
    return any(moment_s is not None for moment_s in since_s)


def noted_within_s(decision: Decision) -> Decision:
    """Return a decision that wakes up in time for the next note, where it wakes up by itself at all."""
    if decision.wake_after_s is None or decision.wake_after_s <= _NOTED_EVERY_S:
        return decision
    return replace(decision, wake_after_s=_NOTED_EVERY_S)


def _is_note_due(state: State, now_s: float) -> bool:
    return not state.transition.stored_at_s or _ahead_s(state, now_s) >= _NOTED_EVERY_S


def _ahead_s(state: State, now_s: float) -> float:
    """Return how far the clock is ahead of the last write, 0 where nobody knows when that was."""
    stored_at_s = state.transition.stored_at_s
    return now_s - stored_at_s if stored_at_s else 0.0


def _moved(state: State, by_s: float, *, has_checks: bool) -> State:
    """Return the state with what runs down moved; with the moments of its checks too, if it `has_checks`."""

    def moved(moment_s: float | None, *, is_moved: bool = True) -> float | None:
        return None if moment_s is None else moment_s + by_s * is_moved

    timing, analysis, promotion, step = state.timing, state.analysis, state.promotion, state.analysis.step
    next_check_at_s = timing.next_check_at_s + by_s if has_checks and timing.next_check_at_s else timing.next_check_at_s
    return replace(
        state,
        run=replace(state.run, started_at_s=moved(state.run.started_at_s, is_moved=has_checks)),
        timing=replace(
            timing,
            next_check_at_s=next_check_at_s,
            unready_at_s=moved(timing.unready_at_s),
            shifted_at_s=moved(timing.shifted_at_s),
            primary_down_at_s=moved(timing.primary_down_at_s),
        ),
        analysis=replace(
            analysis,
            started_at_s=moved(analysis.started_at_s, is_moved=has_checks),
            decisive_at_s=moved(analysis.decisive_at_s, is_moved=has_checks),
            growth_started_at_s=moved(analysis.growth_started_at_s),
            step=replace(
                step,
                served_at_s=moved(step.served_at_s, is_moved=has_checks),
                bake_started_at_s=moved(step.bake_started_at_s, is_moved=has_checks),
            ),
        ),
        promotion=replace(
            promotion,
            growth_started_at_s=moved(promotion.growth_started_at_s),
            checked_at_s=moved(promotion.checked_at_s, is_moved=has_checks),
        ),
    )
