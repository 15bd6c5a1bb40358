"""Messages are reported once for each transition, and again after a restart only under the same event's name."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.reporting.events import EventReporter
from canary.run.messages import Message, info, warning
from canary.run.state import State

OBJECT = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo", "namespace": "test"}}


@dataclass
class Recorded:
    """Takes the place of the event recorder's queue, and shows what was put into it."""

    events: list[tuple[str, str, str]] = field(default_factory=list)
    written: list[asyncio.Event] = field(default_factory=list)

    def record(self, obj: dict[str, Any], type_: str, reason: str, message: str, *, once: str = "") -> asyncio.Event:
        assert obj is OBJECT
        assert reason == "Synced"
        self.events.append((type_, message, once))
        self.written.append(asyncio.Event())
        return self.written[-1]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def ignore_remark(obj: dict[str, Any], message: Message) -> None:
    """Stand for the event hooks of a canary that has none."""


def reporter(recorded: Recorded) -> EventReporter:
    made = EventReporter(recorded, ignore_remark)
    made.report_transition(OBJECT, State(), 2.0)
    return made


TRANSITION = State().transition_to(State(), 1.0, info("one"), warning("two"))


def test_each_message_of_a_transition_is_reported_once(recorded: Recorded) -> None:
    reports = reporter(recorded)
    reports.report_transition(OBJECT, TRANSITION, 2.0)
    reports.report_transition(OBJECT, TRANSITION, 2.0)
    assert [event[:2] for event in recorded.events] == [("Normal", "one"), ("Warning", "two")]


def test_a_restarted_agent_names_the_same_events_and_logs_nothing(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    reporter(recorded).report_transition(OBJECT, TRANSITION, 2.0)
    with caplog.at_level(logging.INFO):
        caplog.clear()
        EventReporter(recorded, ignore_remark).report_transition(OBJECT, TRANSITION, 2.0)
    names = [event[2] for event in recorded.events]
    assert names[:2] == names[2:]
    assert len(set(names)) == 2
    assert not caplog.records


def test_two_transitions_have_events_of_their_own_even_with_the_same_words(recorded: Recorded) -> None:
    reports = reporter(recorded)
    reports.report_transition(OBJECT, TRANSITION, 2.0)
    reports.report_transition(OBJECT, TRANSITION.transition_to(TRANSITION, 2.0, info("one")), 2.0)
    names = [event[2] for event in recorded.events]
    assert len(set(names)) == 3


def test_a_remark_is_reported_again_only_when_it_changes_or_something_happened(recorded: Recorded) -> None:
    reports = reporter(recorded)
    for remark in ("0 of 2", "0 of 2", "1 of 2"):
        reports.report_remarks(OBJECT, (warning(remark),))
    assert [event[1] for event in recorded.events] == ["0 of 2", "1 of 2"]
    reports.report_transition(OBJECT, TRANSITION, 2.0)
    reports.report_remarks(OBJECT, (warning("1 of 2"),))
    assert [event[1] for event in recorded.events][-1] == "1 of 2"


async def test_a_transition_counts_as_written_when_all_its_events_are(recorded: Recorded) -> None:
    reports = reporter(recorded)
    reports.report_transition(OBJECT, TRANSITION, 2.0)
    waiting = asyncio.create_task(reports.wait_written(), name="waiting")
    recorded.written[0].set()
    await asyncio.sleep(0)
    assert not waiting.done()
    recorded.written[1].set()
    await waiting


def test_each_remark_is_passed_on_once_and_no_message_of_a_transition(recorded: Recorded) -> None:
    remarked: list[str] = []
    made = EventReporter(recorded, lambda obj, message: remarked.append(message.text))
    made.report_transition(OBJECT, State().transition_to(State(), 1.0, info("one")), 2.0)
    for _ in range(2):
        made.report_remarks(OBJECT, (warning("podinfo.test not ready"), info("still")))
    assert remarked == ["podinfo.test not ready", "still"]
