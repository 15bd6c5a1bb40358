"""Blue/green runs: no users on the canary until every iteration passed, then all of them for one interval."""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.observation import Question
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

BLUE_GREEN: dict[str, Any] = {"stepWeight": None, "maxWeight": None, "threshold": 2, "iterations": 3}
MIRRORED = BLUE_GREEN | {"mirror": True}


@pytest.fixture
def cluster() -> SimulatedCluster:
    return bootstrapped(BLUE_GREEN)


def test_a_run_routes_nobody_to_the_canary_before_its_end(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300)
    assert cluster.texts() == [
        "New revision detected! Scaling up podinfo.test",
        "Starting canary analysis for podinfo.test",
        "Pre-rollout check acceptance-test passed",
        *[f"Advance podinfo.test canary iteration {number}/3" for number in range(1, 4)],
        "Scaling up podinfo.test to 3 replicas, for it is to carry all that podinfo-primary.test carries",
        "Routing all traffic to canary",
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down podinfo.test",
    ]
    assert cluster.history == [(0, 100), (100, 0)]
    assert cluster.primary_revision == "rev-2"


def test_the_checks_run_although_nobody_is_on_the_canary(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 1)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED
    assert cluster.history == [], "no user ever saw it"
    assert cluster.target_replicas == 0


def test_all_the_traffic_is_checked_for_an_interval_before_the_promotion(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 100)
    shifted_s, checks = cluster.now_s, cluster.questions.count(Question.CHECKS)
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROMOTING)
    assert cluster.now_s - shifted_s == pytest.approx(10)
    assert (checks, cluster.questions.count(Question.CHECKS)) == (3, 4)


def test_failures_under_all_the_traffic_bring_it_back_to_the_primary(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 100)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")


def test_traffic_stays_on_the_healthy_canary_while_the_primary_does_not_come_up(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = UNREADY
    cluster.run(900)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.PROMOTING, (0, 100), 3)


def test_requests_are_mirrored_for_as_long_as_the_iterations_last() -> None:
    cluster = bootstrapped(MIRRORED | {"mirrorWeight": 25})
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 1)
    cluster.settle()
    assert (cluster.weights, cluster.mirror_percent) == ((100, 0), 25)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 100)
    assert cluster.mirror_percent == 25
    cluster.settle()
    assert (cluster.weights, cluster.mirror_percent) == ((0, 100), 0)
    assert cluster.texts()[-1] == "Stop traffic mirroring and route all traffic to canary"
    cluster.run(60)
    assert (phase(cluster), cluster.weights, cluster.mirror_percent) == (Phase.SUCCEEDED, (100, 0), 0)


def test_all_requests_are_mirrored_unless_said_otherwise() -> None:
    cluster = bootstrapped(MIRRORED)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 2)
    assert cluster.mirror_percent == 100


@pytest.mark.parametrize("end", ["failure", "revision", "promoted again", "target gone", "skipped"])
def test_mirroring_ends_with_the_analysis(end: str) -> None:
    cluster = bootstrapped(MIRRORED)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 1)
    cluster.settle()
    assert cluster.mirror_percent == 100
    match end:
        case "failure":
            cluster.verdicts = always(Verdict.FAIL)
            cluster.run(40)
        case "revision":
            cluster.set_image("rev-3")
            cluster.target_readiness = UNREADY
            cluster.settle()
        case "promoted again":
            cluster.set_image("rev-1")
            cluster.settle()
        case "skipped":
            cluster.canary = bootstrapped(MIRRORED, skipAnalysis=True).canary
            cluster.settle()
        case _:
            cluster.is_target_gone, cluster.blockers = True, (Blocker("TargetNotFound", "no such target"),)
            cluster.settle()
    assert (cluster.weights, cluster.mirror_percent) == ((100, 0), 0)


def test_an_obstacle_holds_the_iterations_and_not_the_checks(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 1)
    cluster.primary_readiness = ROLLING
    cluster.run(60)
    assert (phase(cluster), cluster.state.analysis.iterations) == (Phase.PROGRESSING, 1)
    cluster.primary_readiness = READY
    cluster.blockers = (Blocker("ScalerNotFound", "no such autoscaler"),)
    cluster.run(60)
    assert (phase(cluster), cluster.state.analysis.iterations) == (Phase.PROGRESSING, 1)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED
