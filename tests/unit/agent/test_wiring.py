"""The agent as its command line starts it: its parts speak of the same leadership."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.main import run
from agent.settings import ConfigTracking, Settings
from service.endpoint import serve_health
from service.lifetime import running
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S
from tests.unit.agent.busy_api import busy_api


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
