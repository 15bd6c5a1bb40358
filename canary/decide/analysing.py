"""Analysing: the checks of each interval decide; where they pass and the gates are open, the next step is taken.

The analysis goes on come what may: what goes wrong elsewhere keeps it from going forward, not its checks away.
"""

from dataclasses import replace

from canary.decide.advance import advance, step_ahead
from canary.decide.canary_side import await_canary, canary_trouble
from canary.decide.context import CONFIRM_PROMOTION, CONFIRM_TRAFFIC_INCREASE, PATIENCE_S, Tick
from canary.decide.gates import QUESTIONS, Heard, gate_before, hear, with_rollback
from canary.decide.growing import grow, growth_trouble, is_grown
from canary.decide.skipping import skip_to_promotion
from canary.decide.verdicts import judge_checks
from canary.run.decision import Decision, act, ask, move, wait
from canary.run.messages import Message
from canary.run.observation import ManagedObject, Question
from canary.run.phase import Phase


def decide(tick: Tick) -> Decision:
    """Judge in time; ask the gates of the next step after checks that passed, once an interval."""
    if tick.seen.answers is not None:
        return _judge(tick)
    canary_side = await_canary(tick)
    if canary_side is not None and canary_side.intent is not None:
        return canary_side
    if tick.is_skipping and not tick.state.is_paused:
        return canary_side or skip_to_promotion(tick)
    if canary_side is None and tick.state.unready_since_s is not None:
        # Before anything that may hold the run for long: the next short trouble of that side has a deadline of its own.
        return move(tick.moved(unready_since_s=None, last_transition_s=tick.state.last_transition_s))
    if tick.remaining_s() <= 0:
        return ask(*with_rollback(tick, Question.CHECKS))
    due = tick.due(*ManagedObject) + tick.due_scale(tick.seen.scale_to)
    if due:
        return act(*due)
    trouble = canary_trouble(tick) or tick.trouble()
    if trouble is not None:
        return wait(trouble, seconds=min(tick.remaining_s(), PATIENCE_S))
    if growth_trouble(tick) is not None:
        return grow(tick)
    if is_grown(tick):
        return move(tick.moved(grown_s=None, last_transition_s=tick.state.last_transition_s))
    return _ask_gates(tick) if tick.state.is_cleared else wait(seconds=tick.remaining_s())


def _trouble(tick: Tick) -> Message | None:
    return canary_trouble(tick) or tick.trouble() or growth_trouble(tick)


def _judge(tick: Tick) -> Decision:
    checks = tick.seen.answered(Question.CHECKS)
    if checks is not None:
        return judge_checks(tick, checks, _trouble(tick))
    for kind in (CONFIRM_TRAFFIC_INCREASE, CONFIRM_PROMOTION):
        heard = hear(tick, kind)
        if heard is not None:
            return _go_on(tick, kind, heard)
    return wait(seconds=tick.remaining_s())


def _ask_gates(tick: Tick) -> Decision:
    gate = gate_before(tick, step_ahead(tick))
    return ask(QUESTIONS[gate]) if gate is not None else advance(tick)


def _go_on(tick: Tick, kind: str, heard: Heard) -> Decision:
    """Take the step whose gates are open; shut ones are asked again after the next checks that pass."""
    if not heard.is_open:
        phase = Phase.WAITING_PROMOTION if kind == CONFIRM_PROMOTION else tick.state.phase
        return move(tick.moved(*heard.news, phase=phase, is_cleared=False, **heard.changes), *heard.remarks)
    opened = Tick(tick.canary, replace(tick.state, answered=heard.changes["answered"]), tick.seen)
    is_way_free = (
        _trouble(opened) is None and not tick.due(*ManagedObject) and gate_before(opened, step_ahead(tick)) is None
    )
    if not is_way_free:
        return move(tick.moved(*heard.news, **heard.changes))
    return advance(tick, *heard.news, **heard.changes)
