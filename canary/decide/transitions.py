"""How the intent changes: functions from one state to the next, and the decisions that several phases make of them."""

from dataclasses import replace

from canary.decide.gates import CONFIRM_ROLLOUT, POST_ROLLOUT, PRE_ROLLOUT, hooks_of
from canary.decide.run_record import begin_record, end_record, give_reason
from canary.decide.tick import Tick
from canary.decide.timing import PATIENCE_S
from canary.run.decision import Decision, wait
from canary.run.history import Outcome, Run
from canary.run.mark import Mark
from canary.run.messages import (
    Message,
    copying_template,
    returned_to_promoted,
    rollback_waits,
    rolling_back,
    routing_to_canary,
    run_failed,
    run_restarted,
    run_started,
    strategy_changed,
)
from canary.run.observation import Target
from canary.run.phase import Phase
from canary.run.revision import UNKNOWN, template_part
from canary.run.state import Analysis, Control, HookAnswers, Promotion, State, StepRecord, Timing
from canary.run.traffic import TOTAL_PERCENT, Traffic

# From one state to another.


def clear_traffic(state: State) -> State:
    """Return the state with nothing on the canary side: no share, no copies, nobody's cookie."""
    return replace(state, traffic=Traffic(), previous_cookie=state.traffic.cookie or state.previous_cookie)


def give_everything_to_canary(tick: Tick) -> State:
    """Return the state with everything on the canary side, under whatever strategy."""
    state = tick.state
    traffic = replace(state.traffic, canary_percent=TOTAL_PERCENT, mirror_percent=0, includes_unmatched=True)
    timing = replace(state.timing, shifted_at_s=None)
    return replace(state, traffic=traffic, strategy=tick.canary.strategy, timing=timing)


def reset_analysis(state: State, now_s: float) -> State:
    """Return the state for the same revision's analysis from its beginning.

    What hooks said of the revision itself stays; a yes to a step or to the promotion was about the analysis before.
    """
    lasting = (f"{CONFIRM_ROLLOUT}/", f"{PRE_ROLLOUT}/")
    answered = tuple(key for key in state.hooks.answered if key.startswith(lasting))
    return replace(
        clear_traffic(state),
        analysis=Analysis(evidence=tuple(known.renewed(now_s) for known in state.analysis.evidence)),
        promotion=Promotion(),
        hooks=replace(state.hooks, answered=answered, waiting_for=()),
        timing=Timing(next_check_at_s=now_s, unready_at_s=now_s),
    )


def reset_run(state: State, target: Target, now_s: float) -> State:
    """Return the state for a run of the target's present revision, nothing carried over from the run before."""
    change, revision = change_of(state, target), target.identity.revision
    is_back = revision == state.revisions.promoted
    why = f"set back to {revision}, which is promoted" if is_back else f"revision {revision} took its place"
    # A retried revision had ended: were that kept, its canary side would be taken for scaled down when it fails again.
    finished = UNKNOWN if state.revisions.finished == revision else state.revisions.finished
    return replace(
        reset_analysis(begin_record(state, now_s, why), now_s),
        target=target.identity,
        revisions=replace(state.revisions, analysed=revision, finished=finished, change=change),
        hooks=HookAnswers(),
        control=Control(request=state.control.request),
        queue=None,
    )


def stop_waiting(state: State) -> State:
    """Return the state that waits for no gate and remembers no passed checks."""
    analysis, hooks = replace(state.analysis, checks_passed=False), replace(state.hooks, waiting_for=())
    return replace(state, analysis=analysis, hooks=hooks)


def end_run(tick: Tick, state: State, outcome: Outcome, otherwise: str = "") -> State:
    """Return the state of an ended run: no iteration is counted, and its post-rollout hooks are to be called.

    `otherwise` is the reason of its entry in the history where none was given before.
    """
    has_hooks = bool(hooks_of(tick.canary, POST_ROLLOUT))
    return replace(
        end_record(state, outcome, tick.now_s, otherwise),
        analysis=replace(state.analysis, iterations=0, step=StepRecord()),
        hooks=replace(state.hooks, post_rollout_pending=has_hooks),
        timing=replace(state.timing, shifted_at_s=None),
    )


def change_of(state: State, target: Target) -> Mark | None:
    """Return what the target's present revision changed and who applied it, None where nobody can tell.

    A mark speaks of the template. One that the run before was about already says nothing of a run that another
    configuration started.
    """
    mark, revision, before = target.mark, target.identity.revision, state.revisions.analysed
    if mark is None or (before != revision and template_part(before) == mark.revision):
        return None
    return replace(mark, revision=revision)


# A run's beginning.


def start_run(tick: Tick, *messages: Message) -> Decision:
    """Begin a run of the target's present revision: with the canary side, or with the gates that stand before it."""
    begun = reset_run(tick.state, tick.target, tick.now_s)
    if hooks_of(tick.canary, CONFIRM_ROLLOUT):
        return tick.transition(replace(begun, phase=Phase.WAITING), *messages)
    started = run_started(tick.target_name, begun.revisions.change)
    return tick.transition(replace(begun, phase=Phase.PROGRESSING), *messages, started)


def restart_run(tick: Tick) -> Decision:
    """Start again with the newer revision; or end the run where the target is back at the promoted one.

    Whoever confirmed the older revision did not confirm this one: its gates are asked again. (Flagger asks them again
    only where the older one was still waiting.)
    """
    begun = reset_run(tick.state, tick.target, tick.now_s)
    if tick.target.identity.revision == tick.state.revisions.promoted:
        control = replace(begun.control, skips_analysis=True)
        # What the primary runs already makes no run of its own.
        ending = replace(begun, phase=Phase.FINALISING, control=control, run=Run())
        return tick.transition(ending, returned_to_promoted(tick.target_name))
    phase = Phase.WAITING if hooks_of(tick.canary, CONFIRM_ROLLOUT) else Phase.PROGRESSING
    return tick.transition(replace(begun, phase=phase), run_restarted(tick.target_name, begun.revisions.change))


def restart_analysis(tick: Tick, *messages: Message) -> Decision:
    """Start the same revision's analysis again, without traffic at first; one that was given up ends instead."""
    if tick.state.analysis.is_given_up:
        return fail(tick, *messages)
    begun = reset_analysis(tick.state, tick.now_s)
    return tick.transition(replace(begun, phase=Phase.PROGRESSING), *messages)


def restart_with_strategy(tick: Tick) -> Decision:
    """Start the same revision's analysis again: the spec was edited in mid-run and makes another kind of it.

    A weight means another thing to each strategy: 100 are the matched requests of an A/B test, and everybody's on a
    route with weights. So nothing of the old analysis is carried over into the new one, and the traffic goes first.
    Edits within a strategy (weights, iterations, interval, threshold, hooks) need none of this: the next step is found
    from where the analysis stands, and where that is past the edited end, it ends.
    """
    return restart_analysis(tick, strategy_changed(tick.target_name, tick.state.strategy, tick.canary.strategy))


# A run's ends.


def promote(tick: Tick, *messages: Message, skips_analysis: bool) -> Decision:
    """End the analysis well: the primary is to get the analysed template. Traffic stays where it is until it has it.

    But none may be on a primary that has no pod while it rolls: where the analysis did not bring it to the canary side,
    because it was left out, this does.
    """
    state = _begin_promotion(tick.state, tick.now_s, skips_analysis=skips_analysis)
    if tick.rollout_interrupts_primary and not tick.canary_carries_everything:
        messages = (*messages, routing_to_canary(was_mirrored=tick.state.traffic.mirror_percent > 0))
        state = give_everything_to_canary(tick.having(state))
    return tick.transition(state, *messages, copying_template(tick.target_name, tick.primary_name))


def promote_newer(tick: Tick, *messages: Message, why: str = "") -> Decision:
    """Promote the target's present revision in place of the one whose promotion hangs, with the traffic where it is.

    `why` is the reason in the history, empty where its analysis is skipped by the spec.
    """
    begun, now = reset_run(tick.state, tick.target, tick.now_s), tick.state.traffic
    kept = Traffic(now.canary_percent, includes_unmatched=now.includes_unmatched)
    state = _begin_promotion(replace(give_reason(begun, why), traffic=kept), tick.now_s, skips_analysis=True)
    started = run_restarted(tick.target_name, begun.revisions.change)
    return tick.transition(state, started, *messages, copying_template(tick.target_name, tick.primary_name))


def _begin_promotion(state: State, now_s: float, *, skips_analysis: bool) -> State:
    begun = stop_waiting(state)
    return replace(
        begun,
        phase=Phase.PROMOTING,
        traffic=replace(state.traffic, mirror_percent=0),
        analysis=replace(begun.analysis, step=StepRecord(), decisive_at_s=now_s, unobserved_s=0.0),
        promotion=Promotion(checked_at_s=now_s),
        control=replace(state.control, is_paused=False, skips_analysis=skips_analysis),
        timing=Timing(next_check_at_s=now_s, unready_at_s=now_s),
    )


def roll_back(tick: Tick, reason: str, *before: Message, because: str = "", why: str = "") -> Decision:
    """Pull the traffic from the canary and end the run; `before` comes first, `because` is what the checks said.

    `why` is the reason in the history where `reason` is not.
    """
    given = tick.having(give_reason(tick.state, why or reason))
    return end_badly(given, *before, rolling_back(tick.name, reason, because))


def end_badly(tick: Tick, *messages: Message) -> Decision:
    """End a run badly as soon as that takes nobody to a side without a pod; `messages` say why, once."""
    if tick.must_canary_serve and tick.state.analysis.is_given_up:
        return wait(tick.why_primary_not_ready(), seconds=PATIENCE_S)
    if tick.must_canary_serve:
        state = stop_waiting(tick.state)
        analysis = replace(state.analysis, is_given_up=True)
        given_up = replace(state, analysis=analysis, control=replace(state.control, is_paused=False))
        return tick.transition(given_up, *messages, rollback_waits(tick.name, tick.primary_name))
    primary, revisions = tick.observation.primary, tick.state.revisions
    is_rolled = primary is not None and primary.revision == revisions.analysed and primary.readiness.has_available
    if tick.state.phase is Phase.PROMOTING and tick.rollout_interrupts_primary and is_rolled:
        # To bring it back to what was promoted before would end the pods that serve everybody: it stays on this one.
        revisions = replace(revisions, promoted=revisions.analysed)
        tick = tick.having(give_reason(tick.state, f"{tick.state.run.reason}; the primary stays on it"))
    return fail(tick.having(replace(tick.state, revisions=revisions)), *messages)


def fail(tick: Tick, *messages: Message) -> Decision:
    """End a run badly: all traffic to the primary, at once. `messages` say why."""
    otherwise = messages[0].text if messages else ""
    ended = stop_waiting(end_run(tick, clear_traffic(tick.state), Outcome.ROLLED_BACK, otherwise))
    failed = replace(
        ended,
        phase=Phase.FAILED,
        analysis=replace(ended.analysis, growth_started_at_s=None, is_given_up=False),
        timing=replace(ended.timing, primary_down_at_s=None),
        control=replace(ended.control, is_paused=False),
    )
    return tick.transition(failed, *messages, run_failed(tick.name))
