"""Fixtures of the core's tests."""

import pytest

from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster


@pytest.fixture
def cluster() -> SimulatedCluster:
    """A canary that was bootstrapped and waits."""
    made = SimulatedCluster(canary())
    made.run(30)
    assert made.state.phase is Phase.INITIALIZED
    made.told.clear()
    made.questions.clear()
    made.promoted.clear()
    return made
