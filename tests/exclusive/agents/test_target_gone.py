"""A target is deleted in mid-run, under load: the traffic goes back at once, and the target's return starts a run."""

import asyncio
import time

import pytest

from agent.resources import ROUTE_TABLES
from kube.client import Client
from tests.support.cluster import Cluster
from tests.support.load import answer, lost_requests, serving_tag, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo

PULLED_WITHIN_S = 2.0

# Twenty-five requests a second go to pods that end, for as long as the pull and Gloo (0.4 s to a served route) take.
LOST_AT_MOST = 60

_LOOK_EVERY_S = 0.02


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


async def until_weights(rollouts: Rollouts, primary: int, canary: int, deadline_s: float = 60.0) -> None:
    """Look at the route without kubectl, whose start takes longer than what is measured here."""
    async with (
        asyncio.timeout(deadline_s),
        Client.connect(kubeconfig=rollouts.cluster.kubeconfig, user_agent="tests/1") as client,
    ):
        while True:
            (route,) = (await client.get(ROUTE_TABLES, "app", rollouts.namespace))["spec"]["routes"]
            found = [destination.get("weight", 0) for destination in route["routeAction"]["multi"]["destinations"]]
            if found == [primary, canary]:
                return
            await asyncio.sleep(_LOOK_EVERY_S)


async def test_the_traffic_goes_back_at_once_and_the_targets_return_starts_a_run(rollouts: Rollouts) -> None:
    steps = {"stepWeight": 50, "interval": "5s"}
    kubectl, namespace = rollouts.cluster.kubectl, rollouts.namespace
    rollouts.apply(podinfo("app", replicas=2), virtual_service(namespace), canary("app", steps))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, namespace)))
    with steady_load(rollouts.cluster, namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        await until_weights(rollouts, 50, 50)
        kubectl("-n", namespace, "delete", "deployment", "app", "--wait=false")
        deleted_s = time.monotonic()
        await until_weights(rollouts, 100, 0)
        assert time.monotonic() - deleted_s < PULLED_WITHIN_S
        rollouts.wait_for("it is blocked", lambda: rollouts.condition("app", "Ready").get("reason") == "TargetNotFound")
        told = ("Warning", f"app.{namespace} is gone. Routing all traffic to primary")
        rollouts.wait_for("it is told", lambda: told in rollouts.events("app"))
        rollouts.apply(podinfo("app", replicas=2, tag="3.1.2"))
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        assert serving_tag(rollouts.cluster, namespace) == "3.1.2"
    assert lost_requests(reports[0]) <= LOST_AT_MOST, reports[0]
