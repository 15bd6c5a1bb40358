"""The loop of one canary, at its edges: a tick that fails is not tried again at once, whoever wakes the loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from agent.caches import Caches
from agent.loop import CanaryLoop
from agent.main import _world
from agent.metrics import AgentMetrics
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Destinations
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.hooks import Hooks
from agent.reporting.event_hooks import EventHooks
from agent.resources import CANARIES
from agent.services import AgentServices
from agent.settings import Settings
from kube.client import Client
from kube.events import EventRecorder
from kube.store import Key
from tests.support.canaries import canary_object
from tests.support.exposition import exposed
from tests.unit.kube.apiserver import write_kubeconfig


@asynccontextmanager
async def deposed_world(folder: Path, metrics: AgentMetrics) -> AsyncIterator[AgentServices]:
    """A world in which every write is refused before it is sent: another agent leads."""
    kubeconfig = write_kubeconfig(folder / "kubeconfig", "http://127.0.0.1:1")
    async with (
        Client.connect(kubeconfig=kubeconfig, user_agent="serin/test") as client,
        aiohttp.ClientSession() as session,
    ):
        caches, recorder, hooks = Caches(client, ""), EventRecorder(client, instance="test"), Hooks(session=session)
        directory, delivery = Destinations(client, caches, None), Delivery(session=session)
        made = _world(
            Settings(metrics_server="http://127.0.0.1:1"),
            client,
            caches,
            queries=session,
            hooks=hooks,
            recorder=recorder,
            alerts=AlertDispatcher(directory, delivery, recorder, metrics.count_alert),
            event_hooks=EventHooks(hooks, metrics.count_event, time.time),
            metrics=metrics,
        )
        yield replace(made, is_leader=lambda: False)


def errors(metrics: AgentMetrics) -> float:
    return exposed(metrics).get('serin_tick_errors_total{error="Deposed"}', 0)


async def test_a_failing_loop_that_is_woken_all_the_time_still_backs_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_RETRY_FIRST_S", "_FIRM_PAUSE_MAX_S"):
        monkeypatch.setattr(f"agent.loop.{name}", 30.0)  # no turns of a slow machine take that long
    metrics = AgentMetrics("1.2.3")
    async with deposed_world(tmp_path, metrics) as world:
        obj = canary_object()
        obj["metadata"]["resourceVersion"] = "1"
        world.caches.of(CANARIES).remember(obj)
        loop = CanaryLoop(Key("test", "podinfo"), world)
        task = asyncio.create_task(loop.run(), name="canary")
        for _ in range(200):
            loop.wake()
            await asyncio.sleep(0)
        assert errors(metrics) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
