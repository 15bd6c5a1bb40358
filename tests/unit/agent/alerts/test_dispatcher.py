"""The dispatcher: whoever sends never waits, each provider gets its messages in order, and a failure is reported."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Recipient
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.alerts.port import Destination
from agent.providers.errors import ProviderRefused
from agent.series.agent_metrics import AgentMetrics
from canary.api.canary import Canary
from canary.run.messages import Alert
from kube.store import Key
from tests.support.canaries import canary, canary_object
from tests.support.chat import Answer, chatting
from tests.support.chat_protocols import SLACK_HOOK
from tests.support.eventually import eventually
from tests.support.exposition import exposed
from tests.support.patience import PATIENCE_S

OBJECT = canary_object()
STARTED, ENDED = Alert("info", "started"), Alert("error", "rolled back")


@dataclass
class Parcel:
    """Takes the place of the alerter's: what became of an alert."""

    may_begin: bool = True
    log: list[str] = field(default_factory=list)

    async def begin(self) -> bool:
        self.log.append("begin")
        return self.may_begin

    async def put_back(self) -> None:
        self.log.append("put back")

    async def settle(self) -> None:
        self.log.append("settled")

    async def keep(self, why: str) -> bool:
        self.log.append(f"kept: {why}")
        return True

    def put_off(self, why: str) -> None:
        self.log.append(f"put off: {why}")

    def drop(self) -> None:
        self.log.append("dropped")


def send(alerts: AlertDispatcher, *told: Alert, parcel: Parcel | None = None) -> list[bool]:
    return [
        alerts.send(OBJECT, canary(), alert, recipient, parcel or Parcel())
        for alert in told
        for recipient in alerts.recipients(canary(), alert.severity)
    ]


Find = Callable[[], Awaitable[Destination]]


@dataclass
class Phonebook:
    """Stands for the cluster's AlertProviders: every alert goes to each of them, found as `entries` say."""

    entries: dict[str, Find]

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        return [Recipient(Key("test", name)) for name in self.entries]

    def type_of(self, recipient: Recipient) -> str:
        return "slack"

    async def find(self, recipient: Recipient) -> Destination:
        assert recipient.provider is not None
        return await self.entries[recipient.provider.name]()


@dataclass
class Recorded:
    """Takes the place of the event recorder's queue."""

    events: list[tuple[str, str]] = field(default_factory=list)

    def record(self, obj: dict[str, Any], type_: str, reason: str, message: str, *, once: str = "") -> asyncio.Event:
        assert obj is OBJECT
        self.events.append((type_, message))
        return asyncio.Event()


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def metrics() -> AgentMetrics:
    return AgentMetrics("1.2.3")


@asynccontextmanager
async def dispatching(
    recorded: Recorded,
    metrics: AgentMetrics,
    *,
    capacity: int = 100,
    drain_s: float = PATIENCE_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **entries: Find,
) -> AsyncIterator[AlertDispatcher]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        AlertDispatcher(
            Phonebook(entries),
            Delivery(session=session, timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S, sleep=sleep),
            recorded,
            metrics.count_alert,
            capacity=capacity,
            drain_s=drain_s,
        ) as alerts,
    ):
        yield alerts


async def soon(_: float) -> None:
    """Let no time pass between two attempts."""


def at(destination: Destination) -> Find:
    async def find() -> Destination:
        return destination

    return find


async def never() -> Destination:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def nowhere() -> Destination:
    raise ProviderRefused("AlertProvider test/chat spec.type: found 'pigeon'; allowed: slack")


def outcomes(metrics: AgentMetrics) -> dict[str, float]:
    return {name: value for name, value in exposed(metrics).items() if name.startswith("serin_alerts_total") and value}


async def test_alerts_arrive_in_order_and_leaving_waits_for_them(recorded: Recorded, metrics: AgentMetrics) -> None:
    async with chatting(SLACK_HOOK) as chat:
        async with dispatching(recorded, metrics, chat=at(chat.destination)) as alerts:
            send(alerts, STARTED)
            send(alerts, ENDED)
            assert chat.attempts == 0, "sending only queues"
        assert [SLACK_HOOK.text_of(payload) for payload in chat.posted] == ["started", "rolled back"]
    assert outcomes(metrics) == {'serin_alerts_total{outcome="sent",provider_type="slack"}': 2}
    assert recorded.events == []


async def test_a_provider_that_hangs_holds_up_no_other(recorded: Recorded, metrics: AgentMetrics) -> None:
    async with (
        chatting(SLACK_HOOK) as chat,
        dispatching(recorded, metrics, drain_s=0, stuck=never, chat=at(chat.destination)) as alerts,
    ):
        send(alerts, STARTED, ENDED)
        await eventually(lambda: len(chat.posted), lambda count: count == 2)


async def test_leaving_gives_up_after_the_time_to_drain(
    recorded: Recorded, metrics: AgentMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    async with dispatching(recorded, metrics, drain_s=0.01, stuck=never) as alerts:
        send(alerts, STARTED, ENDED)
    assert "2 alerts were not sent in 0.0 s" in caplog.text
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("alerts to")]


async def test_a_failure_is_an_event_a_log_line_and_a_count_and_the_next_alert_goes_on(
    recorded: Recorded, metrics: AgentMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        chatting(SLACK_HOOK, Answer(404, "no_service")) as chat,
        dispatching(recorded, metrics, chat=at(chat.destination)) as alerts,
    ):
        with caplog.at_level(logging.WARNING):
            send(alerts, STARTED, ENDED)
            await eventually(lambda: len(chat.posted), lambda count: count == 1)
    text = "Alert 'started' was not sent: AlertProvider test/on-call: 404 no_service"
    assert recorded.events == [("Warning", text)]
    assert text in caplog.text
    assert chat.destination.address not in caplog.text
    assert outcomes(metrics) == {
        'serin_alerts_total{outcome="failed",provider_type="slack"}': 1,
        'serin_alerts_total{outcome="sent",provider_type="slack"}': 1,
    }


async def test_a_provider_that_can_not_be_used_is_reported_by_name_and_looked_up_again(
    recorded: Recorded, metrics: AgentMetrics
) -> None:
    parcel = Parcel()
    async with dispatching(recorded, metrics, sleep=soon, chat=nowhere) as alerts:
        send(alerts, STARTED, parcel=parcel)
    reason = "AlertProvider test/chat spec.type: found 'pigeon'; allowed: slack"
    assert recorded.events == [("Warning", f"Alert 'started' was not sent: {reason}. It is tried again")]
    assert parcel.log == [*["put back"] * 6, f"kept: {reason}"]
    assert outcomes(metrics) == {'serin_alerts_total{outcome="delayed",provider_type="slack"}': 1}


async def test_what_is_mended_meanwhile_is_sent(recorded: Recorded, metrics: AgentMetrics) -> None:
    async with chatting(SLACK_HOOK) as chat:
        looked_up: list[str] = []

        async def mended_later() -> Destination:
            looked_up.append("")
            return await nowhere() if len(looked_up) == 1 else chat.destination

        async with dispatching(recorded, metrics, sleep=soon, chat=mended_later) as alerts:
            send(alerts, STARTED)
        assert len(chat.posted) == 1
    assert recorded.events == []


async def test_an_alert_that_somebody_else_sends_is_not_posted(recorded: Recorded, metrics: AgentMetrics) -> None:
    parcel = Parcel(may_begin=False)
    async with chatting(SLACK_HOOK) as chat:
        async with dispatching(recorded, metrics, chat=at(chat.destination)) as alerts:
            send(alerts, STARTED, parcel=parcel)
        assert chat.attempts == 0
    assert (parcel.log, recorded.events, outcomes(metrics)) == (["begin", "dropped"], [], {})


async def test_each_attempt_is_begun_and_put_back_where_nothing_was_posted(
    recorded: Recorded, metrics: AgentMetrics
) -> None:
    parcel = Parcel()
    async with chatting(SLACK_HOOK, Answer(503)) as chat:
        async with dispatching(recorded, metrics, sleep=soon, chat=at(chat.destination)) as alerts:
            send(alerts, STARTED, parcel=parcel)
        assert len(chat.posted) == 1
    assert parcel.log == ["begin", "put back", "begin", "settled"]


async def test_a_chat_that_is_down_holds_the_others_in_its_queue_up_once(
    recorded: Recorded, metrics: AgentMetrics
) -> None:
    async with chatting(SLACK_HOOK, *[Answer(503)] * 8) as chat:
        async with dispatching(recorded, metrics, sleep=soon, chat=at(chat.destination)) as alerts:
            send(alerts, STARTED, ENDED, STARTED, ENDED)
        assert (chat.attempts, len(chat.posted)) == (6 + 1 + 1 + 1, 1)


async def test_what_does_not_fit_the_queue_is_told_to_whoever_sends(recorded: Recorded, metrics: AgentMetrics) -> None:
    async with dispatching(recorded, metrics, capacity=2, drain_s=0, stuck=never) as alerts:
        assert send(alerts, STARTED, STARTED, STARTED) == [True, True, False]
    assert recorded.events == []


async def test_an_alert_that_gives_way_to_those_of_another_chat_is_put_off(
    recorded: Recorded, metrics: AgentMetrics
) -> None:
    """A namespace's 1000 are used up by five dead chats with 200 each; a sixth still takes its alerts."""
    async with dispatching(
        recorded, metrics, capacity=1000, drain_s=0, a=never, b=never, c=never, d=never, e=never
    ) as alerts:
        parcels = [Parcel() for _ in range(200)]
        assert all(all(send(alerts, STARTED, parcel=parcel)) for parcel in parcels)
        one_more = Recipient(Key("test", "good"))
        assert alerts.send(OBJECT, canary(), STARTED, one_more, Parcel())
    assert [parcel.log for parcel in parcels] == [[]] * 199 + [["put off: too many others wait"]]


def test_an_alert_that_is_given_up_is_an_event_a_log_line_and_a_count(
    recorded: Recorded, metrics: AgentMetrics
) -> None:
    alerts = AlertDispatcher(Phonebook({"chat": nowhere}), Delivery(session=None), recorded, metrics.count_alert)  # type: ignore[arg-type]
    alerts.report_unsent(OBJECT, ENDED, Recipient(Key("test", "chat")), "it could not be sent for an hour")
    text = "Alert 'rolled back' was not sent: it could not be sent for an hour"
    assert recorded.events == [("Warning", text)]
    assert outcomes(metrics) == {'serin_alerts_total{outcome="lost",provider_type="slack"}': 1}
