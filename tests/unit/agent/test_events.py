"""Messages are reported once for each transition, and again after a restart only under the same event's name."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.reporting.events import EventReporter
from canary.run.messages import Message, info, not_ready, warning
from canary.run.phase import Phase
from canary.run.state import Blocker, HookAnswers, Revisions, State

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


AN_HOUR_LATER_S = 3602.0


def test_what_a_run_under_way_was_about_is_told_after_a_restart_whatever_the_next_agents_clock(
    recorded: Recorded,
) -> None:
    under_way = replace(State(), phase=Phase.PROGRESSING).transition_to(
        replace(State(), phase=Phase.PROGRESSING), 1.0, info("Advance podinfo.test canary weight 10")
    )
    EventReporter(recorded, ignore_remark).report_transition(OBJECT, under_way, AN_HOUR_LATER_S)
    assert [event[1] for event in recorded.events] == ["Advance podinfo.test canary weight 10"]


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"phase": Phase.SUCCEEDED}, False),
        ({"phase": Phase.SUCCEEDED, "hooks": HookAnswers(post_rollout_pending=True)}, True),
        ({"phase": Phase.FAILED, "revisions": Revisions(analysed="2", finished="1")}, True),
        ({"phase": Phase.PROGRESSING, "blocker": Blocker("InvalidSpec", "spec: ...")}, False),
    ],
)
def test_history_is_not_told_anew_by_each_agent_that_starts(
    recorded: Recorded, changes: dict[str, Any], *, is_told: bool
) -> None:
    ended = replace(State(), **changes)
    state = ended.transition_to(ended, 1.0, info("it is over"))
    EventReporter(recorded, ignore_remark).report_transition(OBJECT, state, 2.0)
    EventReporter(recorded, ignore_remark).report_transition(OBJECT, state, AN_HOUR_LATER_S)
    assert len(recorded.events) == (2 if is_told else 1)


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


class Waits:
    """A canary whose primary comes up step by step; `at` is what is seen of it so many seconds after the first look."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded, self._now_s = recorded, 0.0
        self._reports = EventReporter(recorded, ignore_remark, clock=lambda: 1000.0 + self._now_s)
        self._reports.report_transition(OBJECT, State(), 2.0)

    def at(self, seconds: float, explanation: str = "", *others: Message) -> list[str]:
        """Return all that was told by then; without an explanation it is up."""
        self._now_s = seconds
        waits = (not_ready("app-primary.test", explanation, is_canary_side=False),) if explanation else ()
        self._reports.report_remarks(OBJECT, (*waits, *others))
        return [text.removeprefix("app-primary.test not ready: ") for _, text, _ in self._recorded.events]


def test_a_wait_that_is_soon_over_is_not_told(recorded: Recorded) -> None:
    wait = Waits(recorded)
    assert wait.at(0, "0 of 1 new") == []
    assert wait.at(2, "0 of 1 available") == []
    assert wait.at(3) == []
    # The next one is another wait.
    assert wait.at(5, "0 of 1 new") == []


def test_a_wait_that_lasts_is_told_as_it_stands_by_then_and_again_as_it_goes_on(recorded: Recorded) -> None:
    wait = Waits(recorded)
    wait.at(0, "0 of 9")
    assert wait.at(5, "1 of 9") == ["1 of 9"]
    assert wait.at(6, "2 of 9") == ["1 of 9"]
    assert wait.at(11, "3 of 9") == ["1 of 9", "3 of 9"]
    assert wait.at(60, "3 of 9") == ["1 of 9", "3 of 9"]


def test_what_is_told_beside_a_wait_is_told_once_and_at_once(recorded: Recorded) -> None:
    wait = Waits(recorded)
    assert wait.at(0, "0 of 9", warning("no autoscaler")) == ["no autoscaler"]
    assert wait.at(5, "0 of 9", warning("no autoscaler")) == ["no autoscaler", "0 of 9"]
    assert wait.at(6, "1 of 9", warning("no autoscaler")) == ["no autoscaler", "0 of 9"]
    assert wait.at(7, "", warning("no autoscaler")) == ["no autoscaler", "0 of 9"]


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


def test_a_failure_in_between_does_not_begin_a_wait_anew(recorded: Recorded) -> None:
    now_s = [100.0]
    reports = EventReporter(recorded, ignore_remark, clock=lambda: now_s[0])
    waits = not_ready("podinfo.test", "0 of 1 updated replicas are available", is_canary_side=True)
    for _ in range(4):
        reports.report_remarks(OBJECT, (waits,))
        now_s[0] += 2
        reports.report_failure(OBJECT, warning("the API server is away"))
    assert [text for _, text, _ in recorded.events].count(waits.text) == 1
