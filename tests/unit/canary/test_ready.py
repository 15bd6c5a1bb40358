"""Ready tells the truth: False with a reason once something has been wrong for longer than it may be, else True."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from canary.decide import decide
from canary.run.action import ApplyObject, Promote, SetTraffic
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import RouteState
from canary.run.phase import Phase
from canary.run.state import Blocker
from canary.run.status import read_state, write_status
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"


def ready(cluster: SimulatedCluster) -> tuple[str, str]:
    """Return status and reason of the condition."""
    found: dict[str, Any] = next(one for one in cluster.status["conditions"] if one["type"] == "Ready")
    return found["status"], found["reason"]


def exposed() -> SimulatedCluster:
    cluster = bootstrapped({"unobservedDeadlineSeconds": 3600})
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.weights == (80, 20))
    return cluster


def refuse_part(cluster: SimulatedCluster) -> None:
    cluster.parts.discard(ManagedObject.CANARY_SERVICE)
    cluster.refused_objects = {ManagedObject.CANARY_SERVICE}


def refuse_traffic(cluster: SimulatedCluster) -> None:
    cluster.refused_actions = {SetTraffic}


def lose_primary(cluster: SimulatedCluster) -> None:
    """Leave the primary without a pod, and a run, which would go on to its cure, without a check that passes."""
    cluster.primary_readiness, cluster.verdicts = UNREADY, always(Verdict.NO_DATA)


TROUBLES: dict[str, Callable[[SimulatedCluster], None]] = {
    "ObjectsNotApplied": refuse_part,
    "RouteNotServed": lambda cluster: setattr(cluster, "route_state", RouteState.REJECTED),
    "PrimaryNotReady": lose_primary,
    "ScalerNotFound": lambda cluster: setattr(cluster, "blockers", (Blocker("ScalerNotFound", "no such scaler"),)),
    "RouteNotWritten": refuse_traffic,
    "ChecksUndecided": lambda cluster: setattr(cluster, "verdicts", always(Verdict.NO_DATA)),
}


@pytest.mark.parametrize("reason", TROUBLES)
def test_a_run_that_is_held_for_longer_than_a_minute_is_not_ready_until_it_is_not(reason: str) -> None:
    cluster = exposed()
    TROUBLES[reason](cluster)
    cluster.run(45)
    assert ready(cluster)[0] == "True", "an ordinary wait"
    cluster.run(45)
    assert ready(cluster) == ("False", reason)
    told = [text for text in cluster.texts() if text.startswith("podinfo.test is not ready: ")]
    cluster.run(200)
    assert (ready(cluster), len(told)) == (("False", reason), 1)
    cluster.parts, cluster.refused_objects, cluster.refused_actions = set(ManagedObject), set(), set()
    cluster.route_state, cluster.primary_readiness, cluster.blockers = RouteState.SETTLED, READY, ()
    cluster.verdicts = always(Verdict.PASS)
    cluster.run(45)
    assert ready(cluster) == ("True", "Reconciling")
    assert "podinfo.test is ready again" in cluster.texts()
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize("reason", ["ObjectsNotApplied", "RouteNotServed", "PrimaryNotReady"])
def test_a_canary_at_rest_is_not_ready_when_its_next_change_could_not_be_rolled_out(reason: str) -> None:
    cluster = bootstrapped()
    TROUBLES[reason](cluster)
    cluster.run(59)
    assert ready(cluster)[0] == "True"
    cluster.run(10)
    assert ready(cluster) == ("False", reason)
    assert read_state(cluster.status).blocker is None, "it stands still"


def test_a_primary_that_can_not_be_written_is_named_with_what_the_api_server_says() -> None:
    cluster = bootstrapped()
    cluster.primary_revision, cluster.refused_actions = "rev-0", {Promote}
    cluster.run(100)
    assert ready(cluster) == ("False", "PrimaryNotWritten")
    said = "podinfo.test is not ready: podinfo-primary.test can't be written; API server: the API server says no"
    assert cluster.texts()[-1] == said


def test_pods_that_start_within_the_deadline_are_an_ordinary_wait() -> None:
    cluster = bootstrapped()
    cluster.target_readiness = UNREADY
    cluster.set_image(REVISION)
    cluster.run(500)
    assert ready(cluster)[0] == "True"
    cluster.target_readiness = READY
    cluster.run(900, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = ROLLING
    cluster.run(500)
    assert (phase(cluster), ready(cluster)[0]) == (Phase.PROMOTING, "True")
    cluster.run(200)
    assert ready(cluster) == ("False", "PromotionLate")


def test_what_is_too_long_for_the_api_server_is_told_at_the_bootstrap() -> None:
    cluster = SimulatedCluster(bootstrapped().canary, refused_objects={ManagedObject.CANARY_SERVICE})
    cluster.run(120)
    assert (phase(cluster), ready(cluster)) == (Phase.INITIALIZING, ("False", "ObjectsNotApplied"))
    assert cluster.state.not_ready is not None
    assert "the API server says no" in cluster.state.not_ready.message


def test_another_agent_neither_forgets_it_nor_tells_it_again() -> None:
    cluster = bootstrapped()
    cluster.route_state = RouteState.REJECTED
    cluster.run(100)
    sequence = cluster.state.transition.sequence
    cluster.restart()
    cluster.run(300)
    assert ready(cluster) == ("False", "RouteNotServed")
    assert cluster.state.transition.sequence == sequence
    cluster.route_state = RouteState.SETTLED
    cluster.run(30)
    assert ready(cluster)[0] == "True"


def test_a_trouble_behind_another_one_has_its_own_time() -> None:
    cluster = bootstrapped()
    cluster.primary_readiness, cluster.route_state = UNREADY, RouteState.REJECTED
    cluster.run(50)
    cluster.primary_readiness = READY
    cluster.run(20)
    assert ready(cluster) == ("False", "RouteNotServed")


def test_a_flapping_trouble_writes_little() -> None:
    cluster = bootstrapped()
    before = cluster.storage.writes
    for number in range(100):
        cluster.route_state = RouteState.REJECTED if number % 2 else RouteState.SETTLED
        cluster.run(30)
    assert cluster.storage.writes == before


def test_a_blocker_comes_before_it_and_an_older_status_is_a_blocker() -> None:
    cluster = bootstrapped()
    cluster.route_state = RouteState.REJECTED
    cluster.run(100)
    cluster.blockers = (Blocker("TargetUnusable", "no label"),)
    cluster.run(30)
    assert ready(cluster) == ("False", "TargetUnusable")
    assert "notReady" not in cluster.status["serin"]
    written = write_status(cluster.state, {}, target_kind="Deployment", generation=1)
    assert read_state(written).blocker == Blocker("TargetUnusable", "no label")


def test_a_tick_that_fails_each_time_is_stored_before_it_is_tried_again() -> None:
    cluster = bootstrapped()
    cluster.parts.discard(ManagedObject.CANARY_SERVICE)
    seen = replace(cluster.observe(), lasting=Blocker("Retrying", "Deployment test/podinfo: no (403 Forbidden)"))
    told = decide(cluster.canary, cluster.state, seen)
    assert told.intent is not None
    assert told.intent.not_ready == Blocker("Retrying", "Deployment test/podinfo: no (403 Forbidden)")
    assert decide(cluster.canary, told.intent, seen).actions == (ApplyObject(ManagedObject.CANARY_SERVICE),)
