"""The cluster that these tests share, whichever process runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.webhook_patience import be_patient


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """The sandbox that tests share; SERIN_TEST_SANDBOX=STATE_DIR uses one that is up already.

    It ends when the last process that uses it has run the last of these tests: one that nobody asks anything takes
    time of the processor, too. On a machine that may stand still for seconds its API server waits longer for the
    webhook than users' do, so that no test sees an unmarked change.
    """
    shared = Cluster(Path(os.environ.get("SERIN_TEST_SANDBOX") or REPOSITORY / "build" / "test-sandbox"))
    with shared.held():
        be_patient(shared)
        yield shared
