"""Fixtures of all tests: one sandbox cluster for each process that runs tests, and a fresh namespace for each test."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.api import new_namespace
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.webhook_patience import patience

# How long an example takes says nothing on a busy machine: speed is measured by `make bench`.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def cluster(worker_id: str) -> Iterator[Cluster]:
    """A sandbox with Serin on it; SERIN_TEST_SANDBOX=STATE_DIR uses one that is up already, and leaves it up.

    Tests that run side by side share none: some stop the agent or the webhook, or hold Flagger's Lease.
    """
    if existing := os.environ.get("SERIN_TEST_SANDBOX"):
        yield Cluster(Path(existing))
        return
    ours = Cluster(REPOSITORY / "build" / f"test-sandbox-{worker_id}")
    ours.up()
    try:
        yield ours
    finally:
        ours.down()


@pytest.fixture(scope="module")
def patient_webhook(cluster: Cluster) -> Iterator[None]:
    """For files whose tests look at marks, warnings and refusals, on a machine that may stand still for seconds."""
    with patience(cluster):
        yield


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace of this test's own; its deletion goes on behind the next tests."""
    name = f"test-{secrets.token_hex(4)}"
    with new_namespace(cluster.kubeconfig, name):
        yield name
