"""The analysis: the canary side comes up, its weight grows step by step while the checks pass."""

from canary.decide.context import PATIENCE_S, Tick
from canary.decide.decision import Decision, act, ask, move, wait
from canary.decide.run import fresh_run, roll_back
from canary.decide.verdicts import judge_checks, judge_pre_rollout
from canary.news import copying_template, not_ready, returned_to_promoted, run_restarted
from canary.observation import Part, Question
from canary.phase import Phase


def decide(tick: Tick) -> Decision:
    """Bring the canary side up and give it its first weight; once it has one, let the checks decide."""
    if tick.state.canary_weight > 0:
        return _decide_exposed(tick)
    due = tick.due(*Part) + tick.due_scale(tick.seen.scale_to)
    if due:
        return act(*due)
    waiting = _await_canary(tick)
    if waiting is not None:
        return waiting
    if tick.canary.is_analysis_skipped:
        return _promote(tick, is_analysis_skipped=True)
    trouble = tick.trouble()
    if trouble is not None:
        return wait(trouble, seconds=PATIENCE_S)
    if tick.state.unready_since_s is not None:
        return move(tick.became_ready())
    if tick.remaining_s() > 0:
        return wait(seconds=tick.remaining_s())
    return _ask_pre_rollout(tick)


def restart(tick: Tick) -> Decision:
    """Start again with the newer revision; or end the run where the target is back at the promoted one."""
    if tick.target.seen.revision == tick.state.promoted:
        ending = fresh_run(tick) | {"phase": Phase.FINALISING, "is_analysis_skipped": True}
        return move(tick.moved(returned_to_promoted(tick.target_name), **ending))
    return move(tick.moved(run_restarted(tick.target_name), **(fresh_run(tick) | {"phase": Phase.PROGRESSING})))


def _decide_exposed(tick: Tick) -> Decision:
    """Judge in time, come what may: what goes wrong elsewhere keeps the weight from growing, not the checks away."""
    canary_side = _await_canary(tick)
    if canary_side is not None and canary_side.intent is not None:
        return canary_side
    if tick.canary.is_analysis_skipped:
        return canary_side or _promote(tick, is_analysis_skipped=True)
    if tick.remaining_s() <= 0:
        checks = tick.seen.answered(Question.CHECKS)
        if checks is None:
            return ask(Question.CHECKS)
        trouble = canary_side.remarks[0] if canary_side is not None else tick.trouble()
        return judge_checks(tick, checks, trouble, at_end=lambda: _promote(tick, is_analysis_skipped=False))
    due = tick.due(*Part) + tick.due_scale(tick.seen.scale_to)
    if due:
        return act(*due)
    if canary_side is None and tick.state.unready_since_s is not None:
        return move(tick.moved(unready_since_s=None, last_transition_s=tick.state.last_transition_s))
    said = canary_side.remarks if canary_side is not None else tuple(filter(None, [tick.trouble()]))
    return wait(*said, seconds=min(tick.remaining_s(), PATIENCE_S) if said else tick.remaining_s())


def _await_canary(tick: Tick) -> Decision | None:
    """Give the canary side until the progress deadline, counted on the stored state's own clock; None when it is up."""
    if tick.target.readiness.is_ready:
        return None
    explanation, since_s = tick.target.readiness.explanation, tick.state.unready_since_s
    if since_s is None:
        return move(tick.moved(unready_since_s=tick.now_s, last_transition_s=tick.state.last_transition_s))
    left_s = since_s + tick.canary.progress_deadline_s - tick.now_s
    if left_s <= 0:
        return roll_back(tick, f"progress deadline exceeded {explanation}")
    return wait(not_ready(tick.target_name, explanation, is_canary_side=True), seconds=min(left_s, PATIENCE_S))


def _ask_pre_rollout(tick: Tick) -> Decision:
    answers = tick.seen.answered(Question.PRE_ROLLOUT)
    if answers is None and tick.unanswered_hooks("pre-rollout"):
        return ask(Question.PRE_ROLLOUT)
    return judge_pre_rollout(tick, answers or ())


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
