"""Turns are given to the most urgent, to so many at once, and one that hangs holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.turns import Turn, Turns, Urgency
from tests.support.eventually import eventually
from tests.support.patience import AGES_S


@dataclass
class Ticks:
    """Ticks that end when they are told to. `begun` are those that got their turn, in this order."""

    turns: Turns
    begun: list[str] = field(default_factory=list)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def ask(self, **urgencies: Urgency) -> None:
        """Ask for turns, one after the other."""
        for name, urgency in urgencies.items():
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._tick(name, urgency), name=name)
            await settle()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settle()

    async def _tick(self, name: str, urgency: Urgency) -> None:
        turn = Turn(self.turns)
        await turn.take(urgency)
        self.begun.append(name)
        try:
            await self._ends[name].wait()
        finally:
            turn.give_back()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def ticks(at_once: int, *, at_most: int = 100, overdue_s: float = AGES_S) -> AsyncIterator[Ticks]:
    made = Ticks(Turns(at_once, at_most=at_most, overdue_s=overdue_s))
    try:
        yield made
    finally:
        for task in made.tasks.values():
            task.cancel()
        await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def test_so_many_are_let_in_at_once_and_the_most_urgent_of_those_that_wait_is_next() -> None:
    async with ticks(2) as ticking:
        await ticking.ask(a=Urgency.RESTING, b=Urgency.RESTING)
        await ticking.ask(c=Urgency.RESTING, d=Urgency.RUNNING, e=Urgency.EXPOSED, f=Urgency.PULL, g=Urgency.PULL)
        assert ticking.begun == ["a", "b"]
        for ended in ("b", "f", "g", "e", "d"):
            await ticking.end(ended)
        assert ticking.begun == ["a", "b", "f", "g", "e", "d", "c"]


async def test_one_that_is_cancelled_while_it_waits_or_just_when_it_is_let_in_leaves_its_turn_to_the_next() -> None:
    async with ticks(1) as ticking:
        await ticking.ask(a=Urgency.RESTING, b=Urgency.PULL, c=Urgency.EXPOSED, d=Urgency.RESTING)
        ticking.tasks["b"].cancel()
        await settle()
        ticking._ends["a"].set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ticking.tasks["c"].cancel()
        await settle()
        assert ticking.begun[-1] == "d"


async def test_one_that_hangs_lets_another_in_but_not_more_than_allowed() -> None:
    async with ticks(1, at_most=3, overdue_s=0.0) as ticking:
        await ticking.ask(**dict.fromkeys("abcde", Urgency.RESTING))
        await eventually(lambda: len(ticking.begun), lambda count: count >= 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert ticking.begun == ["a", "b", "c"]
        await ticking.end("b")
        assert ticking.begun == ["a", "b", "c", "d"]
