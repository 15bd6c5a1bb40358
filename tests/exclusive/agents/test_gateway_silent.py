"""Gloo acknowledges nothing any more: the run goes on, and somebody is told."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster import Cluster
from tests.support.load import virtual_service
from tests.support.rollout import Rollouts, canary, podinfo


@contextmanager
def gloo_stopped(cluster: Cluster) -> Iterator[None]:
    """Stop the stand-in for Gloo: what it served last is served on, as by a real Envoy whose control plane died."""
    switch = ("-n", "gloo-system", "configmap", "sandbox-gloo")
    cluster.kubectl("create", *switch, "--from-literal=delays=stopped")
    try:
        yield
    finally:
        cluster.kubectl("delete", *switch)


def missing(rollouts: Rollouts) -> list[str]:
    """Find the events that tell of a missing acknowledgement, by their type."""
    return [kind for kind, text in rollouts.events("app") if "is not acknowledged by Gloo after 5 s" in text]


def test_a_write_that_is_not_acknowledged_is_told_and_the_run_goes_on(cluster: Cluster, namespace: str) -> None:
    rollouts = Rollouts(cluster, namespace)
    rollouts.apply(podinfo("app"), virtual_service(namespace), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    assert missing(rollouts) == []
    with gloo_stopped(cluster):
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)
    assert missing(rollouts) == ["Warning"]
