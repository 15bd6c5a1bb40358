"""A run that has not reached the primary yet: confirmed, brought up, analysed, and begun again when it must be."""

from dataclasses import replace

from canary.decide import analysing, entering, waiting
from canary.decide.context import CONFIRM_ROLLOUT, Tick
from canary.decide.gates import decide_rollback, rollback_remarks
from canary.decide.run import change_of, fresh_analysis, fresh_run
from canary.run.decision import Decision, move
from canary.run.messages import returned_to_promoted, run_restarted, strategy_changed
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Roll back where a rollback gate says so; else do what the run's stage asks for."""
    rolled_back = decide_rollback(tick)
    if rolled_back is not None:
        return rolled_back
    decision = _decide_stage(tick)
    return replace(decision, remarks=decision.remarks + rollback_remarks(tick))


def _decide_stage(tick: Tick) -> Decision:
    if tick.is_begun:
        return analysing.decide(tick)
    if tick.state.phase is Phase.WAITING:
        return waiting.decide(tick)
    return entering.decide(tick)


def restart(tick: Tick) -> Decision:
    """Start again with the newer revision; or end the run where the target is back at the promoted one.

    Whoever confirmed the older revision did not confirm this one: its gates are asked again. (Flagger asks them again
    only where the older one was still waiting.)
    """
    if tick.target.seen.revision == tick.state.promoted:
        ending = fresh_run(tick) | {"phase": Phase.FINALISING, "is_analysis_skipped": True}
        return move(tick.moved(returned_to_promoted(tick.target_name), **ending))
    phase = Phase.WAITING if tick.hooks(CONFIRM_ROLLOUT) else Phase.PROGRESSING
    return move(tick.moved(run_restarted(tick.target_name, change_of(tick)), **(fresh_run(tick) | {"phase": phase})))


def restart_with_strategy(tick: Tick) -> Decision:
    """Start the same revision's analysis again: the spec was edited in mid-run and makes another kind of it.

    A weight means another thing to each strategy: 100 are the matched requests of an A/B test, and everybody's on a
    route with weights. So nothing of the old analysis is carried over into the new one, and the traffic goes first.
    Edits within a strategy (weights, iterations, interval, threshold, hooks) need none of this: the next step is found
    from where the analysis stands, and where that is past the edited end, it ends.
    """
    said = strategy_changed(tick.target_name, tick.state.strategy, tick.canary.strategy)
    return move(tick.moved(said, **(fresh_analysis(tick) | {"phase": Phase.PROGRESSING})))
