"""Slots for what asks others: so many at once, the most urgent first, and no owner at the cost of the others."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SlotPace(Protocol):
    """What says how many slots there are, as `kube.pace.Pace` does. Each is asked whenever it matters."""

    @property
    def at_once(self) -> int:
        """Return how many there are now."""

    @property
    def alone_s(self) -> float:
        """Return for how many more seconds only those have one that may go on, see `Slots`."""

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


class _Queue(NamedTuple):
    """Whose turns are bounded together: an owner's, and of them those that hung the last time."""

    owner: str
    is_suspect: bool


_Entry: TypeAlias = tuple[int, bool, int, int, Slot]


class Slots:
    """The slots of one pace, shared by owners, which are namespaces.

    Of those that are equally urgent, the owner is next that was served less of late, and of one owner the one that
    waited longer. A slot whose holder hangs is not counted, until there are `at_most` in all. One owner has
    `most_of_owner` at most, three quarters of them where that is not said, and those that hung the last time have half:
    however many of them there are, others find slots. Each owner has a queue, of which only the first is looked at:
    however many wait there, it costs the others nothing. While the pace is for the most urgent alone, those of a rank
    up to `goes_on` have slots.
    """

    def __init__(self, pace: SlotPace, *, at_most: int, most_of_owner: int = 0, goes_on: int = 0) -> None:
        self._pace = pace
        self._goes_on = goes_on
        self._at_most = at_most
        self._most_of_owner = most_of_owner or max(at_most * 3 // 4, 1)
        self._queues: dict[_Queue, list[_Entry]] = {}
        # The first of each queue that has room, and its number: others have come before it since where it has another.
        self._first: list[_Entry] = []
        self._shown: dict[_Queue, int] = {}
        self._full: set[_Queue] = set()
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
        """Return the lowest rank of those that wait and may have a slot of their owner, None when nobody does."""
        while self._first and self._first[0][-1].granted.done():
            self._show_first(_queue_of(heapq.heappop(self._first)[-1]))
        return self._first[0][0] if self._first else None

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
        queue = _queue_of(slot)
        heapq.heappush(self._queues.setdefault(queue, []), (rank, is_suspect, turn, next(self._numbers), slot))
        self._show_first(queue)
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
            self._look_again_at_full(slot)
        elif slot.granted.cancel() or slot.granted.cancelled():
            self._waiting -= 1
        self._grant()

    def note_progress(self, slot: Slot) -> None:
        """Note that a slot's holder got an answer: it does not hang."""
        slot.moved_at_s = asyncio.get_running_loop().time()
        self._set_hanging(slot, is_hanging=False)

    def _grant(self) -> None:
        while self._first and len(self._taken) < min(self._pace.at_once + self._hanging, self._at_most):
            entry = self._first[0]
            rank, _, turn, _, slot = entry
            queue = _queue_of(slot)
            if slot.granted.done():
                heapq.heappop(self._first)
                self._show_first(queue)
                continue
            if rank > self._goes_on and self._pace.alone_s > 0:
                self._wake_after(self._pace.alone_s)
                break
            heapq.heappop(self._first)
            if not self._has_room_for(slot):
                self._full.add(queue)
                continue
            self._served = max(self._served, turn)
            self._begin(slot)
            self._show_first(queue)
        if not self._waiting:
            self._forget()

    def _show_first(self, queue: _Queue) -> None:
        """Show the first of a queue to those who grant, unless it is shown already or its queue has no room."""
        entries = self._queues.get(queue, [])
        while entries and entries[0][-1].granted.done():
            heapq.heappop(entries)
        if not entries:
            self._queues.pop(queue, None)
            self._shown.pop(queue, None)
        elif queue not in self._full and self._shown.get(queue) != entries[0][3]:
            self._shown[queue] = entries[0][3]
            heapq.heappush(self._first, entries[0])

    def _look_again_at_full(self, ended: Slot) -> None:
        """Look again at the queues that may have room now that a slot is given back."""
        for queue in [
            each for each in self._full if each.owner == ended.owner or (each.is_suspect and ended.is_suspect)
        ]:
            self._full.discard(queue)
            self._shown.pop(queue, None)
            self._show_first(queue)

    def _forget(self) -> None:
        """Begin anew when nobody waits: who was served long ago is as everybody."""
        self._served = 0
        self._served_of.clear()
        self._queues.clear()
        self._first.clear()
        self._shown.clear()
        self._full.clear()

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


def _queue_of(slot: Slot) -> _Queue:
    return _Queue(slot.owner, slot.is_suspect)
