"""Turns: so many canaries are ticked at once, and whose traffic is at stake comes first.

Hundreds of changes at once would otherwise be hundreds of requests at once. The API server, the users' own requests and
this agent's Lease would all wait for them, and decisions would be old when they are written.
"""

import asyncio
import heapq
from enum import IntEnum
from itertools import count
from typing import Final

# A sandbox's API server on two cores is busy with eight writes, and answers a user beside them.
_AT_ONCE: Final = 8

# A request that hangs, on somebody's admission webhook say, must not keep the others from their turns.
_OVERDUE_S: Final = 2.0
_AT_MOST: Final = 32


class Urgency(IntEnum):
    """Who goes first. Of two that are equal, the one that waited longer."""

    PULL = 0
    """Its traffic is to be pulled off the canary side."""
    EXPOSED = 1
    """Its canary side has traffic."""
    RUNNING = 2
    RESTING = 3


class Turns:
    """The turns of one agent. A turn that takes longer than `overdue_s` lets another one in, up to `at_most` in all."""

    def __init__(self, at_once: int = _AT_ONCE, *, at_most: int = _AT_MOST, overdue_s: float = _OVERDUE_S) -> None:
        self._at_once = at_once
        self._at_most = at_most
        self._overdue_s = overdue_s
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []
        self._taken: dict[int, asyncio.TimerHandle] = {}
        self._overdue: set[int] = set()
        self._numbers = count()

    @property
    def waiting(self) -> int:
        """Return how many wait for a turn."""
        return sum(not granted.done() for _, _, granted in self._waiting)

    async def take(self, urgency: Urgency) -> int:
        """Wait for a turn; return its number, with which to give it back."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        heapq.heappush(self._waiting, (urgency, number, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            granted.cancel()
            self.give_back(number)
            raise
        return number

    def give_back(self, number: int) -> None:
        """End a turn, if it has begun."""
        timer = self._taken.pop(number, None)
        if timer is not None:
            timer.cancel()
        self._overdue.discard(number)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and len(self._taken) < min(self._at_once + len(self._overdue), self._at_most):
            _, number, granted = heapq.heappop(self._waiting)
            if granted.done():
                continue
            loop = asyncio.get_running_loop()
            self._taken[number] = loop.call_later(self._overdue_s, self._let_another_in, number)
            granted.set_result(None)

    def _let_another_in(self, number: int) -> None:
        self._overdue.add(number)
        self._grant()


class Turn:
    """The turn of one canary: what takes as long as others take to answer is waited for without it."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._number: int | None = None

    async def take(self, urgency: Urgency) -> None:
        """Wait for it, unless it is on."""
        if self._number is None:
            self._number = await self._turns.take(urgency)

    def give_back(self) -> None:
        """Let others in, if it is on."""
        if self._number is not None:
            self._turns.give_back(self._number)
            self._number = None
