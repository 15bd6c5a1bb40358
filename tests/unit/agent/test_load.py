"""Hundreds of canaries to write at once, and an API server that is slow: by the order of its requests, not by speed."""

import asyncio
import math
import operator
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from agent.caches import WATCHED, Caches
from agent.leadership import Deposed, Fence
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from agent.settings import Settings
from agent.shards.leading import lead
from kube.client import Client
from kube.events import EventRecorder
from kube.leadership import Timing
from kube.lease import Tenure
from service.installation import lease_name
from service.lifetime import running
from tests.support.connected import connected
from tests.support.eventually import eventually
from tests.support.patience import AGES_S, PATIENCE_S
from tests.unit.agent.busy_api import BusyApi, busy_api

CANARIES = 300

# Fewer connections than canaries, and than the turns that a patient agent would give.
CONNECTIONS = len(WATCHED) + 4

UNHURRIED = Timing(duration_s=3 * AGES_S, renew_within_s=2 * AGES_S, retry_s=0.01)


@dataclass
class LeadingAgent:
    """An agent that campaigns, without its endpoint."""

    api: BusyApi
    services: AgentServices
    fence: Fence
    lease_client: Client
    namespace: str = ""
    pod_uid: str = ""
    shards: int = 1

    async def lead(self, timing: Timing) -> None:
        settings = Settings(
            metrics_server="http://127.0.0.1:1", namespace=self.namespace, pod_uid=self.pod_uid, shards=self.shards
        )
        await lead(settings, self.lease_client, self.services, self.fence, timing)


@asynccontextmanager
async def agent(
    api: BusyApi, *, connections: int = CONNECTIONS, namespace: str = "", shards: int = 1
) -> AsyncIterator[LeadingAgent]:
    """Return an agent whose caches follow the API server."""
    async with AsyncExitStack() as stack:

        async def connect(max_connections: int) -> Client:
            connecting = Client.connect(
                kubeconfig=api.kubeconfig,
                user_agent="serin/test",
                deadline_s=AGES_S,
                max_connections=max_connections,
            )
            return await stack.enter_async_context(connecting)

        client, fence = await connect(connections), Fence(shards)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        caches = Caches(client, namespace)
        recorder = await stack.enter_async_context(EventRecorder(client, instance="test", drain_s=PATIENCE_S))
        guarded, metrics = client.guarded(fence.check), AgentMetrics("1.2.3")
        services = connected(guarded, caches, session, metrics, recorder=recorder)
        for cache in caches.all():
            _ = await stack.enter_async_context(running(cache.run(), cache.resource.plural))
        services = replace(services, is_leader=fence.is_open)
        yield LeadingAgent(api, services, fence, await connect(2 * shards), namespace, shards=shards)


def until(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Hold requests until the event is set."""

    async def wait() -> None:
        await event.wait()

    return wait


async def test_the_lease_is_renewed_while_hundreds_of_writes_wait_and_each_event_is_written(tmp_path: Path) -> None:
    async with busy_api(tmp_path, CANARIES) as api:
        # Each status is answered only after a renewal that came after it: behind the writes none would ever come.
        api.before_status = api.until_renewed
        async with agent(api) as leading, running(leading.lead(UNHURRIED), "agent"):
            await api.until(lambda: len(api.statuses) == CANARIES)
            await api.until(lambda: len({event["involvedObject"]["name"] for event in api.events}) == CANARIES)
    assert set(api.statuses.values()) == {1}
    assert all(event["message"].endswith("allowed: gloo, or nothing") for event in api.events)
    assert len(api.events) == CANARIES


async def test_so_many_canaries_at_most_are_written_at_once(tmp_path: Path) -> None:
    async with busy_api(tmp_path, CANARIES) as api:
        api.before_status = api.until_renewed
        async with agent(api, connections=200) as leading, running(leading.lead(UNHURRIED), "agent"):
            await api.until(lambda: len(api.statuses) == CANARIES)
    assert 2 <= api.most_writing <= 64


async def test_a_lease_that_nobody_took_is_taken_again_and_the_work_goes_on_from_the_stored_intents(
    tmp_path: Path,
) -> None:
    async with busy_api(tmp_path, 20) as api:
        writes, leases = asyncio.Event(), asyncio.Event()
        leases.set()
        api.before_status, api.before_lease = until(writes), until(leases)
        quick = Timing(duration_s=1.0, renew_within_s=0.5, retry_s=0.05)
        async with agent(api) as leading, running(leading.lead(quick), "agent") as task:
            await api.until(lambda: api.writing > 0)
            leases.clear()
            await eventually(leading.fence.is_open, operator.not_)
            for _ in range(100):
                await asyncio.sleep(0)  # what was sent before that arrives: client and server share the loop
            # What was under way is answered now: nobody goes on from there without the Lease.
            begun = api.writing
            writes.set()
            await eventually(lambda: api.writing, operator.not_)
            assert sum(api.statuses.values()) == begun
            assert not task.done()
            leases.set()
            await api.until(lambda: len(api.statuses) == 20)
    assert list(api.leases) == ["serin-agent"]
    assert api.leases["serin-agent"]["spec"]["leaseTransitions"] == 0


async def test_a_write_of_the_time_before_is_not_let_through_when_the_same_process_leads_again() -> None:
    fence, first, second = Fence(), Tenure(math.inf, time.monotonic), Tenure(math.inf, time.monotonic)
    with fence.opened(lambda: first.is_on):
        fence.check()
        first.end()
        assert second.is_on
        with pytest.raises(Deposed, match="this agent does not hold the Lease"):
            fence.check()
    with fence.opened(lambda: second.is_on):
        fence.check()
    assert not fence.is_open()


def test_a_lease_beside_its_agents_canaries_has_the_plain_name() -> None:
    assert lease_name("", "gloo-system") == "serin-agent"
    assert lease_name("shop", "gloo-system") == "serin-agent-shop"
    assert lease_name("shop", "shop") == "serin-agent", "rights to it can be given before the namespace is known"


async def test_an_agent_of_one_namespace_has_a_lease_of_its_own(tmp_path: Path) -> None:
    async with (
        busy_api(tmp_path, 1) as api,
        agent(api) as everywhere,
        agent(api, namespace="test") as of_test,
        running(everywhere.lead(UNHURRIED), "agent of all"),
        running(of_test.lead(UNHURRIED), "agent of test"),
    ):
        await api.until(lambda: everywhere.fence.is_open() and of_test.fence.is_open())
        assert set(api.leases) == {"serin-agent", "serin-agent-test"}
        holders = {lease["spec"]["holderIdentity"] for lease in api.leases.values()}
        assert len(holders) == 2


async def test_who_is_started_again_in_the_same_pod_leads_at_once_and_nobody_else_does(tmp_path: Path) -> None:
    async with busy_api(tmp_path, 1) as api, agent(api) as killed, agent(api) as successor, agent(api) as other:
        killed.pod_uid = successor.pod_uid = "u-1"
        other.pod_uid = "u-2"
        async with running(killed.lead(UNHURRIED), "killed"):
            await eventually(killed.fence.is_open, bool)
            left = api.leases["serin-agent"]
        api.leases["serin-agent"] = left  # a process that is killed gives nothing back
        async with running(other.lead(UNHURRIED), "other"), running(successor.lead(UNHURRIED), "successor"):
            await eventually(successor.fence.is_open, bool)
            assert not other.fence.is_open()
    assert left["spec"]["holderIdentity"].endswith("_u-1")
