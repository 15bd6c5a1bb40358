"""The way forward: the next step of an analysis, or its good end."""

import hashlib
from dataclasses import replace
from string import ascii_letters
from typing import Final

from canary.decide.tick import Tick
from canary.decide.transitions import promote, stop_waiting
from canary.run.decision import Decision
from canary.run.messages import Message, canary_iteration_advanced, canary_weight_advanced, routing_to_canary
from canary.run.phase import Phase
from canary.run.steps import Step, next_step

_COOKIE_CHARS: Final = 10


def step_ahead(tick: Tick) -> Step | None:
    """Return the step that comes next, None when the promotion does."""
    state = tick.state
    present = Step(state.traffic, state.analysis.iterations) if tick.analysis_started else None
    return next_step(tick.canary, present, rollout_interrupts_primary=tick.rollout_interrupts_primary)


def advance(tick: Tick, *messages: Message) -> Decision:
    """Take the next step; `messages` come first."""
    step = step_ahead(tick)
    if step is None:
        return promote(tick, *messages, skips_analysis=False)
    state = stop_waiting(tick.state)
    analysis = replace(state.analysis, iterations=step.iterations)
    if not tick.analysis_started:
        analysis = replace(analysis, started_at_s=tick.now_s, decisive_at_s=tick.now_s)
    cookie = _cookie_at(tick, step.traffic.canary_percent)
    is_kept = cookie == state.traffic.cookie != ""
    forward = replace(
        state,
        phase=Phase.PROGRESSING,
        traffic=replace(step.traffic, cookie=cookie),
        previous_cookie=state.previous_cookie if is_kept else state.traffic.cookie or state.previous_cookie,
        strategy=tick.canary.strategy,
        analysis=analysis,
        timing=replace(state.timing, next_check_at_s=tick.now_s + tick.canary.interval_s),
    )
    return tick.transition(forward, *messages, _report_step(tick, step))


def _report_step(tick: Tick, step: Step) -> Message:
    if step.carries_everything:
        return routing_to_canary(was_mirrored=tick.state.traffic.mirror_percent > 0)
    if tick.canary.strategy == "canary":
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
