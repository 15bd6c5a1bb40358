"""A Canary that is deleted: with `revertOnDeletion` the target carries the traffic before anything goes."""

from dataclasses import replace
from typing import Any

import pytest

from canary.run.action import SetTraffic
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker, Revisions, Timing
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import UNREADY, Crash
from tests.support.simulated_runs import phase

REVERTED: dict[str, Any] = {"revertOnDeletion": True}
NEW = "aaaaaaaaaaaaaaaa"


@pytest.fixture
def reverting() -> SimulatedCluster:
    """A canary that was bootstrapped and is to be reverted."""
    made = SimulatedCluster(canary(**REVERTED))
    made.run(30)
    assert made.state.phase is Phase.INITIALIZED
    made.told.clear()
    return made


def test_the_finalizer_is_there_for_a_canary_that_is_to_be_reverted_and_for_no_other(
    cluster: SimulatedCluster, reverting: SimulatedCluster
) -> None:
    assert reverting.has_finalizer
    assert not cluster.has_finalizer
    cluster.canary = canary(**REVERTED)
    cluster.settle()
    assert cluster.has_finalizer
    cluster.canary = canary()
    cluster.settle()
    assert not cluster.has_finalizer, "after an uninstallation nobody could let it go"


def test_a_scaler_that_was_paused_for_nothing_goes_on_before_the_target_has_the_traffic(
    reverting: SimulatedCluster,
) -> None:
    reverting.set_image(NEW)
    reverting.run(900, until=lambda: reverting.state.traffic.canary_percent == 10)
    reverting.target_replicas, reverting.is_scaler_paused = 3, True  # an agent died between the two
    reverting.is_deleted = True
    reverting.run(60, until=lambda: phase(reverting) is Phase.TERMINATING and not reverting.state.timing.unready_at_s)
    assert ManagedObject.TARGET_SCALER in reverting.released


def test_the_target_is_up_before_it_gets_the_traffic_and_has_it_before_the_canary_goes(
    reverting: SimulatedCluster,
) -> None:
    reverting.is_deleted = True
    reverting.target_readiness = UNREADY
    reverting.run(300)
    assert (phase(reverting), reverting.target_replicas) == (Phase.TERMINATING, 3)
    assert (reverting.released, reverting.weights) == (set(), (100, 0)), "traffic goes to a target that is not up"
    reverting.target_readiness = SimulatedCluster(canary()).target_readiness
    reverting.run(10, until=lambda: bool(reverting.released))
    reverting.settle()
    assert reverting.weights == (0, 100)
    assert reverting.released >= {
        ManagedObject.APEX_SERVICE,
        ManagedObject.ROUTE,
        ManagedObject.CANARY_SERVICE,
        ManagedObject.CANARY_UPSTREAM,
    }
    assert reverting.has_finalizer, "the primary goes while it may still have requests"
    reverting.run(60)
    assert phase(reverting) is Phase.TERMINATED
    assert not reverting.has_finalizer
    assert reverting.texts() == [
        "Terminating canary podinfo.test",
        "Routing all traffic to podinfo.test",
        "Terminated canary podinfo.test",
    ]


@pytest.mark.parametrize("weight", [10, 50])
def test_a_run_under_way_ends_with_the_target_in_charge(reverting: SimulatedCluster, weight: int) -> None:
    reverting.set_image(NEW)
    reverting.run(900, until=lambda: reverting.state.traffic.canary_percent == weight)
    reverting.settle()
    reverting.is_deleted = True
    reverting.run(120)
    assert (phase(reverting), reverting.weights, reverting.target_replicas) == (Phase.TERMINATED, (0, 100), 3)
    assert "podinfo.test takes the traffic back with a revision that was not promoted" in reverting.texts()
    assert reverting.promoted == ["rev-1"]


def test_a_mirror_ends_before_the_target_has_all_of_it() -> None:
    cluster = SimulatedCluster(
        canary({"mirror": True, "iterations": 10, "maxWeight": None, "stepWeight": None}, **REVERTED)
    )
    cluster.run(30)
    cluster.set_image(NEW)
    cluster.run(120, until=lambda: cluster.mirror_percent > 0)
    cluster.is_deleted = True
    cluster.run(120, until=lambda: ManagedObject.ROUTE in cluster.released)
    assert cluster.mirror_percent == 0


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_a_target_that_can_not_keep_the_primarys_size_takes_the_traffic_with_what_it_has(kind: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": "podinfo"}
    cluster = SimulatedCluster(canary(targetRef=target, **REVERTED))
    cluster.run(30)
    cluster.sizes.target_lasts = 2  # the maximum of its HPA; or fewer nodes than the primary has
    cluster.is_deleted = True
    cluster.run(120)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.TERMINATED, (0, 100), 2)
    assert not cluster.has_finalizer


def test_a_daemonset_on_fewer_nodes_than_the_primary_is_not_scaled_again_and_again() -> None:
    target = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "podinfo"}
    cluster = SimulatedCluster(canary(targetRef=target, **REVERTED))
    cluster.run(30)
    cluster.set_image(NEW)
    cluster.run(900, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.is_deleted = True
    cluster.run(120)
    assert (phase(cluster), cluster.target_replicas) == (Phase.TERMINATED, 2)


def test_without_revert_nothing_is_touched_and_nothing_hangs(reverting: SimulatedCluster) -> None:
    reverting.canary = canary()
    reverting.is_deleted = True
    reverting.settle()
    assert not reverting.has_finalizer
    assert (reverting.released, reverting.target_replicas, reverting.weights) == (set(), 0, (100, 0))


def test_a_canary_of_flaggers_does_not_hang() -> None:
    cluster = SimulatedCluster(canary(**REVERTED), has_finalizer=True, is_deleted=True)
    cluster.settle()
    assert not cluster.has_finalizer, "nothing was ever generated"
    cluster = SimulatedCluster(canary(**REVERTED), has_finalizer=True, is_deleted=True, target_replicas=0)
    cluster.run(1)
    cluster.has_finalizer = True
    cluster.state = replace(cluster.state, phase=Phase.TERMINATING, timing=Timing(), revisions=Revisions())
    cluster.primary_revision = ""
    cluster.run(60)
    assert (cluster.has_finalizer, cluster.target_replicas) == (False, 3)


def test_a_missing_target_is_told_and_the_canary_goes(reverting: SimulatedCluster) -> None:
    reverting.is_target_gone = True
    reverting.blockers = (Blocker("TargetNotFound", "no such target"),)
    reverting.is_deleted = True
    reverting.settle()
    assert not reverting.has_finalizer
    assert "podinfo.test is gone: there is nothing that could take the traffic back" in reverting.texts()


@pytest.mark.parametrize("crash_at", range(1, 14))
def test_a_crash_anywhere_changes_nothing_of_the_end(reverting: SimulatedCluster, crash_at: int) -> None:
    effects = 0

    def die(_: str) -> None:
        nonlocal effects
        effects += 1
        if effects == crash_at:
            raise Crash

    reverting.is_deleted = True
    reverting.before_effect = die
    for _ in range(200):
        try:
            wake_after_s = reverting.tick().wake_after_s
        except Crash:
            continue
        reverting.now_s += wake_after_s or 0
    assert (phase(reverting), reverting.weights, reverting.has_finalizer) == (Phase.TERMINATED, (0, 100), False)


def lost(cluster: SimulatedCluster) -> None:
    """Restart the agent with a spec that can't be read, and nothing else known of it."""
    cluster.canary = canary(analysis=None)
    cluster.is_spec_lost = True
    cluster.blockers = (Blocker("InvalidSpec", "Canary test/podinfo: spec.analysis.interval: found 'x'"),)


def test_a_canary_whose_spec_is_lost_is_not_left_exposed(cluster: SimulatedCluster) -> None:
    cluster.set_image(NEW)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.settle()
    lost(cluster)
    cluster.run(500)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (90, 10))
    assert cluster.status["conditions"][-1]["reason"] == "InvalidSpec"
    cluster.run(200)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_an_idle_canary_whose_spec_is_lost_is_left_alone(cluster: SimulatedCluster) -> None:
    lost(cluster)
    cluster.run(900)
    assert (phase(cluster), cluster.weights) == (Phase.INITIALIZED, (100, 0))


def test_a_route_that_is_refused_holds_the_weight_and_keeps_no_check_away(cluster: SimulatedCluster) -> None:
    cluster.set_image(NEW)
    cluster.run(300, until=lambda: cluster.weights == (90, 10))
    cluster.refused_actions = {SetTraffic}
    asked_before = len(cluster.questions)
    cluster.run(120)
    assert cluster.weights == (90, 10)
    assert cluster.state.traffic.canary_percent == 15, "it goes on from a step that it never took"
    assert len(cluster.questions) > asked_before + 5
    cluster.verdicts = iter([Verdict.FAIL] * 50)
    cluster.run(120)
    assert phase(cluster) is Phase.FAILED
    cluster.run(120)
    assert cluster.target_replicas == 2, "it is scaled down with traffic on it"
    cluster.refused_actions.clear()
    cluster.run(120)
    assert (cluster.weights, cluster.target_replicas) == ((100, 0), 0)
    assert cluster.state.phase in IDLE
