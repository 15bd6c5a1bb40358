"""The record of a run: when it began, why it ends as it does, and its entry in the history. Functions of the state.

An entry is made in the very transition that ends the run, so each run has one, whatever crashes when.
"""

from dataclasses import replace

from canary.run.history import Outcome, Run, record, short
from canary.run.phase import IDLE
from canary.run.state import State


def begin_record(state: State, now_s: float, why: str = "") -> State:
    """Return the state with a run under way from now on; one that was under way has been superseded for `why`."""
    before = state if state.phase in IDLE else end_record(give_reason(state, why), Outcome.SUPERSEDED, now_s)
    return replace(before, run=Run(now_s))


def give_reason(state: State, why: str) -> State:
    """Return the state that knows why the run ends, or will; an end may have to wait for what it needs."""
    return replace(state, run=replace(state.run, reason=short(why)))


def end_record(state: State, outcome: Outcome, now_s: float, otherwise: str = "") -> State:
    """Return the state without a run, and with its entry; `otherwise` is the reason where none was given before."""
    run = replace(state.run, reason=state.run.reason or otherwise)
    revisions = state.revisions
    history = record(state.history, run, outcome, revision=revisions.analysed, change=revisions.change, now_s=now_s)
    return replace(state, run=Run(), history=history)
