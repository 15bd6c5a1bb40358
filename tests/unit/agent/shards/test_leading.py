"""Agents of several shards: each writes in its own namespaces alone, and goes on where another one left off."""

import asyncio
import math
import socket
from pathlib import Path
from typing import Any

import pytest

from agent.leadership import Deposed, Fence
from agent.resources import CANARIES
from agent.series.agent_metrics import AgentMetrics
from agent.shards.assignment import shard_of
from agent.shards.leading import _Leader
from agent.shards.leases import Term
from agent.supervisor import Supervisor
from kube.errors import Unavailable
from kube.leadership import Timing
from kube.lease import Tenure
from service.lifetime import running
from tests.support.eventually import eventually
from tests.support.patience import AGES_S
from tests.unit.agent.busy_api import busy_api
from tests.unit.agent.test_load import agent
from tests.unit.agent.test_loop import deposed_services

UNHURRIED = Timing(duration_s=3 * AGES_S, renew_within_s=2 * AGES_S, retry_s=0.1, look_s=0.1)


def test_the_fence_of_a_shard_lets_its_own_namespaces_be_written_and_no_others() -> None:
    assert (shard_of("shop", 2), shard_of("default", 2)) == (0, 1)
    fence = Fence(2)
    with fence.opened(lambda: True, 1):
        fence.check("default")
        fence.check()
        with pytest.raises(Deposed):
            fence.check("shop")
        with fence.opened(lambda: True, 0):
            fence.check("shop")
            assert fence.led() == [0, 1]
    with pytest.raises(Deposed):
        fence.check("default")
    with pytest.raises(Deposed):
        fence.check()


def held_by(uid: str, name: str) -> dict[str, Any]:
    """Return the Lease that a process of a pod had when it was killed."""
    spec = {"holderIdentity": f"{socket.gethostname()}_{uid}", "leaseDurationSeconds": 60}
    return {"metadata": {"name": name, "namespace": "gloo-system", "resourceVersion": "1"}, "spec": spec}


async def test_a_leader_begins_when_its_caches_are_current_again_and_not_from_what_they_showed_before_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def supervise(_: Supervisor) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Supervisor, "run", supervise)
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        for cache in services.caches.all():
            cache._store_list({}, "1")
        services.caches.of(CANARIES)._handle_failure(Unavailable("the API server is down"))
        term = Term(Tenure(math.inf, lambda: 0.0), None, asyncio.Event())
        leader = _Leader(services, Fence(), 1)
        async with running(leader._serve(0, term), "leader"):
            for _ in range(100):
                await asyncio.sleep(0)
            assert not begun.is_set()
            services.caches.of(CANARIES)._store_list({}, "2")
            await asyncio.wait_for(begun.wait(), AGES_S)


async def test_agents_share_the_canaries_by_namespace_and_one_takes_over_those_of_another_that_ends(
    tmp_path: Path,
) -> None:
    async with busy_api(tmp_path, 20, namespaces=8) as api, agent(api, shards=2) as one, agent(api, shards=2) as other:
        one.pod_uid, other.pod_uid = "u-1", "u-2"
        api.leases = {
            "serin-agent.shard-0": held_by("u-1", "serin-agent.shard-0"),
            "serin-agent.shard-1": held_by("u-2", "serin-agent.shard-1"),
        }
        async with running(other.lead(UNHURRIED), "other"):
            async with running(one.lead(UNHURRIED), "one"):
                await api.until(lambda: len(api.statuses) == 20)
                assert (one.fence.led(), other.fence.led()) == ([0], [1])
                assert set(api.statuses.values()) == {1}, "one agent has written each"
            assert api.leases["serin-agent.shard-0"]["spec"]["holderIdentity"] in {"", f"{socket.gethostname()}_u-2"}
            await eventually(other.fence.led, [0, 1].__eq__)
        holders = {name: lease["spec"]["holderIdentity"] for name, lease in api.leases.items()}
        # Both are gone, in order: whoever comes next need not wait. What they held together runs out.
        assert (holders["serin-agent.shard-0"], holders["serin-agent.shard-1"], holders["serin-agent"]) == (
            "",
            "",
            "2 leaders",
        )
