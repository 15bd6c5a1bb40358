"""Finalising: all traffic is meant for the promoted primary; see it there, then scale the canary side down."""

from dataclasses import replace

from canary.decide.drain import drain_and_scale_down
from canary.decide.tick import Tick
from canary.decide.transitions import end_run
from canary.run.decision import Decision, act
from canary.run.history import Outcome
from canary.run.managed import ManagedObject
from canary.run.messages import promotion_completed
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Drain the canary side, then end the run well."""
    due = tick.due(*ManagedObject)
    if due:
        return act(*due)
    if tick.is_target_newer:
        # A newer revision waits on the canary side: its run starts at once, there is nothing to scale down for.
        return _succeed(tick)
    return drain_and_scale_down(tick, lambda: _succeed(tick))


def _succeed(tick: Tick) -> Decision:
    state, analysed = tick.state, tick.state.revisions.analysed
    promoted = replace(state, revisions=replace(state.revisions, promoted=analysed, finished=analysed))
    otherwise = "analysis skipped" if state.control.skips_analysis else ""
    ended = end_run(tick, promoted, Outcome.PROMOTED, otherwise)
    completed = promotion_completed(tick.target_name, is_analysis_skipped=state.control.skips_analysis)
    return tick.transition(replace(ended, phase=Phase.SUCCEEDED), completed)
