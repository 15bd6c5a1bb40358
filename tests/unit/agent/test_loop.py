"""The loop of one canary, at its edges: how it waits after a failure, and which object its remarks are about."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from agent.apply import Applier
from agent.caches import Caches
from agent.leadership import Deposed
from agent.limits.runs import RunLimits
from agent.loop import CanaryLoop
from agent.resources import CANARIES, ROUTE_TABLES
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from agent.stored import read_stored
from agent.tick import CanaryTicker
from agent.turns import Urgency
from canary.api.canary import Canary
from canary.run.action import Action, DropRequest
from canary.run.decision import Decision, wait
from canary.run.observation import Question
from canary.run.phase import Phase
from canary.run.queue import Place
from canary.run.state import State
from canary.run.traffic import Traffic
from kube.client import Client
from kube.errors import Conflict, PermanentError, Unavailable
from kube.events import EventRecorder
from kube.resource import DEPLOYMENTS
from kube.store import Key
from render.config_refs import ConfigRef
from render.route_table import route_table
from tests.support.canaries import canary, canary_object
from tests.support.connected import SETTINGS, connected
from tests.support.exposition import exposed
from tests.support.podinfo import podinfo_deployment, stored
from tests.unit.kube.apiserver import write_kubeconfig

UNBOUNDED = RunLimits()


@asynccontextmanager
async def deposed_services(
    folder: Path, metrics: AgentMetrics, run_limits: RunLimits = UNBOUNDED
) -> AsyncIterator[AgentServices]:
    """Return services of an agent whose writes are all refused before they are sent: another agent leads."""
    kubeconfig = write_kubeconfig(folder / "kubeconfig", "http://127.0.0.1:1")
    async with (
        Client.connect(kubeconfig=kubeconfig, user_agent="serin/test") as client,
        aiohttp.ClientSession() as session,
    ):
        settings = replace(SETTINGS, run_limits=run_limits)
        made = connected(client, Caches(client, ""), session, metrics, settings=settings)
        yield replace(made, is_leader=lambda _: False)


def errors(metrics: AgentMetrics) -> float:
    return exposed(metrics).get('serin_tick_errors_total{error="Deposed"}', 0)


async def test_a_failing_loop_that_is_woken_all_the_time_still_backs_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_RETRY_FIRST_S", "_FIRM_PAUSE_MAX_S"):
        monkeypatch.setattr(f"agent.loop.{name}", 30.0)  # no turns of a slow machine take that long
    metrics = AgentMetrics("1.2.3")
    async with deposed_services(tmp_path, metrics) as services:
        services.caches.of(CANARIES).remember(version_of_canary("1"))
        loop = CanaryLoop(Key("test", "podinfo"), services)
        task = asyncio.create_task(loop.run(), name="canary")
        for _ in range(200):
            loop.wake()
            await asyncio.sleep(0)
        assert errors(metrics) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("leads", [True, False])
async def test_who_was_deposed_while_it_decided_asks_no_hook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, leads: bool
) -> None:
    class WasAsked(Exception):  # noqa: N818
        pass

    async def ask(*_: Any) -> None:
        raise WasAsked

    monkeypatch.setattr("agent.ask.Asker.answer", ask)
    decided = Decision(questions=frozenset({Question.CONFIRM_ROLLOUT}))
    monkeypatch.setattr("agent.tick.decide", lambda *_: decided)
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as deposed:
        services = replace(deposed, is_leader=lambda namespace: leads and namespace == "test")
        services.caches.of(CANARIES).remember(version_of_canary("1") | {"status": {"phase": "Waiting"}})
        services.caches.of(DEPLOYMENTS).remember(stored(podinfo_deployment()))
        ticker = CanaryTicker(Key("test", "podinfo"), services, asyncio.Event())
        with pytest.raises(WasAsked if leads else Deposed):
            await ticker.tick()


@pytest.mark.parametrize(("weight", "expected_s"), [(0, 17.0), (50, 17.0), (None, 0.4)])
async def test_a_canary_waits_as_long_as_the_api_server_asked_for_unless_traffic_is_to_be_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: int | None, expected_s: float
) -> None:
    async def refused(_: CanaryTicker) -> None:
        error = Unavailable("too many requests")
        error.retry_after_s = 17.0
        raise error

    monkeypatch.setattr(CanaryTicker, "tick", refused)
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        services.caches.of(CANARIES).remember(
            version_of_canary("1") | {"status": {"phase": "Progressing", "canaryWeight": weight or 0}}
        )
        loop = CanaryLoop(Key("test", "podinfo"), services)
        loop._ticker._is_pulling = weight is None
        assert await loop._tick_guarded() == expected_s


@pytest.mark.parametrize(
    ("traffic", "urgency"),
    [
        (Traffic(25), Urgency.PULL),
        (Traffic(0, mirror_percent=100), Urgency.PULL),
        (Traffic(), Urgency.RESTING),
        (None, Urgency.RESTING),
    ],
)
async def test_at_the_start_a_failed_canary_goes_first_only_where_its_route_still_has_traffic(
    tmp_path: Path, traffic: Traffic | None, urgency: Urgency
) -> None:
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        services.caches.of(CANARIES).remember(version_of_canary("1") | {"status": {"phase": "Failed"}})
        if traffic is not None:
            table = route_table(canary(), traffic)
            table["metadata"]["resourceVersion"] = "1"
            services.caches.of(ROUTE_TABLES).remember(table)
        ticker = CanaryTicker(Key("test", "podinfo"), services, asyncio.Event())
        assert ticker.urgency() is urgency


async def test_a_failed_canary_whose_route_can_not_be_read_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any) -> None:
        raise ValueError("nonsense")

    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        services.caches.of(CANARIES).remember(version_of_canary("1") | {"status": {"phase": "Failed"}})
        monkeypatch.setattr(services.routing, "observe", unreadable)
        assert CanaryTicker(Key("test", "podinfo"), services, asyncio.Event()).urgency() is Urgency.PULL


async def test_a_run_that_has_no_turn_is_seen_to_wait_and_not_stored_as_begun(tmp_path: Path) -> None:
    limits = RunLimits(1)
    async with deposed_services(tmp_path, AgentMetrics("1.2.3"), limits) as services:
        cache, ticker = services.caches.of(CANARIES), CanaryTicker(Key("test", "podinfo"), services, asyncio.Event())
        obj, idle, begun = version_of_canary("1"), State(phase=Phase.SUCCEEDED), State(phase=Phase.PROGRESSING)
        running = canary_object() | {"status": {"phase": "Progressing"}}
        running["metadata"] |= {"name": "other", "resourceVersion": "2"}
        for stored_obj in (obj, running):
            cache.remember(stored_obj)
        assert ticker._observe(canary(), read_stored(obj, None)).place == Place(1, 1, "--max-runs is 1")
        with pytest.raises(Conflict, match="waits for its turn"):
            await ticker._store_intent(obj, canary(), idle, begun)
        ended = {
            **running,
            "metadata": running["metadata"] | {"resourceVersion": "3"},
            "status": {"phase": "Succeeded"},
        }
        cache.remember(ended)
        assert ticker._observe(canary(), read_stored(obj, None)).place is None
        with pytest.raises(Deposed):
            await ticker._store_intent(obj, canary(), idle, begun)


@dataclass
class RefusingApplier:
    """Takes the place of the applier: the Canary is written by somebody, then the action is refused."""

    caches: Caches

    async def apply(self, canary: Canary, action: Action) -> None:
        self.caches.of(CANARIES).remember(version_of_canary("2"))
        raise PermanentError("refused", resource=CANARIES, namespace=canary.namespace, name=canary.name)


@dataclass
class Recorded:
    """Takes the place of the event recorder: `versions` are the resourceVersions that events are about."""

    versions: list[str] = field(default_factory=list)

    def record(self, obj: dict[str, Any], type_: str, reason: str, message: str, *, once: str = "") -> asyncio.Event:
        self.versions.append(obj["metadata"]["resourceVersion"])
        return asyncio.Event()


def version_of_canary(version: str) -> dict[str, Any]:
    obj = canary_object()
    obj["metadata"]["resourceVersion"] = version
    return obj


async def test_a_refused_action_is_reported_of_the_canary_as_it_is_stored_by_then(tmp_path: Path) -> None:
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as deposed:
        recorded = Recorded()
        services = replace(
            deposed,
            is_leader=lambda _: True,
            recorder=cast("EventRecorder", recorded),
            applier=cast("Applier", RefusingApplier(deposed.caches)),
        )
        services.caches.of(CANARIES).remember(version_of_canary("1"))
        ticker = CanaryTicker(Key("test", "podinfo"), services, asyncio.Event())
        await ticker._apply(canary(), Decision(actions=(DropRequest("promote"),)))
        assert recorded.versions == ["2"]


@pytest.mark.parametrize(("status", "error"), [({}, Unavailable), ({"phase": "Progressing", "canaryWeight": 50}, None)])
async def test_only_a_tick_that_may_start_a_run_waits_for_what_was_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], error: type[Exception] | None
) -> None:
    class GoesOn(Exception):  # noqa: N818
        pass

    async def refresh(*_: Any) -> None:
        return

    async def report(*_: Any) -> None:
        raise GoesOn

    monkeypatch.setattr("agent.tick.decide", lambda *_: wait())
    monkeypatch.setattr(CanaryTicker, "_report", report)
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        unread = {ConfigRef("Secret", "keys"): Unavailable("no")}
        monkeypatch.setattr(services.caches.tracking, "unread", lambda _: unread)
        monkeypatch.setattr(services.caches.tracking, "refresh", refresh)
        services.caches.of(CANARIES).remember(version_of_canary("1") | {"status": status})
        services.caches.of(DEPLOYMENTS).remember(stored(podinfo_deployment()))
        ticker = CanaryTicker(Key("test", "podinfo"), services, asyncio.Event())
        with pytest.raises(error or GoesOn):
            await ticker.tick()
        # Whatever the status says: a route that still leads to the canary side is pulled first.
        monkeypatch.setattr("agent.tick.is_pull", lambda *_: True)
        with pytest.raises(GoesOn):
            await ticker.tick()


async def test_what_a_tick_writes_itself_does_not_wake_it_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deposed_services(tmp_path, AgentMetrics("1.2.3")) as services:
        loop = CanaryLoop(Key("test", "podinfo"), services)
        # The first one stores an intent, the second acts by it, the third looks at what came of it.
        sleeps_s: list[float | None] = [0, 0, None]
        ticks = 0

        async def tick(_: CanaryTicker) -> float | None:
            nonlocal ticks
            ticks += 1
            sleep_s = sleeps_s.pop(0) if sleeps_s else None
            if sleep_s == 0:
                loop.wake()  # as the caches do for our own write
            return sleep_s

        monkeypatch.setattr(CanaryTicker, "tick", tick)
        task = asyncio.create_task(loop.run(), name="canary")
        for _ in range(50):
            await asyncio.sleep(0)
        assert ticks == 3
        loop.wake()
        for _ in range(50):
            await asyncio.sleep(0)
        assert ticks == 4
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
