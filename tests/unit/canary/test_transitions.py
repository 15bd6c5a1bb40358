"""From one phase to the next: only as it is declared."""

from dataclasses import replace

import pytest

from canary.run.phase import TRANSITIONS, Phase
from canary.run.state import (
    State,
    UndeclaredTransition,
)


@pytest.mark.parametrize(("before", "after"), [(before, after) for before in TRANSITIONS for after in Phase])
def test_a_phase_follows_only_those_that_it_is_declared_to_follow(before: Phase | None, after: Phase) -> None:
    state = State(phase=before)
    if after == before or after in TRANSITIONS[before]:
        assert state.transition_to(replace(state, phase=after), 1.0).phase is after
    else:
        with pytest.raises(UndeclaredTransition, match=f"{before} -> {after}"):
            state.transition_to(replace(state, phase=after), 1.0)


def test_every_declared_transition_leads_to_a_declared_phase() -> None:
    assert set().union(*TRANSITIONS.values()) <= set(Phase)
    assert set(TRANSITIONS) == {None, *Phase}
