"""Alerts go out once, and none is lost but while it is being posted: however often agents start, stop and die."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.providers.alerts.destinations import Recipient
from agent.providers.alerts.dispatcher import Parcel
from agent.reporting.alerts import Alerter
from canary.api.canary import Canary
from canary.run.messages import Alert, Message, info, run_restarted, run_started
from canary.run.state import State
from canary.run.status import read_state, write_status
from kube.errors import Conflict, Unavailable
from kube.store import Key
from tests.support.canaries import canary, canary_object

TRANSITION = State().transition_to(State(), 1.0, run_started("podinfo.test"))


@dataclass
class Chat:
    """Takes the place of the dispatcher's queue; `post` does what a worker of it does."""

    sent: list[Alert] = field(default_factory=list)
    unsent: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[tuple[Alert, Parcel]] = field(default_factory=list)
    names: tuple[str, ...] = ("on-call",)
    is_full: bool = False

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        return [Recipient(Key("test", name)) for name in self.names]

    def send(self, obj: dict[str, Any], canary: Canary, alert: Alert, recipient: Recipient, parcel: Parcel) -> bool:
        if not self.is_full:
            self.waiting.append((alert, parcel))
        return not self.is_full

    def report_unsent(self, obj: dict[str, Any], alert: Alert, recipient: Recipient | None, why: str) -> None:
        self.unsent.append((alert.text, why))

    async def post(self) -> None:
        """Post what waits, as far as its tickets are good."""
        waiting, self.waiting = self.waiting, []
        for alert, parcel in waiting:
            if await parcel.begin():
                self.sent.append(alert)
                await parcel.settle()
            else:
                parcel.drop()


@dataclass
class EventHook:
    """Takes the place of the event hooks' queue."""

    is_there: bool = False
    sent: list[Message] = field(default_factory=list)

    def has_hooks(self, canary: Canary) -> bool:
        return self.is_there

    def send(self, obj: dict[str, Any], canary: Canary, messages: Sequence[Message]) -> None:
        self.sent += messages


@dataclass
class Status:
    """The status as the API server stores it. `loses`: the write is done, but its answer never arrives."""

    state: State = TRANSITION
    loses: bool = False
    refuses: bool = False
    writes: int = 0
    now_s: float = 10.0
    alerter: Alerter | None = None
    wakes: int = 0

    async def store(self, state: State) -> dict[str, Any]:
        """Do what the ticker does with an intent."""
        assert self.alerter is not None
        if self.refuses:
            raise Conflict("somebody else was faster")
        # It goes through the status as it is stored.
        written = write_status(self.alerter.with_unsent(state), {}, target_kind="Deployment", generation=1)
        self.state = read_state(written)
        self.writes += 1
        if self.loses:
            raise Unavailable("no answer")
        self.alerter.note_stored(self.alerter.unsent)
        return canary_object()

    async def write(self) -> None:
        await self.store(self.state)

    def wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
def status() -> Status:
    return Status()


@dataclass
class Process:
    """One agent's alerter for a canary, from its start until it is killed or stopped."""

    chat: Chat
    status: Status
    name: str = "agent-1"
    hook: EventHook = field(default_factory=EventHook)

    def __post_init__(self) -> None:
        status = self.status
        self.alerter = Alerter(
            self.chat, self.hook, self.name, write=status.write, wake=status.wake, now_s=lambda: status.now_s
        )

    async def tick(self) -> None:
        self.status.alerter = self.alerter
        await self.alerter.alert_transition(canary_object(), canary(), self.status.state, self.status.store)

    async def work(self) -> None:
        await self.tick()
        await self.chat.post()


def texts(chat: Chat) -> list[str]:
    return [alert.text for alert in chat.sent]


STARTED = "New revision detected, progressing canary analysis."


async def test_a_transition_is_alerted_once_with_the_name_in_the_status_first(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    assert (status.state.transition.alerted_by, chat.sent) == ("agent-1", [])
    [unsent] = status.state.unsent
    assert (unsent.alert, unsent.to, unsent.begun_by) == (TRANSITION.alerts[0], "test/on-call", "")
    await chat.post()
    for _ in range(3):
        await agent.work()
    assert (texts(chat), status.state.unsent, status.writes) == ([STARTED], (), 3)


async def test_it_is_written_who_posts_an_alert_before_it_is_posted(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    [(_, parcel)] = chat.waiting
    assert await parcel.begin()
    assert [unsent.begun_by for unsent in status.state.unsent] == ["agent-1"]
    await parcel.put_back()
    assert [unsent.begun_by for unsent in status.state.unsent] == [""]


async def test_a_killed_agent_loses_nothing_that_it_had_not_begun(chat: Chat, status: Status) -> None:
    await Process(chat, status).tick()
    chat.waiting.clear()
    await Process(chat, status, "agent-2").work()
    await Process(chat, status, "agent-3").work()
    assert (texts(chat), chat.unsent) == ([STARTED], [])


async def test_not_even_where_the_next_transition_came_before_it_was_sent(chat: Chat, status: Status) -> None:
    await Process(chat, status).tick()
    status.state = status.state.transition_to(status.state, 2.0, run_restarted("podinfo.test"))
    chat.waiting.clear()
    await Process(chat, status, "agent-2").work()
    assert texts(chat) == [STARTED, "New revision detected, restarting canary analysis."]


async def test_what_a_killed_agent_had_begun_is_told_and_not_sent_again(chat: Chat, status: Status) -> None:
    await Process(chat, status).tick()
    assert await chat.waiting.pop()[1].begin()
    for name in ("agent-2", "agent-3"):
        await Process(chat, status, name).work()
    why = "the agent that sent it ended before it knew whether it arrived, so it is not sent again"
    assert (texts(chat), chat.unsent) == ([], [(STARTED, why)])


async def test_a_stopped_agent_hands_on_what_it_has_not_begun(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    await agent.alerter.close(is_gone=False)
    await chat.post()
    assert chat.sent == [], "its ticket is good for nothing any more"
    await Process(chat, status, "agent-2").work()
    assert (texts(chat), chat.unsent) == ([STARTED], [])


async def test_a_stop_waits_for_the_answer_to_what_is_being_posted(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    [(_, parcel)] = chat.waiting
    assert await parcel.begin()
    closing = asyncio.create_task(agent.alerter.close(is_gone=False))
    await asyncio.sleep(0)
    assert not closing.done()
    await parcel.settle()
    await closing
    await Process(chat, status, "agent-2").work()
    assert (chat.sent, chat.unsent, status.state.unsent) == ([], [], ())


async def test_the_alerts_of_a_canary_that_is_gone_go_out_as_they_are(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    writes = status.writes
    await agent.alerter.close(is_gone=True)
    await chat.post()
    assert (texts(chat), status.writes) == ([STARTED], writes)


async def test_nothing_is_sent_before_the_write_is_sure(chat: Chat, status: Status) -> None:
    status.refuses = True
    agent = Process(chat, status)
    with pytest.raises(Conflict):
        await agent.tick()
    assert chat.waiting == []
    status.refuses = False
    await agent.work()
    assert texts(chat) == [STARTED]


async def test_a_lost_answer_to_the_write_loses_no_alert(chat: Chat, status: Status) -> None:
    status.loses = True
    agent = Process(chat, status)
    with pytest.raises(Unavailable):
        await agent.tick()
    await agent.work()
    assert chat.sent == [], "it can't be written that it is begun"
    status.loses = False
    for _ in range(2):
        await agent.work()
    assert texts(chat) == [STARTED]


async def test_a_chat_that_is_down_is_tried_again_each_minute_for_an_hour(chat: Chat, status: Status) -> None:
    agent, tries = Process(chat, status), 0
    for minute in range(70):
        status.now_s = 10.0 + 30 * minute * 2
        await agent.tick()
        for _, parcel in chat.waiting:
            tries += 1
            await parcel.begin()
            await parcel.put_back()
            await parcel.keep("AlertProvider test/on-call: 503")
        chat.waiting.clear()
    assert (tries, status.state.unsent) == (60, ())


async def test_an_alert_that_waited_for_an_hour_is_given_up_and_told(chat: Chat, status: Status) -> None:
    chat.is_full = True
    agent = Process(chat, status)
    await agent.tick()
    status.now_s += 3601
    await agent.tick()
    await agent.tick()
    assert (chat.unsent, status.state.unsent) == ([(STARTED, "too many others wait")], ())


async def test_an_alert_whose_chat_is_named_no_more_is_told(chat: Chat, status: Status) -> None:
    await Process(chat, status).tick()
    chat.waiting.clear()
    chat.names = ("other",)
    await Process(chat, status, "agent-2").work()
    assert chat.unsent == [(STARTED, "the canary does not name its chat any more")]


async def test_each_chat_is_sent_to_once(chat: Chat, status: Status) -> None:
    chat.names = ("on-call", "team")
    agent = Process(chat, status)
    await agent.tick()
    assert [unsent.to for unsent in status.state.unsent] == ["test/on-call", "test/team"]
    first = chat.waiting.pop(0)
    assert await first[1].begin()
    await first[1].settle()
    chat.waiting.clear()
    await Process(chat, status, "agent-2").work()
    assert (texts(chat), status.state.unsent) == ([STARTED], ())


async def test_a_status_keeps_no_more_than_eight(chat: Chat, status: Status) -> None:
    chat.is_full = True
    agent = Process(chat, status)
    for at_s in range(12):
        await agent.tick()
        status.state = status.state.transition_to(status.state, float(at_s), run_started("podinfo.test"))
    assert len(status.state.unsent) == 8
    assert len(chat.unsent) == 4


async def test_more_chats_than_eight_are_all_sent_to(chat: Chat, status: Status) -> None:
    chat.names = tuple(f"chat-{number}" for number in range(50))
    agent = Process(chat, status)
    await agent.tick()
    assert len(status.state.unsent) == 50
    chat.waiting.clear()
    await Process(chat, status, "agent-2").work()
    assert (texts(chat), chat.unsent, status.state.unsent) == ([STARTED] * 50, [], ())


async def test_an_alert_that_gave_way_is_not_posted_all_the_same(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    for at_s in range(9):
        await agent.tick()
        status.state = status.state.transition_to(status.state, float(at_s), run_started("podinfo.test"))
    assert chat.unsent == [(STARTED, "too many others of this canary wait")]
    await chat.post()
    assert [alert.id for alert in chat.sent] == [f"{sequence}.0" for sequence in range(2, 10)]


async def test_an_alert_that_is_being_posted_gives_way_to_none(chat: Chat, status: Status) -> None:
    agent = Process(chat, status)
    await agent.tick()
    _, parcel = chat.waiting.pop()
    assert await parcel.begin()
    for at_s in range(9):
        status.state = status.state.transition_to(status.state, float(at_s), run_started("podinfo.test"))
        await agent.tick()
    assert "1.0" in [unsent.alert.id for unsent in status.state.unsent]
    await parcel.settle()
    assert [unsent.alert.id for unsent in status.state.unsent] == [f"{sequence}.0" for sequence in range(3, 11)]


async def test_a_transition_without_alerts_costs_no_write(chat: Chat, status: Status) -> None:
    status.state = State().transition_to(State(), 1.0, info("Advance podinfo.test canary weight 10"))
    await Process(chat, status).work()
    assert (chat.sent, status.writes) == ([], 0)


async def test_the_status_is_not_written_for_alerts_that_nobody_gets(chat: Chat, status: Status) -> None:
    chat.names = ()
    await Process(chat, status).work()
    assert (status.writes, chat.sent) == (0, [])


ADVANCED = State().transition_to(State(), 1.0, info("Advance podinfo.test canary weight 10"))


async def test_event_hooks_get_the_messages_of_a_transition_once_whoever_restarts(chat: Chat, status: Status) -> None:
    hook, status.state = EventHook(is_there=True), ADVANCED
    first, second = Process(chat, status, "agent-1", hook), Process(chat, status, "agent-2", hook)
    for agent in (first, first, second):
        await agent.tick()
    assert hook.sent == list(ADVANCED.transition.messages)
    assert (status.state.transition.alerted_by, status.writes) == ("agent-1", 1)


async def test_alerts_and_events_of_a_transition_are_taken_on_with_one_write(chat: Chat, status: Status) -> None:
    hook = EventHook(is_there=True)
    await Process(chat, status, hook=hook).tick()
    assert (len(chat.waiting), hook.sent, status.writes) == (1, list(TRANSITION.transition.messages), 1)


async def test_an_event_hook_that_is_added_later_is_not_sent_what_happened_before(chat: Chat, status: Status) -> None:
    hook, status.state = EventHook(), ADVANCED
    agent = Process(chat, status, hook=hook)
    await agent.tick()
    hook.is_there = True
    await agent.tick()
    assert (hook.sent, status.writes) == ([], 0)
