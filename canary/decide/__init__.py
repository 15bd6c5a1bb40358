"""The way from what is intended and what is observed to what is done next. Pure, and the same for the same input.

A tick is asked of the guards first, which hold in every phase, then of the phase's own function.
"""

from collections.abc import Callable
from typing import Final

from canary.api.canary import Canary
from canary.decide import clock, guards, served
from canary.decide.names import follow_names
from canary.decide.phases import finalising, idle, initializing, progressing, promoting, terminating
from canary.decide.ready import tell_readiness, why_not_ready
from canary.decide.requests import answer_request, answer_without_spec
from canary.decide.tick import Tick
from canary.run.decision import Decision, wait
from canary.run.observation import Observation
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.trouble import Trouble

__all__ = ["Decision", "decide", "find_trouble"]

GUARDS: Final[tuple[Callable[[Tick], Decision | None], ...]] = (
    guards.refuse_old_view,
    guards.stand_back_for_flagger,
    guards.pull_what_is_not_stored,
    clock.note_time,
    terminating.decide,
    guards.take_over_from_flagger,
    guards.keep_traffic_safe,
    served.note_served,
    answer_without_spec,
    guards.await_spec,
    follow_names,
    answer_request,
    guards.keep_finalizer,
    guards.stand_still,
    guards.follow_target,
    guards.restore_primary,
)
"""In the order in which they are asked: whose view it is, where the traffic is, what stands in the way."""


def decide(canary: Canary, state: State, observation: Observation) -> Decision:
    """Decide what comes next. Total: every input has an answer."""
    tick = _tick(canary, state, observation)
    guarded = next((decision for guard in GUARDS if (decision := guard(tick)) is not None), None)
    decision = tell_readiness(tick, guarded if guarded is not None else _decide_phase(tick))
    return clock.noted_within_s(decision) if clock.runs_down(tick) else decision


def find_trouble(canary: Canary, state: State, observation: Observation, decision: Decision) -> tuple[Trouble, ...]:
    """Return what is not as it should be in a tick that came to wait, the gravest first."""
    return why_not_ready(_tick(canary, state, observation), decision)


def _tick(canary: Canary, state: State, observation: Observation) -> Tick:
    """Return the three inputs as a tick, the state by the present clock, by what the route knows of and shows."""
    watched = clock.count_watched(state, observation.now_s)
    tick = Tick(canary, guards.count_on(watched, observation), observation)
    return served.count_served(guards.count_generation(tick))


def _decide_phase(tick: Tick) -> Decision:
    match tick.state.phase:
        case None | Phase.INITIALIZING:
            return initializing.decide(tick)
        case Phase.INITIALIZED | Phase.SUCCEEDED | Phase.FAILED:
            return idle.decide(tick)
        case Phase.WAITING | Phase.PROGRESSING | Phase.WAITING_PROMOTION:
            return progressing.decide(tick)
        case Phase.PROMOTING:
            return promoting.decide(tick)
        case Phase.FINALISING:
            return finalising.decide(tick)
        case Phase.TERMINATING | Phase.TERMINATED:
            return wait()
