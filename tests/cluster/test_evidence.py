"""Judging by evidence on the cluster: what users are answered decides, by the raw counters of the real gateway."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.cluster import Cluster
from tests.support.load import GATEWAY, initialize
from tests.support.mortal_agent import background
from tests.support.rollout import Rollouts

ASKED_EACH_S = 200


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@contextmanager
def users(rollouts: Rollouts, *, failing_each_s: int) -> Iterator[None]:
    """Ask 200 times a second for what is answered with 200, and so often for what is answered with 500."""
    host = f"{rollouts.namespace}.example.com"
    with ExitStack() as stack:
        for each_s, workers, path in ((ASKED_EACH_S // 4, 4, ""), (failing_each_s, 1, "status/500")):
            rate = ("-q", str(each_s), "-c", str(workers))
            stack.enter_context(
                background(rollouts.cluster, "hey", "-z", "10m", *rate, "-host", host, f"{GATEWAY}{path}")
            )
        try:
            yield
        finally:
            rollouts.cluster.run("pkill", "-INT", "-f", host)


def test_a_release_that_fails_half_a_percent_is_promoted_and_one_that_fails_five_is_rolled_back(
    rollouts: Rollouts,
) -> None:
    metric = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "10s", "evidence": {}}
    initialize(rollouts, {"metrics": [metric], "threshold": 1})
    with users(rollouts, failing_each_s=1):
        rollouts.set_image("app", "6.0.1")
        rollouts.wait_for_phase("app", "Succeeded")
    assert rollouts.is_told("app", "request-success-rate: canary fails", "well at 20")
    assert rollouts.status("app")["failedChecks"] == 0
    with users(rollouts, failing_each_s=10):
        rollouts.set_image("app", "6.0.2")
        rollouts.wait_for_phase("app", "Failed")
    rollouts.wait_until_told("app", "Rolling back app.", "evidence against request-success-rate", kind="Warning")
    assert rollouts.is_told("app", "request-success-rate: canary fails", "rolled back at 100", kind="Warning")
    assert rollouts.status("app")["failedChecks"] == 0, "no failed check was needed"
