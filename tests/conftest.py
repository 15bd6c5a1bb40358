"""Fixtures of all tests: one sandbox cluster for the session, and a fresh namespace in it for each test."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY, Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A sandbox with Serin on it; SERIN_TEST_SANDBOX=STATE_DIR uses one that is up already, and leaves it up."""
    if existing := os.environ.get("SERIN_TEST_SANDBOX"):
        yield Cluster(Path(existing))
        return
    ours = Cluster(REPOSITORY / "build" / "test-sandbox")
    ours.up()
    try:
        yield ours
    finally:
        ours.down()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace of this test's own; its deletion goes on behind the next tests."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
