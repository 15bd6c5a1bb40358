"""The way forward: the canary side that must be up for it, what comes next, and how the next step is taken."""

import hashlib
from dataclasses import dataclass, replace
from string import ascii_letters
from typing import Final

from canary.decide.gates import CONFIRM_PROMOTION, CONFIRM_TRAFFIC_INCREASE, unanswered_hooks
from canary.decide.holds import Hold, find_hold, report_pause
from canary.decide.tick import Tick
from canary.decide.timing import ENDPOINTS_KNOWN_S, PATIENCE_S, SETTLING_S
from canary.decide.transitions import promote, roll_back, stop_waiting
from canary.run.action import ScaleTarget
from canary.run.decision import Decision, act, wait
from canary.run.messages import (
    Message,
    canary_iteration_advanced,
    canary_weight_advanced,
    not_ready,
    routing_to_canary,
    scaling_to_size,
    target_paused,
)
from canary.run.phase import Phase
from canary.run.state import StepRecord
from canary.run.steps import Step, next_step
from canary.run.traffic import TOTAL_PERCENT

_COOKIE_CHARS: Final = 10


# What comes next.


@dataclass(frozen=True, slots=True)
class Ahead:
    """What comes next in an analysis, and what keeps it from coming.

    `step` is None when the promotion is next. `hold` is what of the present step is not over. `gate` is the type of the
    gates that must open before the next one, None when none has to. `why_not` is None when nothing else is in the way.
    `size`: how many replicas the canary side needs for it; `needs_growth`: only that is missing, and that side grows
    when the gates are open, for they may take days.
    """

    step: Step | None
    hold: Hold | None
    gate: str | None
    why_not: Message | None
    size: int
    needs_growth: bool


def look_ahead(tick: Tick) -> Ahead:
    """Return what comes next, as the world is now."""
    present = tick.state.present_step if tick.analysis_started else None
    step = next_step(
        tick.canary,
        present,
        rollout_interrupts_primary=tick.rollout_interrupts_primary,
        is_primary_lost=tick.is_primary_lost,
    )
    hold = find_hold(tick, step)
    gate = None if hold is not None else _gate_before(tick, step)
    why_not, size = why_canary_not_ready(tick) or tick.why_not_advancing(), _size_for(tick, step)
    needs_growth = why_not is None and hold is None and gate is None and is_too_small(tick, size)
    return Ahead(step, hold, gate, _report_growth(tick, size) if needs_growth else why_not, size, needs_growth)


def _size_for(tick: Tick, step: Step | None) -> int:
    """Return how many replicas the canary side needs for a step: its share of what the primary carries.

    Nobody knows how many requests an A/B test chooses: its own number has to do for those. Copies of requests bring no
    answers to users, and move nothing.
    """
    if step is None or not (step.carries_everything or tick.canary.strategy == "canary"):
        return 0
    if tick.is_primary_lost:
        # Nobody is served while more pods start: any number is better than none.
        return 0
    return tick.canary_size(step.traffic.canary_percent)


def _gate_before(tick: Tick, step: Step | None) -> str | None:
    """Return the type of the gates that must open before a step (None: the promotion), None when the way is free.

    As with Flagger, the gate before a growing weight is asked before the promotion, too: that is the last increase.
    Where the canary gets all the traffic before its promotion, as always in blue/green, both are asked before that.
    A step of the same weight as the one before it increases nothing.
    """
    kinds = []
    is_last = step is None and tick.state.traffic.includes_unmatched
    is_same = step is not None and step.number > 0 and step.traffic.canary_percent == tick.state.traffic.canary_percent
    if tick.canary.grows_by_weight and not is_last and not is_same:
        kinds.append(CONFIRM_TRAFFIC_INCREASE)
    if step is None or step.carries_everything:
        kinds.append(CONFIRM_PROMOTION)
    return next((kind for kind in kinds if unanswered_hooks(tick.canary, tick.state, kind)), None)


# The canary side while it must be up, and its size before it carries more.


def why_canary_not_ready(tick: Tick) -> Message | None:
    """Return why the canary side is not up, None when it is.

    When its time to grow is over, fewer pods than it was to grow to are enough.
    """
    readiness = tick.target.readiness
    if readiness.is_ready or (readiness.has_available and _is_growth_over(tick)):
        return None
    return not_ready(tick.target_name, readiness.explanation, is_canary_side=True)


def await_canary(tick: Tick) -> Decision | None:
    """Wait for the canary side until the progress deadline, by the stored clock; return None when it is up."""
    why = why_canary_not_ready(tick)
    if why is None:
        return None
    state = tick.state
    if tick.target.is_paused and not tick.is_exposed:
        # Whoever paused it holds the run too. With traffic on it, it is to have pods, paused or not.
        if state.timing.unready_at_s is not None:
            return tick.update(replace(state, timing=replace(state.timing, unready_at_s=None)))
        return wait(target_paused(tick.target_name))
    if state.timing.unready_at_s is None:
        # Checks that passed spoke of a side that was up.
        timing = replace(state.timing, unready_at_s=tick.now_s)
        return tick.update(replace(state, timing=timing, analysis=replace(state.analysis, checks_passed=False)))
    left_s = state.timing.unready_at_s + tick.canary.progress_deadline_s - tick.now_s
    if left_s > 0:
        return wait(why, seconds=min(left_s, PATIENCE_S))
    return roll_back(tick, f"progress deadline exceeded {tick.target.readiness.explanation}")


def is_too_small(tick: Tick, size: int) -> bool:
    """Return whether the canary side has fewer replicas than it needs, and still some time to get them."""
    return tick.target.replicas < size and not _is_growth_over(tick)


def _is_growth_over(tick: Tick) -> bool:
    """Return whether the canary side has had the time of the progress deadline to grow.

    Where there is no room for so many pods, or an autoscaler takes them away again, fewer carry more than none.
    """
    growth_started_at_s = tick.state.analysis.growth_started_at_s
    return growth_started_at_s is not None and tick.now_s - growth_started_at_s >= tick.canary.progress_deadline_s


def has_grown(tick: Tick, size: int) -> bool:
    """Return whether it has the size that was waited for; the time for it is counted anew when it loses that again."""
    has_size = tick.target.replicas >= size and tick.target.readiness.is_ready
    return tick.state.analysis.growth_started_at_s is not None and has_size


def grow(tick: Tick, size: int) -> Decision:
    """Report it once, then scale the canary side up."""
    analysis = tick.state.analysis
    if analysis.growth_started_at_s is None:
        growing = replace(analysis, growth_started_at_s=tick.now_s)
        return tick.update(replace(tick.state, analysis=growing), _report_growth(tick, size))
    return act(ScaleTarget(size))


def await_size(tick: Tick, size: int) -> Decision | None:
    """Let the canary side grow to a size, and wait until those pods are up; None when it has it, or had its time."""
    if is_too_small(tick, size):
        return grow(tick, size)
    is_growing = tick.state.analysis.growth_started_at_s is not None
    why = why_canary_not_ready(tick) if is_growing else None
    return None if why is None else wait(why, seconds=PATIENCE_S)


def _report_growth(tick: Tick, size: int) -> Message:
    is_everything = size >= tick.canary_size(TOTAL_PERCENT)
    return scaling_to_size(tick.target_name, size, tick.primary_name, is_everything=is_everything)


def skip_to_promotion(tick: Tick) -> Decision:
    """Promote as soon as the canary side, which is up, can carry everything; at once where it won't have to."""
    if tick.rollout_interrupts_primary:
        if tick.state.timing.unready_at_s is not None:
            # No check is waited for, only the gateway: everything will be sent to the new pods.
            known_at_s = tick.now_s + ENDPOINTS_KNOWN_S
            timing = replace(tick.state.timing, unready_at_s=None, next_check_at_s=known_at_s)
            return tick.update(replace(tick.state, timing=timing))
        if is_too_small(tick, tick.canary_size(TOTAL_PERCENT)):
            return grow(tick, tick.canary_size(TOTAL_PERCENT))
        if 0 < tick.remaining_s <= ENDPOINTS_KNOWN_S:
            return wait(seconds=tick.remaining_s)
    if not tick.is_route_served:
        return await_route(tick)
    return promote(tick, skips_analysis=True)


def await_route(tick: Tick) -> Decision:
    """Wait until the gateway serves the route; that it takes a moment is nothing to report."""
    return wait(tick.why_route_not_served(), seconds=SETTLING_S if tick.is_route_settling else PATIENCE_S)


# The step itself.


def advance(tick: Tick, step: Step | None, *messages: Message) -> Decision:
    """Take a step, or begin the promotion where there is none; `messages` come first."""
    if step is None:
        return promote(tick, *messages, skips_analysis=False)
    state = stop_waiting(tick.state)
    analysis = replace(state.analysis, iterations=step.iterations, step=StepRecord(number=step.number))
    if has_grown(tick, _size_for(tick, step)):
        analysis = replace(analysis, growth_started_at_s=None)
    if not tick.analysis_started:
        analysis = replace(analysis, started_at_s=tick.now_s, decisive_at_s=tick.now_s, unobserved_s=0.0)
    cookie = _cookie_at(tick, step.traffic.canary_percent)
    is_kept = cookie == state.traffic.cookie != ""
    forward = replace(
        state,
        phase=Phase.PROGRESSING,
        traffic=replace(step.traffic, cookie=cookie),
        served_at_s=None,
        previous_cookie=state.previous_cookie if is_kept else state.traffic.cookie or state.previous_cookie,
        strategy=tick.canary.strategy,
        primary_floor=_primary_floor(tick),
        analysis=analysis,
        timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s),
    )
    paused, pause = report_pause(tick.having(forward))
    return tick.transition(paused, *messages, _report_step(tick, step), *pause)


def _primary_floor(tick: Tick) -> int:
    """Return how many replicas the primary is to keep while the canary side takes traffic from it.

    Its autoscaler would take away what it is not asked to carry now, and a rollback brings all that back at once.
    """
    primary = tick.observation.primary
    if primary is None or primary.size_limit is None:
        return 0
    return max(tick.state.primary_floor, min(primary.replicas, primary.size_limit))


def _report_step(tick: Tick, step: Step) -> Message:
    if step.carries_everything:
        return routing_to_canary(was_mirrored=tick.state.traffic.mirror_percent > 0)
    if tick.canary.grows_by_weight:
        return canary_weight_advanced(tick.name, step.traffic.canary_percent)
    assert tick.canary.analysis is not None
    return canary_iteration_advanced(tick.name, step.iterations, tick.canary.analysis.iterations)


def _cookie_at(tick: Tick, percent: int) -> str:
    """Return the session cookie for a step to `percent`: a run has one, from its first weight to its end.

    Source: Flagger 1.44, `makeSessionAffinityRoutes` in `pkg/router/istio.go`: `cookieName=` and ten letters.
    """
    analysis = tick.canary.analysis
    affinity = analysis.session_affinity if analysis is not None and tick.canary.strategy == "canary" else None
    if affinity is None or percent == 0:
        return ""
    prefix, cookie = f"{affinity.cookie_name}=", tick.state.traffic.cookie
    return cookie if cookie.startswith(prefix) else f"{prefix}{_cookie_value(tick)}"


def _cookie_value(tick: Tick) -> str:
    """Return the run's own ten letters: the same input is always decided alike, so they are hashed, not drawn."""
    run = f"{tick.canary.uid}/{tick.state.revisions.analysed}/{tick.state.transition.sequence}"
    digest = hashlib.sha256(run.encode()).digest()[:_COOKIE_CHARS]
    return "".join(ascii_letters[byte % len(ascii_letters)] for byte in digest)
