"""Clocks that jump, and clocks of nodes that differ: neither keeps checks away, nor ends a run that is well."""

import pytest

from canary.run.judge import Verdict
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
HOUR_S = 3600.0


def exposed(cluster: SimulatedCluster, percent: int = 20) -> SimulatedCluster:
    """Bring a run of REVISION to the moment where the canary has so much traffic."""
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == percent)
    cluster.settle()
    return cluster


def jump(cluster: SimulatedCluster, by_s: float) -> None:
    """Set the clock, as the failover to a node whose clock is another does."""
    cluster.now_s += by_s
    cluster.restart()


def test_a_clock_that_is_set_back_keeps_no_checks_from_a_bad_canary(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.verdicts = always(Verdict.FAIL)
    jump(cluster, -HOUR_S)
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_a_clock_that_jumps_and_one_check_without_data_roll_nothing_back(
    cluster: SimulatedCluster, by_s: float
) -> None:
    exposed(cluster)
    cluster.verdicts = iter([Verdict.NO_DATA, *[Verdict.PASS] * 1000])
    jump(cluster, by_s)
    cluster.run(1200)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_what_is_not_observed_has_its_deadline_under_a_clock_that_jumps(cluster: SimulatedCluster, by_s: float) -> None:
    exposed(cluster)
    cluster.verdicts = always(Verdict.NO_DATA)
    cluster.run(300)
    jump(cluster, by_s)
    cluster.run(280)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(50)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_a_canary_side_that_comes_up_has_the_whole_of_its_deadline_under_a_clock_that_jumps(
    cluster: SimulatedCluster, by_s: float
) -> None:
    cluster.target_readiness = UNREADY
    cluster.set_image(REVISION)
    cluster.run(300)
    jump(cluster, by_s)
    cluster.run(280)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(100)
    assert phase(cluster) is Phase.FAILED


def test_a_promotion_is_late_when_it_was_waited_for_not_when_a_clock_jumps(cluster: SimulatedCluster) -> None:
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: cluster.primary_revision == REVISION)
    cluster.primary_readiness = ROLLING
    cluster.run(60)
    jump(cluster, HOUR_S)
    cluster.run(60)
    assert not cluster.state.promotion.is_late
    cluster.run(600)
    assert cluster.state.promotion.is_late


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_a_side_is_drained_for_as_long_as_it_is_to_be_under_a_clock_that_jumps(by_s: float) -> None:
    cluster = exposed(bootstrapped({"drainSeconds": 60}))
    cluster.is_drained = None
    cluster.request = f"abort@{REVISION}"
    cluster.run(20)
    jump(cluster, by_s)
    cluster.run(35)
    assert cluster.target_replicas == 2
    cluster.run(30)
    assert cluster.target_replicas == 0


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_a_deletion_hands_over_in_its_time_under_a_clock_that_jumps(by_s: float) -> None:
    cluster = bootstrapped({"drainSeconds": 400}, revertOnDeletion=True)
    cluster.has_finalizer, cluster.is_deleted, cluster.is_drained = True, True, None
    cluster.run(200)
    jump(cluster, by_s)
    cluster.run(150)
    assert cluster.has_finalizer
    cluster.run(100)
    assert not cluster.has_finalizer


def test_clocks_that_differ_by_less_than_a_second_cost_no_write(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    stored = cluster.state
    jump(cluster, -0.8)
    cluster.settle()
    assert cluster.state == stored


def test_an_idle_canary_is_not_written_for_a_clock(cluster: SimulatedCluster) -> None:
    stored = cluster.state
    for by_s in (-HOUR_S, HOUR_S, HOUR_S):
        jump(cluster, by_s)
        cluster.settle()
    assert cluster.state == stored


def test_a_run_that_was_left_alone_for_an_hour_is_checked_at_once_and_goes_on(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.target_readiness = UNREADY
    cluster.settle()
    jump(cluster, HOUR_S)
    asked = len(cluster.questions)
    cluster.settle()
    assert len(cluster.questions) == asked + 1
    cluster.target_readiness = READY
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED
