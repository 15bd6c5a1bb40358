"""A cluster for each folder of these tests, which stop what all others need, or change what all others see.

Those of a folder run one after the other: `agents/` stops agents and holds the Lease of Flagger's leader, `webhook/`
restarts the webhook, changes its certificates, and stops the gateway's control plane, and `helm/` installs Serin and
removes it.
"""

from collections.abc import Iterator

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.webhook_patience import patience


@pytest.fixture(scope="package")
def cluster(worker_id: str) -> Iterator[Cluster]:
    """A sandbox with Serin on it, of this process alone, until it has run the last of these tests."""
    own = Cluster(REPOSITORY / "build" / f"test-sandbox-{worker_id}")
    with own.held():
        yield own


@pytest.fixture(scope="module")
def patient_webhook(cluster: Cluster) -> Iterator[None]:
    """For files whose tests look at marks, warnings and refusals, on a machine that may stand still for seconds."""
    with patience(cluster):
        yield
