"""The agent as its command line starts it: its parts speak of the same leadership."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.leadership import Deposed
from agent.main import connect_services, run
from agent.resources import CANARIES
from agent.services import AgentServices
from agent.settings import ConfigTracking, Settings
from agent.shards.assignment import shard_of
from kube.client import Client
from service.endpoint import serve_health
from service.lifetime import running
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S
from tests.unit.agent.busy_api import busy_api


async def test_what_an_agent_decided_in_a_shard_that_another_leads_by_now_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = asyncio.Queue[Client]()

    def connect(settings: Settings, client: Client, *args: Any, **kwargs: Any) -> AgentServices:
        clients.put_nowait(client)
        return connect_services(settings, client, *args, **kwargs)

    monkeypatch.setattr("agent.main.connect_services", connect)
    async with busy_api(tmp_path, 8, namespaces=8) as api:
        shards = {name: shard_of(obj["metadata"]["namespace"], 2) for name, obj in api.canaries.items()}
        own, others = ({name for name, shard in shards.items() if shard == which} for which in (0, 1))
        assert own
        spec = {"holderIdentity": "other", "leaseDurationSeconds": 3600}
        metadata = {"name": "serin-agent.shard-1", "namespace": "gloo-system", "resourceVersion": "1"}
        api.leases = {"serin-agent.shard-1": {"metadata": metadata, "spec": spec}}
        settings = Settings(
            metrics_server="http://127.0.0.1:1",
            kubeconfig=api.kubeconfig,
            port=0,
            page_port=None,
            shards=2,
            config_tracking=ConfigTracking.OFF,
        )
        async with running(run(settings), "agent"):
            client = await asyncio.wait_for(clients.get(), PATIENCE_S)
            await api.until(lambda: set(api.statuses) == own)
            for name in others:
                with pytest.raises(Deposed):
                    await client.replace(CANARIES, api.canaries[name], subresource="status")
            for name in own:
                await client.replace(CANARIES, api.canaries[name], subresource="status")
        assert set(api.statuses) == own


async def test_the_agent_that_has_the_lease_says_so_where_the_alerts_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, may_lead = asyncio.Queue[int](), asyncio.Event()

    @asynccontextmanager
    async def serve(*args: Any) -> AsyncIterator[int]:
        async with serve_health(*args) as port:
            ports.put_nowait(port)
            yield port

    async def before_lease() -> None:
        await may_lead.wait()

    monkeypatch.setattr("agent.main.serve_health", serve)
    async with busy_api(tmp_path, 1) as api, aiohttp.ClientSession() as session:
        api.before_lease = before_lease
        settings = Settings(
            metrics_server="http://127.0.0.1:1", kubeconfig=api.kubeconfig, port=0, config_tracking=ConfigTracking.OFF
        )
        async with running(run(settings), "agent"):
            port = await asyncio.wait_for(ports.get(), PATIENCE_S)

            async def shown(*names: str) -> list[str]:
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                return [line for line in lines if line.startswith(names)]

            async def leads() -> list[str]:
                return await shown("serin_agent_leading ", "flagger_canary_total")

            assert await leads() == ["serin_agent_leading 0"]
            may_lead.set()
            await eventually(
                leads, lambda seen: seen == ["serin_agent_leading 1", 'flagger_canary_total{namespace="test"} 1']
            )
            assert await shown('serin_api_requests_total{code="200",verb="list"}')
            assert len(await shown("serin_queue_length{")) == 6
