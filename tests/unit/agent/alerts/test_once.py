"""A transition's alerts go out once: the process that the status names sends them, however often agents start."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.reporting.alerts import Alerter
from canary.api.canary import Canary
from canary.run.messages import Alert, Message, info, run_started
from canary.run.state import State
from kube.errors import Conflict, Unavailable
from tests.support.canaries import canary, canary_object


def taken_on(state: State, process: str) -> State:
    return replace(state, transition=replace(state.transition, alerted_by=process))


TRANSITION = State().transition_to(State(), 1.0, run_started("podinfo.test"))


@dataclass
class Chat:
    """Takes the place of the dispatcher's queue."""

    sent: list[Alert] = field(default_factory=list)
    is_there: bool = True

    def has_recipients(self, canary: Canary, alerts: Sequence[Alert]) -> bool:
        return self.is_there and bool(alerts)

    def send(self, obj: dict[str, Any], canary: Canary, alerts: Sequence[Alert]) -> None:
        self.sent += alerts


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

    async def store(self, state: State) -> dict[str, Any]:
        if self.refuses:
            raise Conflict("somebody else was faster")
        self.state = state
        self.writes += 1
        if self.loses:
            raise Unavailable("no answer")
        return canary_object()


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
def status() -> Status:
    return Status()


def process(chat: Chat, name: str = "agent-1", hook: EventHook | None = None) -> Alerter:
    return Alerter(chat, hook or EventHook(), name)


async def tick(alerter: Alerter, status: Status) -> None:
    await alerter.alert_transition(canary_object(), canary(), status.state, status.store)


async def test_a_transition_is_alerted_once_with_the_name_in_the_status_first(chat: Chat, status: Status) -> None:
    alerter = process(chat)
    for _ in range(3):
        await tick(alerter, status)
    assert chat.sent == list(TRANSITION.alerts)
    assert (status.state, status.writes) == (taken_on(TRANSITION, "agent-1"), 1)


async def test_a_restarted_agent_leaves_what_another_process_took_on(chat: Chat, status: Status) -> None:
    await tick(process(chat, "agent-1"), status)
    await tick(process(chat, "agent-2"), status)
    assert len(chat.sent) == 1


async def test_an_agent_that_died_before_it_took_them_on_loses_nothing(chat: Chat, status: Status) -> None:
    await tick(process(chat, "the next agent"), status)
    assert len(chat.sent) == 1


async def test_nothing_is_sent_before_the_write_is_sure(chat: Chat, status: Status) -> None:
    status.refuses = True
    alerter = process(chat)
    with pytest.raises(Conflict):
        await tick(alerter, status)
    assert chat.sent == []
    status.refuses = False
    await tick(alerter, status)
    assert len(chat.sent) == 1


async def test_a_lost_answer_to_the_write_loses_no_alert(chat: Chat, status: Status) -> None:
    status.loses = True
    alerter = process(chat)
    with pytest.raises(Unavailable):
        await tick(alerter, status)
    for _ in range(2):
        await tick(alerter, status)
    assert len(chat.sent) == 1


async def test_a_transition_without_alerts_costs_no_write(chat: Chat, status: Status) -> None:
    status.state = State().transition_to(State(), 1.0, info("Advance podinfo.test canary weight 10"))
    await tick(process(chat), status)
    assert (chat.sent, status.writes) == ([], 0)


async def test_the_next_transition_has_alerts_of_its_own(chat: Chat, status: Status) -> None:
    alerter = process(chat)
    await tick(alerter, status)
    status.state = status.state.transition_to(status.state, 2.0, run_started("podinfo.test"))
    await tick(alerter, status)
    assert len(chat.sent) == 2


ADVANCED = State().transition_to(State(), 1.0, info("Advance podinfo.test canary weight 10"))


async def test_event_hooks_get_the_messages_of_a_transition_once_whoever_restarts(chat: Chat, status: Status) -> None:
    hook, status.state = EventHook(is_there=True), ADVANCED
    first, second = process(chat, "agent-1", hook), process(chat, "agent-2", hook)
    for alerter in (first, first, second):
        await tick(alerter, status)
    assert hook.sent == list(ADVANCED.transition.messages)
    assert (status.state, status.writes) == (taken_on(ADVANCED, "agent-1"), 1)


async def test_alerts_and_events_of_a_transition_are_taken_on_with_one_write(chat: Chat, status: Status) -> None:
    hook = EventHook(is_there=True)
    await tick(process(chat, hook=hook), status)
    assert (chat.sent, hook.sent, status.writes) == (list(TRANSITION.alerts), list(TRANSITION.transition.messages), 1)


async def test_an_event_hook_that_is_added_later_is_not_sent_what_happened_before(chat: Chat, status: Status) -> None:
    hook, status.state = EventHook(), ADVANCED
    alerter = process(chat, hook=hook)
    await tick(alerter, status)
    hook.is_there = True
    await tick(alerter, status)
    assert (hook.sent, status.writes) == ([], 0)


async def test_the_status_is_not_written_for_alerts_that_nobody_gets(chat: Chat, status: Status) -> None:
    chat.is_there = False
    await process(chat).alert_transition(canary_object(), canary(), TRANSITION, status.store)
    assert (status.writes, chat.sent) == (0, [])
