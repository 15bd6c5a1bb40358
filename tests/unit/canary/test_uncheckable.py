"""A canary whose checks can't be asked begins no run: each would be rolled back, and never be tried again."""

import pytest

from canary.run.managed import ManagedObject
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster

DATADOG = Blocker("MetricTemplateUnusable", "Canary test/podinfo: that of MetricTemplate test/own is datadog")
ANALYSIS = {"stepWeight": 50, "maxWeight": 50}


def phase(cluster: SimulatedCluster) -> Phase | None:
    return cluster.state.phase


@pytest.fixture
def cluster() -> SimulatedCluster:
    """A canary that is initialized, and whose template is of a type that nobody asks."""
    made = SimulatedCluster(canary(ANALYSIS), start_blockers=(DATADOG,))
    made.run(60)
    return made


def test_the_bootstrap_ends_and_the_canary_is_not_ready(cluster: SimulatedCluster) -> None:
    assert cluster.state.phase is Phase.INITIALIZED
    assert cluster.state.blocker == DATADOG
    assert cluster.texts().count(DATADOG.message) == 1


def test_no_run_begins_until_the_checks_can_be_asked(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(3600)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.INITIALIZED, (100, 0), 0)
    cluster.start_blockers = ()
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.state.blocker is None
    assert cluster.primary_revision == "rev-2"


def test_what_is_generated_is_kept_meanwhile(cluster: SimulatedCluster) -> None:
    cluster.parts.discard(ManagedObject.PRIMARY_SERVICE)
    cluster.primary_revision = None
    cluster.run(60)
    assert ManagedObject.PRIMARY_SERVICE in cluster.parts
    assert cluster.primary_revision == "rev-1"


def test_a_canary_without_an_analysis_needs_no_checks() -> None:
    cluster = SimulatedCluster(canary(ANALYSIS, skipAnalysis=True), start_blockers=(DATADOG,))
    cluster.run(60)
    assert cluster.state.blocker is None
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert cluster.primary_revision == "rev-2"


def test_a_run_that_has_not_reached_its_first_weight_waits_there() -> None:
    cluster = SimulatedCluster(canary(ANALYSIS))
    cluster.run(60)
    cluster.set_image("rev-2")
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROGRESSING)
    cluster.start_blockers = (DATADOG,)
    cluster.run(3600)
    assert (cluster.state.phase, cluster.weights) == (Phase.PROGRESSING, (100, 0))
    cluster.start_blockers = ()
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert cluster.primary_revision == "rev-2"
