"""Slots for what asks others: so many at once, the most urgent first, and no owner at the cost of the others."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SlotPace(Protocol):
    """What says how many slots there are, as `kube.pace.Pace` does. Each is asked whenever it matters."""

    @property
    def at_once(self) -> int:
        """Return how many there are now."""

    @property
    def alone_s(self) -> float:
        """Return for how many more seconds nobody but the most urgent has one."""

    @property
    def hangs_after_s(self) -> float:
        """Return after how many seconds without progress a slot's holder hangs."""


@dataclass(frozen=True, slots=True)
class FixedPace:
    """A pace that stays as it is."""

    at_once: int
    hangs_after_s: float
    alone_s: float = 0.0


@dataclass(slots=True, eq=False)
class Slot:
    """One slot, waited for or taken. `has_hung`: it let another in at some time."""

    owner: str
    is_suspect: bool
    granted: asyncio.Future[None]
    moved_at_s: float = 0.0
    timer: asyncio.TimerHandle | None = None
    is_hanging: bool = False
    has_hung: bool = field(default=False)


class Slots:
    """The slots of one pace, shared by owners, which are namespaces.

    Of those that are equally urgent, the owner is next that was served less of late, and of one owner the one that
    waited longer. A slot whose holder hangs is not counted, until there are `at_most` in all. One owner has
    `most_of_owner` at most, three quarters of them where that is not said, and those that hung the last time have half:
    however many of them there are, others find slots.
    """

    def __init__(self, pace: SlotPace, *, at_most: int, most_of_owner: int = 0) -> None:
        self._pace = pace
        self._at_most = at_most
        self._most_of_owner = most_of_owner or max(at_most * 3 // 4, 1)
        self._heap: list[tuple[int, bool, int, int, Slot]] = []
        self._numbers = count()
        self._waiting = 0
        self._taken: set[Slot] = set()
        self._hanging = 0
        self._suspects = 0
        self._of_owner: Counter[str] = Counter()
        self._served = 0
        self._served_of: dict[str, int] = {}
        self._is_to_wake = False

    @property
    def waiting(self) -> int:
        """Return how many wait for a slot."""
        return self._waiting

    @property
    def most_urgent(self) -> int | None:
        """Return the lowest rank of those that wait, None when nobody does."""
        while self._heap and self._heap[0][-1].granted.done():
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @asynccontextmanager
    async def of(self, owner: str, rank: int = 0) -> AsyncIterator[Slot]:
        """Take a slot for as long as the block lasts; see `take`."""
        slot = await self.take(owner, rank)
        try:
            yield slot
        finally:
            self.give_back(slot)

    async def take(self, owner: str, rank: int = 0, *, is_suspect: bool = False) -> Slot:
        """Wait for a slot. A lower `rank` is more urgent, and 0 most of all. `is_suspect`: it hung the last time."""
        slot = Slot(owner, is_suspect, asyncio.get_running_loop().create_future())
        # As in fair queueing: whoever comes with a hundred at once stands behind those who come with one.
        turn = max(self._served, self._served_of.get(owner, 0)) + 1
        self._served_of[owner] = turn
        heapq.heappush(self._heap, (rank, is_suspect, turn, next(self._numbers), slot))
        self._waiting += 1
        self._grant()
        try:
            await slot.granted
        except asyncio.CancelledError:
            self.give_back(slot)
            raise
        return slot

    def give_back(self, slot: Slot) -> None:
        """End a slot, or the wait for it."""
        if slot in self._taken:
            self._taken.discard(slot)
            self._suspects -= slot.is_suspect
            self._of_owner[slot.owner] -= 1
            if not self._of_owner[slot.owner]:
                del self._of_owner[slot.owner]
            self._set_hanging(slot, is_hanging=False)
            if slot.timer is not None:
                slot.timer.cancel()
        elif slot.granted.cancel() or slot.granted.cancelled():
            self._waiting -= 1
        self._grant()

    def note_progress(self, slot: Slot) -> None:
        """Note that a slot's holder got an answer: it does not hang."""
        slot.moved_at_s = asyncio.get_running_loop().time()
        self._set_hanging(slot, is_hanging=False)

    def _grant(self) -> None:
        left_out = []
        while self._heap and len(self._taken) < min(self._pace.at_once + self._hanging, self._at_most):
            entry = heapq.heappop(self._heap)
            rank, _, turn, _, slot = entry
            if slot.granted.done():
                continue
            if rank > 0 and self._pace.alone_s > 0:
                left_out.append(entry)
                self._wake_after(self._pace.alone_s)
                break
            if not self._has_room_for(slot):
                left_out.append(entry)
                continue
            self._served = max(self._served, turn)
            self._begin(slot)
        for entry in left_out:
            heapq.heappush(self._heap, entry)
        if not self._heap:
            self._served = 0
            self._served_of.clear()

    def _has_room_for(self, slot: Slot) -> bool:
        is_below = self._of_owner[slot.owner] < self._most_of_owner
        return is_below and (not slot.is_suspect or self._suspects < max(self._at_most // 2, 1))

    def _begin(self, slot: Slot) -> None:
        self._waiting -= 1
        self._taken.add(slot)
        self._suspects += slot.is_suspect
        self._of_owner[slot.owner] += 1
        slot.moved_at_s = asyncio.get_running_loop().time()
        self._look_after(slot, self._pace.hangs_after_s)
        slot.granted.set_result(None)

    def _look_after(self, slot: Slot, seconds: float) -> None:
        slot.timer = asyncio.get_running_loop().call_later(seconds, self._look_at, slot)

    def _look_at(self, slot: Slot) -> None:
        """Let another in where a slot's holder had no answer for too long; else look again when that may be so."""
        hangs_after_s = self._pace.hangs_after_s
        left_s = slot.moved_at_s + hangs_after_s - asyncio.get_running_loop().time()
        if left_s > 0:
            self._look_after(slot, left_s)
            return
        self._set_hanging(slot, is_hanging=True)
        slot.has_hung = True
        self._look_after(slot, hangs_after_s)
        self._grant()

    def _set_hanging(self, slot: Slot, *, is_hanging: bool) -> None:
        self._hanging += is_hanging - slot.is_hanging
        slot.is_hanging = is_hanging

    def _wake_after(self, seconds: float) -> None:
        """Look again when the most urgent are not the only ones any more."""
        if not self._is_to_wake:
            self._is_to_wake = True
            asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._is_to_wake = False
        self._grant()
