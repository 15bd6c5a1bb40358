"""Waiting for answers: what is more urgent than they are, and what is not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.ask import Answered, AskOutcome, ask_while_current
from canary.run.observation import Observation, Target
from canary.run.readiness import Readiness
from canary.run.state import TargetIdentity
from tests.support.eventually import eventually


def target(revision: str, generation: int = 1) -> Target:
    return Target(TargetIdentity("uid", generation, revision), 2, Readiness(is_ready=True, has_available=True))


BEFORE = Observation(now_s=1.0, target=target("rev-1"), primary=None, route=None)


@dataclass
class Waiting:
    """A tick that waits for answers. `now` is what it observes when it looks, `looks` how often it did."""

    now: Observation = BEFORE
    generation: int = 1
    looks: int = 0
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_cancelled: bool = False

    def observe(self) -> Observation:
        self.looks += 1
        return self.now

    async def answering(self) -> Answered:
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return Answered(BEFORE, frozenset({"a call"}))

    def ask(self) -> Awaitable[AskOutcome]:
        return ask_while_current(
            self.answering(),
            self.woken,
            asked_about=BEFORE,
            generation=lambda: self.generation,
            observe=self.observe,
        )


@pytest.fixture
async def waiting() -> Waiting:
    return Waiting()


async def until_asked(waiting: Waiting, change: Callable[[], None]) -> AskOutcome:
    """Ask, let `change` happen while the answers are awaited, and return the outcome."""
    asked = asyncio.ensure_future(waiting.ask())
    await asyncio.sleep(0)
    change()
    waiting.woken.set()
    return await asked


@pytest.mark.parametrize(
    "change",
    [
        {"request": "promote"},
        {"is_deleted": True},
        {"flagger": "Lease gloo-system/flagger-leader-election: held by 'a'"},
        {"target": None},
        {"target": target("rev-2")},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_is_more_urgent_does_not_wait_for_the_answers(waiting: Waiting, change: dict[str, Any]) -> None:
    now = replace(BEFORE, **change)
    outcome = await until_asked(waiting, lambda: setattr(waiting, "now", now))
    assert outcome == AskOutcome(now)
    await eventually(lambda: waiting.is_cancelled, bool)


async def test_an_edited_spec_makes_the_questions_void(waiting: Waiting) -> None:
    outcome = await until_asked(waiting, lambda: setattr(waiting, "generation", 2))
    assert outcome.is_spec_edited
    assert outcome.answered is None


async def test_other_changes_wait_and_are_in_the_observation_that_comes_with_the_answers(waiting: Waiting) -> None:
    asked = asyncio.ensure_future(waiting.ask())
    waiting.now = replace(BEFORE, now_s=2.0, target=target("rev-1", generation=2))
    waiting.woken.set()
    await eventually(lambda: waiting.looks, lambda looks: looks == 1)
    assert not asked.done()
    waiting.answer.set()
    outcome = await asked
    assert outcome == AskOutcome(waiting.now, Answered(BEFORE, frozenset({"a call"})))
