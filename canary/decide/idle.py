"""Idle: everything generated is kept as rendered, and a new revision starts a run."""

from canary.decide.context import Tick
from canary.decide.decision import Decision, act, move
from canary.decide.ending import drain_and_scale_down
from canary.decide.run import fresh_run
from canary.news import run_started
from canary.observation import Part
from canary.phase import Phase
from canary.state import State


def decide(tick: Tick) -> Decision:
    """Start a due run; else keep the world as it should be, and finish scaling down after a rollback."""
    if _is_run_due(tick):
        return move(_started(tick))
    upkeep = tick.due(*Part)
    if upkeep:
        return act(*upkeep)
    if tick.state.phase is Phase.FAILED and tick.state.finished != tick.state.analysed:
        return drain_and_scale_down(tick, lambda: move(tick.moved(finished=tick.state.analysed, shifted_s=None)))
    return Decision()


def _is_run_due(tick: Tick) -> bool:
    """A revision that was neither promoted nor rolled back is due.

    Setting the target back to the promoted revision is a manual rollback and starts nothing, as with Flagger.
    """
    known = {tick.state.finished, tick.state.promoted}
    if tick.state.phase is Phase.FAILED:
        known.add(tick.state.analysed)
    return tick.target.seen.revision not in known


def _started(tick: Tick) -> State:
    return tick.moved(
        run_started(tick.target_name),
        phase=Phase.PROGRESSING,
        **fresh_run(tick),
    )
