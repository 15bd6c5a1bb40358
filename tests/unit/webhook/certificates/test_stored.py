"""The leaf that the authority keeps in its Secret, served by a webhook that may only look at it."""

import time as wall
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube.client import Client
from tests.support.eventually import eventually
from tests.unit.webhook.certificates.apiserver import SECRET, FakeCluster, empty_secret, running_cluster
from tests.unit.webhook.certificates.tls import ManualTime, echoing, shown
from webhook.certificates.self_signed import OwnAuthority
from webhook.certificates.stored import StoredCertificate


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


@asynccontextmanager
async def authority_at_work(cluster: FakeCluster, time: ManualTime, folder: Path) -> AsyncIterator[OwnAuthority]:
    async with (
        Client.connect(kubeconfig=cluster.kubeconfig, user_agent="serin/test", sleep=time.sleep) as client,
        OwnAuthority(client, folder, namespace="gloo-system", now_s=time.clock, sleep=time.sleep) as authority,
    ):
        yield authority


@asynccontextmanager
async def follower(cluster: FakeCluster, time: ManualTime, folder: Path) -> AsyncIterator[StoredCertificate]:
    """What a webhook serves that may read the Secret and no more."""
    async with (
        Client.connect(kubeconfig=cluster.kubeconfig, user_agent="serin/test", sleep=time.sleep) as client,
        StoredCertificate(client, folder, namespace="gloo-system", now_s=time.clock, sleep=time.sleep) as served,
    ):
        yield served


async def told(served: StoredCertificate, words: str) -> None:
    """Wait for a problem with these words; without any, until there is none."""

    async def problem() -> str:
        return served.problem()

    await eventually(problem, lambda found: words in found if words else not found)


async def test_what_the_authority_stored_is_served_and_followed(cluster: FakeCluster, tmp_path: Path) -> None:
    time = ManualTime(wall.time())
    async with follower(cluster, time, tmp_path) as served:
        await told(served, "is the authority at work?")
        async with authority_at_work(cluster, time, tmp_path):
            await told(served, "")
            await cluster.when(lambda: cluster.trusted() != "")
            async with echoing(served.context) as port:
                first = await shown(port, cluster.trusted())
                trusted = cluster.trusted()
                cluster.put(SECRET, empty_secret())
                await cluster.notify()
                await cluster.when(lambda: cluster.trusted() not in {"", trusted})
                assert await shown(port, cluster.trusted()) != first


async def test_what_is_no_certificate_is_told_and_nothing_is_written(cluster: FakeCluster, tmp_path: Path) -> None:
    time = ManualTime(wall.time())
    async with follower(cluster, time, tmp_path) as served:
        await told(served, "is the authority at work?")
        cluster.put(SECRET, {"data": {"tls.crt": "Zm9v"}})
        await cluster.notify()
        await told(served, "metadata.labels[app.kubernetes.io/managed-by]")
    assert cluster.writes == []
