"""Event hooks: who is sent what, in which order, and what becomes of an event that nobody takes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Answer, Hooks
from agent.reporting.event_hooks import EventHooks
from agent.series.agent_metrics import AgentMetrics
from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.run.messages import Message, info, warning
from tests.support.canaries import canary, canary_object
from tests.support.eventually import eventually
from tests.support.exposition import exposed
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

OBJECT = canary_object() | {"status": {"phase": "Progressing", "lastAppliedSpec": "rev-2"}}
STARTED, HALTED = info("New revision detected!"), warning("Halt podinfo.test advancement")


@dataclass
class Receiver:
    """A service that takes events; `release` lets requests to /slow be answered, /broken answers 500."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    is_broken: bool = True

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/slow":
            await self.release.wait()
        self.events.append((request.path, await request.json()))
        return web.Response(status=500 if request.path == "/broken" and self.is_broken else 200)

    def texts(self, path: str) -> list[str]:
        return [event["metadata"]["eventMessage"] for at, event in self.events if at == path]


@pytest.fixture
def metrics() -> AgentMetrics:
    return AgentMetrics("1.2.3")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@asynccontextmanager
async def hooking(
    receiver: Receiver, metrics: AgentMetrics, *paths: str, own: str = "", drain_s: float = PATIENCE_S, **limits: Any
) -> AsyncIterator[tuple[EventHooks, Canary]]:
    """Return the hooks, and a canary that names one for each path."""
    async with serving(receiver.handle) as url, aiohttp.ClientSession() as session:
        own_url = f"{url}/{own}" if own else ""
        metadata = {"team": "a", "eventType": "mine"}
        webhooks = [
            {"name": path, "type": "event", "url": f"{url}/{path}", "metadata": metadata, "timeout": "5m"}
            for path in paths
        ]
        webhooks.append({"name": "load-test", "url": f"{url}/load"})
        hooks = Hooks(session=session)
        async with EventHooks(
            hooks, metrics.count_event, lambda: 1234.5678, own_url=own_url, drain_s=drain_s, **limits
        ) as made:
            yield made, canary({"webhooks": webhooks})


def outcomes(metrics: AgentMetrics) -> dict[str, float]:
    return {name: value for name, value in exposed(metrics).items() if name.startswith("serin_event_hook") and value}


async def test_an_event_is_posted_as_flagger_does(receiver: Receiver, metrics: AgentMetrics) -> None:
    async with hooking(receiver, metrics, "first") as (hooks, asked):
        hooks.send(OBJECT, asked, [HALTED])
    ((path, event),) = receiver.events
    assert path == "/first"
    assert len(event.pop("checksum")) == 16
    assert event == {
        "name": "podinfo",
        "namespace": "test",
        "phase": "Progressing",
        "metadata": {
            "eventMessage": "Halt podinfo.test advancement",
            "eventType": "Warning",
            "timestamp": "1234567",
            "team": "a",
        },
    }
    assert outcomes(metrics) == {'serin_event_hook_events_total{outcome="sent"}': 1}


async def test_every_event_hook_gets_all_events_in_order(receiver: Receiver, metrics: AgentMetrics) -> None:
    async with hooking(receiver, metrics, "first", "second") as (hooks, asked):
        hooks.send(OBJECT, asked, [STARTED, HALTED])
        hooks.send(OBJECT, asked, [STARTED])
        assert receiver.events == [], "sending only queues"
    for path in ("/first", "/second"):
        assert receiver.texts(path) == [STARTED.text, HALTED.text, STARTED.text]


async def test_the_agents_own_hook_is_for_canaries_without_one(receiver: Receiver, metrics: AgentMetrics) -> None:
    async with hooking(receiver, metrics, "first", own="own") as (hooks, asked):
        without = canary()
        assert hooks.has_hooks(asked)
        assert hooks.has_hooks(without)
        hooks.send(OBJECT, asked, [STARTED])
        hooks.send(OBJECT, without, [HALTED])
    assert receiver.texts("/first") == [STARTED.text]
    assert receiver.texts("/own") == [HALTED.text]


async def test_without_event_hooks_nothing_is_sent(receiver: Receiver, metrics: AgentMetrics) -> None:
    async with hooking(receiver, metrics) as (hooks, asked):
        assert not hooks.has_hooks(asked)
        hooks.send(OBJECT, asked, [STARTED])
    assert receiver.events == []


async def test_a_slow_hook_holds_up_no_other(receiver: Receiver, metrics: AgentMetrics) -> None:
    async with hooking(receiver, metrics, "slow", "quick") as (hooks, asked):
        hooks.send(OBJECT, asked, [STARTED, HALTED])
        await eventually(lambda: receiver.texts("/quick"), lambda texts: len(texts) == 2)
        assert receiver.texts("/slow") == []
        receiver.release.set()
    assert receiver.texts("/slow") == [STARTED.text, HALTED.text]


async def test_failures_are_counted_and_logged_once_until_it_works_again(
    receiver: Receiver, metrics: AgentMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    failed, sent = (f'serin_event_hook_events_total{{outcome="{outcome}"}}' for outcome in ("failed", "sent"))
    async with hooking(receiver, metrics, "broken") as (hooks, asked):
        with caplog.at_level(logging.WARNING):
            await send(hooks, asked, metrics, [STARTED] * 3, {failed: 3})
            receiver.is_broken = False
            await send(hooks, asked, metrics, [STARTED], {failed: 3, sent: 1})
            receiver.is_broken = True
            await send(hooks, asked, metrics, [STARTED] * 2, {failed: 5, sent: 1})
    assert [record.message for record in caplog.records] == [
        "event hook broken of podinfo.test: event failed: HTTP 500"
    ] * 2


async def test_a_hook_that_was_not_called_for_long_is_forgotten(
    receiver: Receiver, metrics: AgentMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    failed = 'serin_event_hook_events_total{outcome="failed"}'
    async with hooking(receiver, metrics, "broken") as (hooks, asked):
        with caplog.at_level(logging.WARNING):
            await send(hooks, asked, metrics, [STARTED] * 2, {failed: 2})
            hooks._failing._clock = lambda: 10_000.0
            other = asked.model_copy(update={"metadata": asked.metadata.model_copy(update={"name": "other"})})
            await send(hooks, other, metrics, [STARTED], {failed: 3})
            assert "broken of podinfo.test" not in hooks._failing
            await send(hooks, asked, metrics, [STARTED], {failed: 4})
    names = [record.message.split(":")[0] for record in caplog.records]
    assert names == [f"event hook broken of {name}.test" for name in ("podinfo", "other", "podinfo")]


async def send(
    hooks: EventHooks, asked: Canary, metrics: AgentMetrics, messages: list[Message], wanted: dict[str, float]
) -> None:
    hooks.send(OBJECT, asked, messages)
    await eventually(lambda: outcomes(metrics), lambda counted: counted == wanted)


async def test_what_does_not_fit_the_queue_is_lost_and_counted(
    receiver: Receiver, metrics: AgentMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    async with hooking(receiver, metrics, "slow", capacity=2, drain_s=0) as (hooks, asked):
        hooks.send(OBJECT, asked, [STARTED] * 5)
    assert outcomes(metrics) == {'serin_event_hook_events_total{outcome="lost"}': 3}
    assert caplog.text.count("event lost: too many others wait already") == 1
    assert "2 events were not sent in 0.0 s" in caplog.text


async def test_hooks_that_hang_keep_no_event_of_their_namespace_from_another(metrics: AgentMetrics) -> None:
    """Ten of them use up the namespace's 1000; the longest queue gives one of its events away."""
    called: list[str] = []

    class Hanging(Hooks):
        async def post(self, hook: CanaryWebhook, body: Mapping[str, object]) -> Answer:
            called.append(hook.name)
            if hook.name != "quick":
                await asyncio.Event().wait()
            return Answer(200, "", is_final=True)

    def naming(*names: str) -> Canary:
        return canary({"webhooks": [{"name": name, "type": "event", "url": "http://a.test/"} for name in names]})

    async with (
        aiohttp.ClientSession() as session,
        EventHooks(Hanging(session=session), metrics.count_event, lambda: 0.0, drain_s=0) as hooks,
    ):
        hooks.send(OBJECT, naming(*[f"slow-{number}" for number in range(10)]), [STARTED] * 100)
        hooks.send(OBJECT, naming("quick"), [HALTED])
        await eventually(lambda: called, lambda names: "quick" in names)
        assert hooks.waiting == 999
    assert outcomes(metrics) == {
        'serin_event_hook_events_total{outcome="lost"}': 1,
        'serin_event_hook_events_total{outcome="sent"}': 1,
    }
