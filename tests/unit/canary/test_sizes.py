"""Before traffic moves, either way, the side that gets it has the size for it."""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.observation import Question
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import ROLLING, always
from tests.support.simulated_runs import hook, phase
from tests.support.simulated_sizes import SimulatedSizes

REVISION = "aaaaaaaaaaaaaaaa"
STEPS: dict[str, Any] = {"threshold": 2, "stepWeight": None, "maxWeight": None}
GREEN = STEPS | {"iterations": 2}
GROWN = "Scaling up podinfo.test to {} replicas, for it is to carry {} podinfo-primary.test carries"


def scaled(analysis: dict[str, Any], **spec: Any) -> SimulatedCluster:
    """Return an initialized canary whose primary has 20 replicas by an autoscaler of at most 30."""
    cluster = SimulatedCluster(canary(analysis, **spec), sizes=SimulatedSizes(primary=20, primary_limit=30))
    cluster.run(30)
    assert cluster.state.phase is Phase.INITIALIZED
    cluster.told.clear()
    cluster.set_image(REVISION)
    return cluster


def reach(cluster: SimulatedCluster, weight: int) -> None:
    """Let time pass until the canary side gets so many percent, and not a tick longer."""
    cluster.run(300, until=lambda: cluster.weights == (100 - weight, weight))


def test_blue_green_sends_everybody_to_a_side_of_the_primarys_size() -> None:
    cluster = scaled(GREEN)
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    assert (cluster.weights, cluster.target_replicas) == ((0, 100), 20)
    assert GROWN.format(20, "all that") in cluster.texts()


@pytest.mark.parametrize("weights", [[50], [10, 50], [100]])
def test_a_weight_has_its_share_of_the_primarys_size(weights: list[int]) -> None:
    cluster = scaled(STEPS | {"stepWeights": weights})
    for weight in weights:
        reach(cluster, weight)
        assert (cluster.weights, cluster.target_replicas) == ((100 - weight, weight), max(2, 20 * weight // 100))


def test_small_steps_scale_nothing() -> None:
    cluster = scaled(STEPS | {"stepWeights": [5, 10]})
    cluster.run(300, until=lambda: phase(cluster) is Phase.PROMOTING)
    assert cluster.target_replicas == 2
    assert not [text for text in cluster.texts() if "replicas" in text]


def test_the_autoscalers_maximum_is_enough() -> None:
    cluster = scaled(STEPS | {"stepWeights": [50, 100]})
    cluster.sizes.target_limit = 8
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    assert (cluster.weights, cluster.target_replicas) == ((0, 100), 8)


def test_no_step_comes_before_its_pods_are_up_and_the_checks_go_on() -> None:
    cluster = scaled(STEPS | {"stepWeights": [10, 50]})
    cluster.run(300, until=lambda: cluster.target_replicas == 10)
    cluster.target_readiness = ROLLING
    asked = cluster.questions.count(Question.CHECKS)
    cluster.run(120)
    assert cluster.weights == (90, 10)
    assert cluster.questions.count(Question.CHECKS) > asked + 5


def test_where_there_is_no_room_the_step_is_taken_after_the_deadline() -> None:
    cluster = scaled(STEPS | {"stepWeights": [50]}, progressDeadlineSeconds=120)
    cluster.run(300, until=lambda: cluster.target_replicas == 10)
    cluster.target_readiness = ROLLING
    cluster.run(60)
    assert cluster.weights == (100, 0)
    cluster.run(120, until=lambda: cluster.weights == (50, 50))
    assert cluster.weights == (50, 50)


def test_the_first_step_grows_after_the_hooks_before_it() -> None:
    cluster = scaled(STEPS | {"stepWeights": [100], "webhooks": [hook("pre-rollout"), hook("confirm-promotion")]})
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(8)
    assert cluster.target_replicas == 2
    cluster.verdicts = always(Verdict.PASS)
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    assert cluster.target_replicas == 20


def test_a_rollback_gate_does_not_keep_a_first_step_from_growing() -> None:
    cluster = scaled(STEPS | {"stepWeights": [100], "webhooks": [hook("rollback")]})
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    assert (cluster.weights, cluster.target_replicas) == ((0, 100), 20)


def test_a_primary_without_traffic_keeps_the_size_for_a_rollback() -> None:
    cluster = scaled(GREEN)
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    cluster.sizes.shrink()
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(40, until=lambda: cluster.weights == (100, 0))
    assert (cluster.weights, cluster.sizes.primary) == ((100, 0), 20)


def test_the_primarys_autoscaler_has_its_own_bounds_again_when_it_knows_the_load() -> None:
    cluster = scaled(GREEN)
    cluster.run(300, until=lambda: phase(cluster) is Phase.SUCCEEDED)
    cluster.run(250)
    assert cluster.sizes.floor == 20
    cluster.run(100)
    assert (cluster.sizes.floor, cluster.status["serin"].get("primaryFloor")) == (0, None)


def test_the_traffic_comes_back_to_a_primary_of_the_size_that_carries_it_now() -> None:
    cluster = scaled(GREEN)
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    cluster.target_replicas = 26
    cluster.run(300, until=lambda: cluster.weights == (100, 0))
    assert cluster.sizes.primary == 26
    told = "Scaling up podinfo-primary.test from 20 to 26 replicas before the traffic comes back to it"
    assert cluster.texts().count(told) == 1


@pytest.mark.parametrize("has_pods", [True, False], ids=["pending", "never scaled"])
def test_a_primary_that_can_not_grow_gets_its_traffic_after_the_deadline(*, has_pods: bool) -> None:
    cluster = scaled(GREEN, progressDeadlineSeconds=60)
    cluster.run(300, until=lambda: cluster.weights == (0, 100))
    cluster.target_replicas, cluster.sizes.has_room = 26, has_pods
    cluster.run(60, until=lambda: cluster.state.promotion.growth_started_at_s is not None)
    if has_pods:
        cluster.primary_readiness = ROLLING
    cluster.run(50)
    assert cluster.weights == (0, 100)
    cluster.run(60, until=lambda: cluster.weights == (100, 0))
    assert cluster.weights == (100, 0)


def test_a_primary_that_nobody_scales_for_us_is_asked_for_no_size() -> None:
    cluster = scaled(GREEN)
    cluster.sizes.primary_limit = None
    cluster.run(300, until=lambda: phase(cluster) is Phase.SUCCEEDED)
    assert (phase(cluster), cluster.state.primary_floor) == (Phase.SUCCEEDED, 0)


def test_a_target_that_somebody_keeps_up_between_runs_is_told() -> None:
    cluster = scaled(GREEN)
    cluster.run(300, until=lambda: phase(cluster) is Phase.SUCCEEDED)
    assert cluster.tick().remarks == ()
    cluster.target_replicas = 2
    (remark,) = cluster.tick().remarks
    assert remark.text.startswith("podinfo.test has 2 replicas between runs, set by somebody else")
    assert cluster.target_replicas == 2
