"""Which rollouts leave a workload an available pod, and which may not."""

from typing import Any

import pytest

from render.rollout import is_rolling, keeps_a_pod, keeps_a_pod_when_promoted
from tests.support.podinfo import podinfo_canary, podinfo_daemonset, podinfo_deployment

RECREATE = {"type": "Recreate"}


def rolling(**fields: Any) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": fields}


def deployment(strategy: dict[str, Any], replicas: int = 2) -> dict[str, Any]:
    made = podinfo_deployment()
    return made | {"spec": made["spec"] | {"strategy": strategy, "replicas": replicas}}


def daemonset(strategy: dict[str, Any] | None, nodes: int = 1, **status: int) -> dict[str, Any]:
    made = podinfo_daemonset()
    spec = {key: value for key, value in made["spec"].items() if key != "updateStrategy"}
    return made | {
        "spec": spec | ({} if strategy is None else {"updateStrategy": strategy}),
        "status": {"desiredNumberScheduled": nodes} | status,
    }


@pytest.mark.parametrize(
    ("strategy", "replicas", "is_kept"),
    [
        (RECREATE, 5, False),
        ({}, 1, True),
        (rolling(maxSurge="25%", maxUnavailable="25%"), 1, True),
        (rolling(maxSurge=1, maxUnavailable=0), 1, True),
        # Neither can be had, so the controller takes one pod away.
        (rolling(maxSurge=0, maxUnavailable="25%"), 1, False),
        (rolling(maxSurge=0, maxUnavailable="25%"), 3, True),
        (rolling(maxSurge=0, maxUnavailable=1), 1, False),
        (rolling(maxSurge=0, maxUnavailable=1), 2, True),
        (rolling(maxUnavailable=1), 1, False),
        (rolling(maxSurge=3, maxUnavailable=2), 2, False),
        (rolling(maxSurge=0, maxUnavailable="100%"), 4, False),
        (rolling(maxSurge=0, maxUnavailable="99%"), 4, True),
        (rolling(maxSurge="1%", maxUnavailable="50%"), 1, True),
        (rolling(maxSurge="0%", maxUnavailable="0%"), 1, False),
    ],
)
def test_a_deployment_keeps_a_pod_unless_its_strategy_may_take_them_all(
    strategy: dict[str, Any], replicas: int, *, is_kept: bool
) -> None:
    assert keeps_a_pod(deployment(strategy), replicas) is is_kept


@pytest.mark.parametrize(
    ("strategy", "nodes", "is_kept"),
    [
        (None, 1, False),
        ({"type": "RollingUpdate"}, 1, False),
        (None, 2, True),
        (rolling(maxSurge=1, maxUnavailable=0), 1, True),
        (rolling(maxSurge="10%", maxUnavailable=0), 1, True),
        (rolling(maxSurge=0, maxUnavailable=2), 2, False),
        (rolling(maxSurge=0, maxUnavailable="51%"), 2, False),
        (rolling(maxSurge=0, maxUnavailable="50%"), 2, True),
        (rolling(maxSurge=0, maxUnavailable="1%"), 1, False),
    ],
)
def test_a_daemonset_keeps_a_pod_with_surge_or_on_enough_nodes(
    strategy: dict[str, Any] | None, nodes: int, *, is_kept: bool
) -> None:
    assert keeps_a_pod(daemonset(strategy), nodes) is is_kept


def test_a_promoted_deployment_has_the_strategy_and_the_number_of_its_target() -> None:
    canary = podinfo_canary(autoscalerRef=None)
    one_may_go = rolling(maxSurge=0, maxUnavailable=1)
    assert keeps_a_pod_when_promoted(canary, deployment(RECREATE), deployment({}))
    assert not keeps_a_pod_when_promoted(canary, deployment({}), deployment(RECREATE))
    assert not keeps_a_pod_when_promoted(canary, deployment({}, 3), deployment(one_may_go, 1))
    assert keeps_a_pod_when_promoted(canary, deployment({}, 3), deployment(one_may_go, 0)), "the primary keeps its own"


def test_a_primary_that_an_autoscaler_sizes_keeps_its_number() -> None:
    one_may_go = rolling(maxSurge=0, maxUnavailable=1)
    assert keeps_a_pod_when_promoted(podinfo_canary(), deployment({}, 3), deployment(one_may_go, 1))
    assert not keeps_a_pod_when_promoted(podinfo_canary(), deployment({}, 1), deployment(one_may_go, 3))


def test_a_promoted_daemonset_is_on_no_more_nodes_than_either_side() -> None:
    canary = podinfo_canary()
    assert keeps_a_pod_when_promoted(canary, daemonset(None, 2), daemonset(None, 2))
    assert not keeps_a_pod_when_promoted(canary, daemonset(None, 2), daemonset(None, 1))
    assert not keeps_a_pod_when_promoted(canary, daemonset(None, 1), daemonset(None, 2))


@pytest.mark.parametrize(
    ("status", "is_under_way"),
    [
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2}, False),
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 1}, True),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}, True),
        ({}, True),
    ],
)
def test_a_deployment_rolls_until_no_older_pod_is_left(status: dict[str, int], *, is_under_way: bool) -> None:
    assert is_rolling(deployment({}) | {"status": status}) is is_under_way


@pytest.mark.parametrize(("updated", "is_under_way"), [(0, True), (1, True), (2, False)])
def test_a_daemonset_rolls_until_every_node_has_the_newest_pod(updated: int, *, is_under_way: bool) -> None:
    assert is_rolling(daemonset(None, 2, observedGeneration=3, updatedNumberScheduled=updated)) is is_under_way
