"""The analysis: the canary side comes up, its weight grows step by step while the checks pass."""

from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, ask, move, wait
from canary.decide.run import fresh_run, roll_back
from canary.decide.verdicts import judge_checks, judge_pre_rollout
from canary.news import News, copying_template, not_ready, returned_to_promoted, run_restarted
from canary.observation import Part, Question
from canary.phase import Phase


def decide(tick: Tick) -> Decision:
    """Restart on a newer revision; else make the world match, see both sides up, then ask and step."""
    if tick.target.seen.revision != tick.state.analysed:
        return _restart(tick)
    due = tick.due_weights() + tick.due(*Part) + tick.due_scale(tick.seen.scale_to)
    if due:
        return act(*due)
    waiting = _await_sides(tick)
    if waiting is not None:
        return waiting
    if tick.canary.is_analysis_skipped:
        return _promote(tick, is_analysis_skipped=True)
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    return _analyse(tick)


def _restart(tick: Tick) -> Decision:
    """Start again with the newer revision; or end the run where the target is back at the promoted one."""
    if tick.target.seen.revision == tick.state.promoted:
        ending = fresh_run(tick) | {"phase": Phase.FINALISING, "is_analysis_skipped": True}
        return move(tick.moved(returned_to_promoted(tick.target_name), **ending))
    return move(tick.moved(run_restarted(tick.target_name), **(fresh_run(tick) | {"phase": Phase.PROGRESSING})))


def _await_sides(tick: Tick) -> Decision | None:
    """Wait while a side is down or the gateway refuses the route; None when all is well."""
    if not tick.target.readiness.is_ready:
        return _await_canary(tick, tick.target.readiness.explanation)
    said = _primary_trouble(tick) or tick.route_trouble()
    if said is not None:
        return wait(said, seconds=PATIENCE_S)
    if tick.state.unready_since_s is not None:
        return move(tick.became_ready())
    return None


def _await_canary(tick: Tick, explanation: str) -> Decision:
    """Give the canary side until the progress deadline, counted on the stored state's own clock."""
    since_s = tick.state.unready_since_s
    if since_s is None:
        return move(tick.moved(unready_since_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    left_s = since_s + tick.canary.progress_deadline_s - tick.now_s
    if left_s <= 0:
        return roll_back(tick, f"progress deadline exceeded {explanation}")
    return wait(not_ready(tick.target_name, explanation, is_canary_side=True), seconds=min(left_s, PATIENCE_S))


def _primary_trouble(tick: Tick) -> News | None:
    primary = tick.seen.primary
    if primary is None:
        return not_ready(tick.primary_name, "it does not exist", is_canary_side=False)
    if not primary.readiness.is_ready:
        return not_ready(tick.primary_name, primary.readiness.explanation, is_canary_side=False)
    return None


def _analyse(tick: Tick) -> Decision:
    if tick.state.canary_weight == 0 and tick.state.iterations == 0:
        answers = tick.seen.answered(Question.PRE_ROLLOUT)
        if answers is None and tick.unanswered_hooks("pre-rollout"):
            return ask(Question.PRE_ROLLOUT)
        return judge_pre_rollout(tick, answers or ())
    checks = tick.seen.answered(Question.CHECKS)
    if checks is None:
        return ask(Question.CHECKS)
    return judge_checks(tick, checks, at_end=lambda: _promote(tick, is_analysis_skipped=False))


def _promote(tick: Tick, *, is_analysis_skipped: bool) -> Decision:
    return move(
        tick.moved(
            copying_template(tick.target_name, tick.primary_name),
            phase=Phase.PROMOTING,
            not_before_s=tick.now_s,
            unready_since_s=tick.now_s,
            decisive_s=tick.now_s,
            is_analysis_skipped=is_analysis_skipped,
        )
    )
