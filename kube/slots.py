"""Slots for what asks others: so many at once, the most urgent first, and no owner at the cost of the others."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


_LOOKS_FOR_LATE_S: Final = 0.25

# An answer lies there for so long at most: who waits for more of this process's own time does not wait for that.
_OWN_AT_MOST_S: Final = 1.0


class SlotPace(Protocol):
    """What says how many slots there are, as `kube.pace.Pace` does. Each is asked whenever it matters."""

    @property
    def at_once(self) -> int:
        """Return how many there are now."""

    @property
    def alone_s(self) -> float:
        """Return for how many more seconds only those have one that may go on, see `Slots`."""

    @property
    def gives_way_s(self) -> float:
        """Return for how many more seconds only those have one that may go on, and those that are late."""

    @property
    def patience_s(self) -> float:
        """Return after how many seconds of waiting one is late, see `Slots`."""

    @property
    def hangs_after_s(self) -> float:
        """Return after how many seconds without progress a slot's holder hangs."""


@dataclass(frozen=True, slots=True)
class FixedPace:
    """A pace that stays as it is."""

    at_once: int
    hangs_after_s: float
    alone_s: float = 0.0
    gives_way_s: float = 0.0
    patience_s: float = math.inf


@dataclass(slots=True, eq=False)
class Slot:
    """One slot, waited for or taken. `has_hung`: it let another in at some time. `is_late`: it waited for long."""

    owner: str
    rank: int
    is_suspect: bool
    granted: asyncio.Future[None]
    turn: int
    number: int
    since_s: float
    is_late: bool = False
    moved_at_s: float = 0.0
    own_s: float = 0.0
    timer: asyncio.TimerHandle | None = None
    is_hanging: bool = False
    has_hung: bool = field(default=False)


class _Queue(NamedTuple):
    """Whose turns are in one order: an owner's, and of them those that hung the last time, and those that are late."""

    owner: str
    is_suspect: bool
    is_late: bool


_Entry: TypeAlias = tuple[int, bool, int, int, Slot]


class Slots:
    """The slots of one pace, shared by owners, which are namespaces.

    Of those that are equally urgent, the owner is next that was served less of late, and of one owner the one that
    waited longer. A slot whose holder hangs is not counted, until there are `at_most` in all. One owner has
    `most_of_owner` at most, three quarters of them where that is not said, and those that hung the last time have half:
    however many of them there are, others find slots. Each owner has a queue, of which only the first is looked at:
    however many wait there, it costs the others nothing. While the pace is for the most urgent alone, those of a rank
    up to `goes_on` have slots.

    Those of a higher rank that have waited for the pace's `patience_s` are late. A quarter of the slots is theirs,
    unless one of rank 0 waits: they go on however many come that are more urgent. While the pace gives way to others
    they and those of a rank up to `goes_on` are the only ones. `own_s` is `kube.own_time.own_s`: for as long nobody
    hangs.
    """

    def __init__(
        self,
        pace: SlotPace,
        *,
        at_most: int,
        most_of_owner: int = 0,
        goes_on: int = 0,
        own_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._pace = pace
        self._goes_on = goes_on
        self._own_s = own_s
        self._at_most = at_most
        self._most_of_owner = most_of_owner or max(at_most * 3 // 4, 1)
        self._queues: dict[_Queue, list[_Entry]] = {}
        # The first of each queue that has room, and its number: others have come before it since where it has another.
        self._first: list[_Entry] = []
        self._first_late: list[_Entry] = []
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
        self._is_to_sort = False

    @property
    def waiting(self) -> int:
        """Return how many wait for a slot."""
        return self._waiting

    @property
    def most_urgent(self) -> int | None:
        """Return the lowest rank of those that wait and may have a slot of their owner, None when nobody does.

        Those that are late count as those that go on.
        """
        ranks = [self._goes_on] if self._waits_in(self._first_late) else []
        ranks += [self._first[0][0]] if self._waits_in(self._first) else []
        return min(ranks, default=None)

    def gives_way(self, rank: int) -> bool:
        """Return whether one of this rank would wait now, however few others do."""
        return rank > self._goes_on and self._pace.gives_way_s > 0

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
        loop = asyncio.get_running_loop()
        # As in fair queueing: whoever comes with a hundred at once stands behind those who come with one.
        turn = max(self._served, self._served_of.get(owner, 0)) + 1
        self._served_of[owner] = turn
        slot = Slot(owner, rank, is_suspect, loop.create_future(), turn, next(self._numbers), loop.time())
        self._line_up(slot)
        self._show_first(_queue_of(slot))
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
        self._move(slot)
        self._set_hanging(slot, is_hanging=False)

    def _grant(self) -> None:
        while len(self._taken) < min(self._pace.at_once + self._hanging, self._at_most):
            first = self._next()
            if first is None:
                break
            *_, slot = heapq.heappop(first)
            queue = _queue_of(slot)
            if not self._has_room_for(slot):
                self._full.add(queue)
                continue
            self._served = max(self._served, slot.turn)
            self._begin(slot)
            self._show_first(queue)
        if not self._waiting:
            self._forget()
        elif not self._is_to_sort and self._pace.patience_s < math.inf:
            self._is_to_sort = True
            asyncio.get_running_loop().call_later(_LOOKS_FOR_LATE_S, self._look_for_late)

    def _next(self) -> list[_Entry] | None:
        """Return of which the first is next, None where nobody may have a slot now."""
        is_any, is_any_late = self._waits_in(self._first), self._waits_in(self._first_late)
        rank = self._first[0][0] if is_any else math.inf
        alone_s, gives_way_s = self._pace.alone_s, self._pace.gives_way_s
        if is_any_late and alone_s <= 0 and rank > 0 and (rank > self._goes_on or self._has_room_for_late()):
            return self._first_late
        waits_s = alone_s or gives_way_s
        if is_any and (rank <= self._goes_on or waits_s <= 0):
            return self._first
        if is_any or is_any_late:
            self._wake_after(waits_s)
        return None

    def _has_room_for_late(self) -> bool:
        late = sum(slot.is_late and not slot.is_hanging for slot in self._taken)
        return late < max(self._pace.at_once // 4, 1)

    def _waits_in(self, first: list[_Entry]) -> bool:
        while first and first[0][-1].granted.done():
            self._show_first(_queue_of(heapq.heappop(first)[-1]))
        return bool(first)

    def _look_for_late(self) -> None:
        self._is_to_sort = False
        late_since_s = asyncio.get_running_loop().time() - self._pace.patience_s
        entries = [entry for entries in self._queues.values() for entry in entries]
        waiting = [slot for *_, slot in entries if not slot.granted.done()]
        for slot in waiting:
            slot.is_late = slot.is_late or (slot.rank > self._goes_on and slot.since_s <= late_since_s)
        for each in (self._queues, self._first, self._first_late, self._shown):
            each.clear()
        for slot in waiting:
            self._line_up(slot)
        for queue in list(self._queues):
            self._show_first(queue)
        self._grant()

    def _line_up(self, slot: Slot) -> None:
        rank = self._goes_on if slot.is_late else slot.rank
        entry = (rank, slot.is_suspect and not slot.is_late, slot.turn, slot.number, slot)
        heapq.heappush(self._queues.setdefault(_queue_of(slot), []), entry)

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
            heapq.heappush(self._first_late if queue.is_late else self._first, entries[0])

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
        self._first_late.clear()
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
        self._move(slot)
        self._look_after(slot, self._pace.hangs_after_s)
        slot.granted.set_result(None)

    def _move(self, slot: Slot) -> None:
        slot.moved_at_s, slot.own_s = asyncio.get_running_loop().time(), self._own_s()

    def _look_after(self, slot: Slot, seconds: float) -> None:
        slot.timer = asyncio.get_running_loop().call_later(seconds, self._look_at, slot)

    def _look_at(self, slot: Slot) -> None:
        """Let another in where a slot's holder had no answer for too long; else look again when that may be so."""
        hangs_after_s, now_s = self._pace.hangs_after_s, asyncio.get_running_loop().time()
        # As long as this process works for others, or waits for a core, an answer may lie there.
        own_s = min(max(self._own_s() - slot.own_s, 0.0), _OWN_AT_MOST_S)
        left_s = slot.moved_at_s + hangs_after_s + own_s - now_s
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
    return _Queue(slot.owner, slot.is_suspect, slot.is_late)
