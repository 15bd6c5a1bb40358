"""A/B runs: the matched requests go to the canary at once, and each interval that passes counts an iteration.

With weights in place of iterations, the matched requests go there in steps.
"""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.observation import Question
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

AB: dict[str, Any] = {
    "stepWeight": None,
    "maxWeight": None,
    "threshold": 3,
    "iterations": 4,
    "match": [{"headers": {"x-canary": {"exact": "insider"}}}],
}


@pytest.fixture
def cluster() -> SimulatedCluster:
    return bootstrapped(AB)


def test_a_run_tells_its_iterations_as_flagger_does(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300)
    assert cluster.texts() == [
        "New revision detected! Scaling up podinfo.test",
        "Starting canary analysis for podinfo.test",
        "Pre-rollout check acceptance-test passed",
        *[f"Advance podinfo.test canary iteration {number}/4" for number in range(1, 5)],
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down podinfo.test",
    ]
    assert cluster.history == [(0, 100), (100, 0)]
    assert cluster.primary_revision == "rev-2"
    assert (cluster.target_replicas, cluster.state.analysis.iterations) == (0, 0)


def test_each_iteration_takes_an_interval_and_a_check(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 1)
    started_s = cluster.now_s
    assert Question.CHECKS not in cluster.questions
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    assert cluster.now_s - started_s == pytest.approx(4 * 10)
    assert cluster.questions.count(Question.CHECKS) == 4


def test_nothing_is_matched_before_the_canary_side_is_up(cluster: SimulatedCluster) -> None:
    cluster.target_readiness = UNREADY
    cluster.set_image("rev-2")
    cluster.run(60)
    assert cluster.history == []
    cluster.target_readiness = READY
    cluster.run(5)
    assert cluster.history == [(0, 100)]


def test_failed_checks_roll_back(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 2)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(100)
    assert phase(cluster) is Phase.FAILED
    assert cluster.weights == (100, 0)
    assert cluster.primary_revision == "rev-1"
    assert cluster.target_replicas == 0


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.ERROR])
def test_no_decisive_sample_counts_no_iteration(cluster: SimulatedCluster, verdict: Verdict) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 2)
    cluster.verdicts = always(verdict)
    cluster.run(100)
    assert (phase(cluster), cluster.state.analysis.iterations, cluster.weights) == (Phase.PROGRESSING, 2, (0, 100))
    cluster.run(600)
    assert phase(cluster) is Phase.FAILED


def test_matched_requests_stay_on_the_canary_until_the_primary_is_up(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = UNREADY
    cluster.run(900)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (0, 100))
    assert cluster.target_replicas == 2
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.SUCCEEDED, (100, 0))


@pytest.mark.parametrize("at", [Phase.PROGRESSING, Phase.PROMOTING])
def test_a_newer_revision_takes_the_matched_requests_off_the_canary(cluster: SimulatedCluster, at: Phase) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is at and cluster.weights == (0, 100))
    if at is Phase.PROMOTING:
        cluster.primary_readiness = ROLLING
    cluster.settle()
    cluster.set_image("rev-3")
    cluster.settle()
    assert (100, 0) in cluster.history
    cluster.primary_readiness = READY
    cluster.run(600)
    assert cluster.primary_revision == "rev-3"
    assert cluster.promoted == (["rev-3"] if at is Phase.PROGRESSING else ["rev-2", "rev-3"])


def test_fewer_iterations_in_mid_run_end_it_and_more_of_them_go_on(cluster: SimulatedCluster) -> None:
    longer, shorter = bootstrapped(AB | {"iterations": 6}).canary, bootstrapped(AB | {"iterations": 1}).canary
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 4)
    cluster.canary = longer
    cluster.run(300, until=lambda: cluster.state.analysis.iterations == 5)
    assert cluster.texts()[-1] == "Advance podinfo.test canary iteration 4/4"
    cluster.settle()
    assert cluster.texts()[-1] == "Advance podinfo.test canary iteration 5/6"
    cluster.canary = shorter
    cluster.run(11)
    assert phase(cluster) in {Phase.PROMOTING, Phase.FINALISING, Phase.SUCCEEDED}


def test_weights_beside_iterations_do_not_count() -> None:
    cluster = bootstrapped(AB | {"stepWeight": 25, "maxWeight": 50, "stepWeights": [10, 20]})
    cluster.set_image("rev-2")
    cluster.run(300)
    assert (phase(cluster), cluster.history) == (Phase.SUCCEEDED, [(0, 100), (100, 0)])


def test_without_iterations_the_weight_grows_among_the_requests_that_match() -> None:
    cluster = bootstrapped(AB | {"iterations": None, "stepWeight": 25, "maxWeight": 50, "mirror": True})
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    assert cluster.history == [(75, 25), (50, 50)]
    assert not cluster.includes_unmatched
    assert "Advance podinfo.test canary weight 50" in cluster.texts()
    assert cluster.state.strategy == "canary-by-match"
    cluster.run(300)
    assert (phase(cluster), cluster.history[-1]) == (Phase.SUCCEEDED, (100, 0))


def test_a_match_that_is_removed_in_mid_run_gives_the_weight_to_nobody_else() -> None:
    cluster = bootstrapped(AB | {"iterations": None, "stepWeight": 25, "maxWeight": 50})
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.weights == (75, 25))
    cluster.history.clear()
    cluster.canary = canary({"stepWeight": 5, "maxWeight": 50})
    cluster.run(40)
    assert cluster.history[0] == (100, 0)
    assert "Strategy changed from canary-by-match to canary! Restarting analysis for podinfo.test" in cluster.texts()
