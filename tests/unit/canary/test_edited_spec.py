"""The spec is edited in mid-run: what the state means stays true, or the analysis begins again."""

from typing import Any

import pytest

from canary.api.canary import Canary
from canary.run.judge import Verdict
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY
from tests.support.simulated_runs import bootstrapped, hook, phase

WEIGHTS: dict[str, Any] = {"stepWeight": 20, "maxWeight": 60, "threshold": 2}
BLUE_GREEN: dict[str, Any] = {"stepWeight": None, "maxWeight": None, "threshold": 2, "iterations": 3}
AB = BLUE_GREEN | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
STRATEGIES = {"canary": WEIGHTS, "blue-green": BLUE_GREEN, "ab-testing": AB}
ALL_PAIRS = [(before, after) for before in STRATEGIES for after in STRATEGIES if before != after]


def edited(name: str, **more: Any) -> Canary:
    return canary(STRATEGIES[name] | more)


def under_way(name: str, **more: Any) -> SimulatedCluster:
    """Bring a run to where its second step was taken."""
    cluster = bootstrapped(STRATEGIES[name] | more)
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 40 or cluster.state.analysis.iterations == 2)
    cluster.settle()
    return cluster


@pytest.mark.parametrize(("before", "after"), ALL_PAIRS)
def test_another_strategy_starts_the_analysis_again_without_traffic(before: str, after: str) -> None:
    cluster = under_way(before)
    cluster.history.clear()
    cluster.canary = edited(after)
    cluster.target_readiness = UNREADY
    cluster.settle()
    assert cluster.weights == (100, 0)
    assert set(cluster.history) <= {(100, 0)}, "no weight is carried over into what it does not mean"
    assert f"Strategy changed from {before} to {after}! Restarting analysis for podinfo.test" in cluster.texts()
    cluster.target_readiness = READY
    cluster.run(300)
    assert (phase(cluster), cluster.promoted) == (Phase.SUCCEEDED, ["rev-2"])
    expected = {"canary": [20, 40, 60, 0], "blue-green": [100, 0], "ab-testing": [100, 0]}[after]
    weights = [canary_weight for _, canary_weight in cluster.history]
    assert weights[-len(expected) :] == expected


def test_another_strategy_asks_nobody_again_who_spoke_of_the_revision() -> None:
    gates = [hook("confirm-rollout"), hook("pre-rollout"), hook("confirm-traffic-increase")]
    cluster = under_way("canary", webhooks=gates)
    asked = list(cluster.asked)
    cluster.canary = edited("blue-green", webhooks=gates)
    cluster.run(30)
    cluster.canary = edited("canary", webhooks=gates)
    cluster.run(5)
    assert cluster.asked[len(asked) :] == ["confirm-traffic-increase/confirm-traffic-increase@0"]


@pytest.mark.parametrize("is_suspended", [True, False])
def test_a_weight_of_another_strategy_is_pulled_even_where_the_canary_stands_still(*, is_suspended: bool) -> None:
    cluster = under_way("ab-testing")
    assert cluster.weights == (0, 100)
    cluster.canary = canary(WEIGHTS, suspend=is_suspended)
    cluster.settle()
    assert (100, 0) in cluster.history
    assert (0, 100) not in cluster.history[1:]


def test_another_strategy_during_the_promotion_ends_it_on_the_primary_that_serves() -> None:
    cluster = under_way("ab-testing")
    cluster.run(100, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = UNREADY
    cluster.canary = edited("canary")
    cluster.run(60)
    assert cluster.weights == (0, 100), "the canary is the only healthy copy"
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.SUCCEEDED, (100, 0), "rev-2")


def test_a_weight_above_an_edited_maximum_ends_the_analysis_as_in_flagger() -> None:
    cluster = under_way("canary")
    cluster.canary = edited("canary", maxWeight=30)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
    assert max(canary_weight for _, canary_weight in cluster.history) == 40


def test_edited_steps_go_on_from_the_present_weight() -> None:
    cluster = under_way("canary")
    cluster.canary = edited("canary", stepWeight=None, maxWeight=None, stepWeights=[10, 45, 90])
    cluster.run(100)
    assert [canary_weight for _, canary_weight in cluster.history] == [20, 40, 45, 90, 0]


def test_a_raised_maximum_takes_a_run_back_from_waiting_for_its_promotion() -> None:
    gates = [hook("confirm-promotion")]
    cluster = under_way("canary", webhooks=gates)
    cluster.gates = {"confirm-promotion": Verdict.FAIL}
    cluster.run(100, until=lambda: cluster.state.phase is Phase.WAITING_PROMOTION)
    cluster.canary = edited("canary", webhooks=gates, maxWeight=80)
    cluster.run(15)
    assert (phase(cluster), cluster.state.traffic.canary_percent, cluster.state.hooks.waiting_for) == (
        Phase.PROGRESSING,
        80,
        (),
    )


def test_iterations_raised_under_all_the_traffic_give_none_of_it_back() -> None:
    cluster = under_way("blue-green")
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 100)
    cluster.canary = edited("blue-green", iterations=9)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.history == [(0, 100), (100, 0)]


def test_skipping_the_analysis_in_mid_run_promotes_at_once() -> None:
    for name, analysis in STRATEGIES.items():
        cluster = under_way(name)
        cluster.canary = canary(analysis, skipAnalysis=True)
        cluster.run(5)
        assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "rev-2")


def test_a_target_that_is_gone_and_back_is_analysed_from_the_beginning() -> None:
    for name in STRATEGIES:
        cluster = under_way(name)
        cluster.is_target_gone, cluster.blockers = True, (Blocker("TargetNotFound", "no such target"),)
        cluster.settle()
        assert (cluster.weights, cluster.state.analysis.iterations) == ((100, 0), 0)
        cluster.is_target_gone, cluster.blockers = False, ()
        cluster.run(300)
        assert (phase(cluster), cluster.promoted) == (Phase.SUCCEEDED, ["rev-2"])


@pytest.mark.parametrize("is_promoting", [False, True])
def test_a_target_that_is_gone_loses_its_traffic_and_both_are_told(*, is_promoting: bool) -> None:
    cluster = under_way("canary")
    if is_promoting:
        cluster.primary_readiness = ROLLING
        cluster.run(900, until=lambda: cluster.state.phase is Phase.PROMOTING)
    weights = cluster.weights
    assert weights != (100, 0)
    cluster.is_target_gone, cluster.blockers = True, (Blocker("TargetNotFound", "no such target"),)
    cluster.settle()
    assert cluster.weights == (100, 0)
    assert "podinfo.test is gone. Routing all traffic to primary" in cluster.texts()
    assert cluster.status["conditions"][-1]["reason"] == "TargetNotFound"
