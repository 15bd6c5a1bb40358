"""The bounds of concurrent runs, and the queue of those that wait: known from what is stored, so that it outlives us.

A run counts while it is under way and goes on by itself. One that waits for somebody (paused, suspended, at a gate)
counts for a minute more: nobody's holiday keeps a whole cluster from its rollouts. It goes on at once when it is
resumed, so there may be more of them for a while.

Where several leaders share the namespaces each shard has its part of the bound, and a queue of its own: what another
leader begins is known only once a watch tells of it, and two that see the same room would both take it.
"""

import asyncio
import math
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent.shards.assignment import shard_of
from canary.api.canary import GLOO
from canary.api.parts import condition_of, items_of, mapping_of, text_of
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.queue import Place, Queued
from canary.run.state import State
from canary.run.status import READY
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.errors import Conflict
from kube.resource import Object
from kube.store import Change, Key

# A gate that is asked each interval may open in the next one.
_HELD_COUNTS_S: Final = 60.0

# Whose turn it is and whose ticks fail lets others go first, and is asked again later; then it stands behind all those.
_TAKEN_WITHIN_S: Final = 30.0
_PASSED_OVER_S: Final = 600.0
_PASSED_OVER_TIMES: Final = 2

# Whoever begins to wait before our eyes has done so within so long, by the clock of whoever wrote it.
_BEGAN_WITHIN_S: Final = 60.0

_LOOKS_EVERY_S: Final = 10.0
_TELLS_EVERY_S: Final = 60.0

_UNDER_WAY: Final = ANALYSING | {Phase.PROMOTING, Phase.FINALISING}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How many runs may be under way at once, in all and in one namespace; 0 is as many as there are.

    `shards`: among how many leaders the namespaces are shared.
    """

    whole: int = 0
    of_namespace: int = 0
    shards: int = 1

    @property
    def are_set(self) -> bool:
        """Return whether there is a bound."""
        return self.whole > 0 or self.of_namespace > 0

    def of_shard(self, shard: int) -> float:
        """Return the part of `whole` that a shard has; the parts of all are `whole` together."""
        if not self.whole:
            return math.inf
        return self.whole * (shard + 1) // self.shards - self.whole * shard // self.shards


@dataclass(frozen=True, slots=True, order=True)
class _Waiter:
    """A canary that waits. Whose analysis is skipped goes first: that is somebody in a hurry, and soon over.

    Whoever did not begin each time it was its turn waits from then on as if it had come then, and without hurry: else
    those that always fail keep all younger ones out.
    """

    is_patient: bool
    since_s: float
    key: Key
    queued: Queued = field(compare=False)


@dataclass(slots=True)
class _Claim:
    """What is known of a canary as long as it has a place that is stored, whether it could begin or not.

    `since_s` is since when it waits as far as that is believed: whoever may write its status may write any moment.
    `passed`: how often others went first because it did not begin; `again_s`: since when it waits anew because of that.
    """

    since_s: float
    passed: int = 0
    again_s: float | None = None
    passed_until_s: float = -math.inf

    @property
    def counts_from_s(self) -> float:
        return self.since_s if self.again_s is None else self.again_s


class _Room:
    """How many runs may begin, by shard and by namespace."""

    def __init__(self, limits: RunLimits, runs: Counter[str]) -> None:
        self._shards = limits.shards
        self._of_namespace = limits.of_namespace or math.inf
        self._left = [limits.of_shard(shard) for shard in range(limits.shards)]
        self._runs = runs
        for namespace, count in runs.items():
            self._left[shard_of(namespace, self._shards)] -= count

    @property
    def is_full(self) -> bool:
        return max(self._left) <= 0

    def is_full_of(self, namespace: str) -> bool:
        return self._runs[namespace] >= self._of_namespace

    def has_any(self, namespace: str) -> bool:
        return self._left[shard_of(namespace, self._shards)] > 0 and not self.is_full_of(namespace)

    def take(self, namespace: str) -> bool:
        """Take room for a run; return whether there was any."""
        if not self.has_any(namespace):
            return False
        self._left[shard_of(namespace, self._shards)] -= 1
        self._runs[namespace] += 1
        return True


class RunQueue:
    """Who may begin a run, for all canaries of one agent. `follow` is told of each change of a Canary."""

    def __init__(
        self,
        limits: RunLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits or RunLimits()
        self._clock = clock
        self._now_s = now_s
        self._counts_until_s: dict[Key, float] = {}
        """Of the runs that are under way: until when they count."""
        self._beginning: set[Key] = set()
        self._claims: dict[Key, _Claim] = {}
        self._waiters: dict[Key, _Waiter] = {}
        self._order: list[_Waiter] = []
        self._offered_at_s: dict[Key, float] = {}
        self._wake: Callable[[Key], bool | None] | None = None
        self._told_at_s = clock()

    @property
    def waiting(self) -> int:
        """Return how many wait."""
        return len(self._order)

    # What is known of the canaries.

    def follow(self, change: Change) -> None:
        """Note what became of a Canary, and wake whoever may begin now."""
        if not self._limits.are_set:
            return
        key, new = change.key, change.new
        queued = None if new is None else _queued_of(new)
        self._note_claim(change, queued)
        waiter = None if new is None or queued is None or not _may_begin(new) else self._waiter(key, new, queued)
        is_freed = self._note_run(key, new, is_run=new is not None and _is_under_way(new))
        known = self._waiters.get(key)
        has_moved = known is not None and waiter is not None and known.queued != waiter.queued
        if known != waiter or has_moved:
            self._note_waiter(key, waiter)
        if is_freed or known != waiter:
            self._offer()

    def _note_claim(self, change: Change, queued: Queued | None) -> None:
        """Note since when a canary waits: never longer than before, nor than it can since it was seen not to wait."""
        if queued is None:
            self._claims.pop(change.key, None)
        elif (known := self._claims.get(change.key)) is not None:
            known.since_s = max(known.since_s, queued.since_s)
        else:
            was_seen = change.old is not None and not change.is_listed
            earliest_s = self._now_s() - _BEGAN_WITHIN_S if was_seen else -math.inf
            self._claims[change.key] = _Claim(max(queued.since_s, earliest_s))

    def _waiter(self, key: Key, obj: Object, queued: Queued) -> _Waiter:
        claim, is_analysed = self._claims[key], mapping_of(obj, "spec").get("skipAnalysis") is not True
        return _Waiter(is_analysed or claim.again_s is not None, claim.counts_from_s, key, queued)

    def _note_run(self, key: Key, obj: Object | None, *, is_run: bool) -> bool:
        """Note a run, or its end; return whether somebody else may begin for it."""
        if obj is None or not is_run:
            return self._counts_until_s.pop(key, None) is not None
        held_until_s = self._counts_until_s.get(key, math.inf)
        if not _is_held(obj):
            self._counts_until_s[key] = math.inf
        elif held_until_s == math.inf:
            self._counts_until_s[key] = self._clock() + _HELD_COUNTS_S
        return False

    def _note_waiter(self, key: Key, waiter: _Waiter | None) -> None:
        known = self._waiters.pop(key, None)
        if known is not None:
            del self._order[bisect_left(self._order, known)]
        if waiter is None:
            self._offered_at_s.pop(key, None)
        else:
            self._waiters[key] = waiter
            insort(self._order, waiter)

    # Who may begin.

    def place_of(self, key: Key) -> Place | None:
        """Return where a canary stands in the queue, None where its run may begin."""
        if not self._limits.are_set or key in self._counts_until_s:
            return None
        room, own = self._room(), self._waiters.get(key)
        for waiter in self._order:
            if waiter is own or room.is_full:
                break
            if self._is_able(waiter):
                room.take(waiter.key.namespace)
        if room.has_any(key.namespace):
            return None
        return self._place(key, own, is_of_namespace=room.is_full_of(key.namespace))

    def _place(self, key: Key, own: _Waiter | None, *, is_of_namespace: bool) -> Place:
        if is_of_namespace:
            others = [waiter for waiter in self._order if waiter.key.namespace == key.namespace]
            bound = f"--max-namespace-runs is {self._limits.of_namespace}"
        else:
            others, bound = self._of_shard(key.namespace), f"--max-runs is {self._limits.whole}"
            if self._limits.shards > 1:
                part = self._limits.of_shard(shard_of(key.namespace, self._limits.shards))
                bound += f", of which its shard has {part}"
        if own is None:
            return Place(len(others) + 1, len(others) + 1, bound)
        return Place(bisect_left(others, own) + 1, len(others), bound)

    def _of_shard(self, namespace: str) -> list[_Waiter]:
        """Return who waits for the same part of the bound."""
        shards = self._limits.shards
        if shards == 1:
            return self._order
        shard = shard_of(namespace, shards)
        return [waiter for waiter in self._order if shard_of(waiter.key.namespace, shards) == shard]

    @contextmanager
    def beginning(self, key: Key, before: State, after: State) -> Iterator[None]:
        """Take room for a run while the intent that begins it is written; what begins none needs none.

        Who asked for this very run (`retry`) does not wait for others, and neither does what takes a run's place.

        Raises:
            kube.errors.Conflict: others have begun meanwhile.
        """
        begins = self._limits.are_set and before.phase in IDLE and after.phase in ANALYSING
        if not begins:
            yield
            return
        is_asked_for = before.control.request != after.control.request
        if not is_asked_for and self.place_of(key) is not None:
            raise Conflict(f"{'/'.join(key)}: other runs began first, it waits for its turn")
        self._beginning.add(key)
        try:
            yield
        finally:
            self._beginning.discard(key)

    def _room(self) -> _Room:
        now_s = self._clock()
        counted = {key for key, until_s in self._counts_until_s.items() if until_s > now_s} | self._beginning
        return _Room(self._limits, Counter(key.namespace for key in counted))

    def _is_able(self, waiter: _Waiter) -> bool:
        return waiter.key not in self._beginning and self._clock() >= self._claims[waiter.key].passed_until_s

    # Who is told.

    async def run(self, wake: Callable[[Key], bool | None]) -> None:
        """Wake by `wake` whose turn it is, or who has come on in the queue, until cancelled.

        `wake` returns False for a canary that this process does not lead.
        """
        if not self._limits.are_set:
            return
        self._wake = wake
        self._offered_at_s.clear()
        for key, claim in self._claims.items():
            self._claims[key] = _Claim(claim.since_s)
        self._sort()
        try:
            while True:
                self._offer()
                self._tell()
                await asyncio.sleep(_LOOKS_EVERY_S)
                self._pass_over_late()
        finally:
            self._wake = None

    def _pass_over_late(self) -> None:
        """Let others go before those whose turn it has been for long."""
        now_s = self._clock()
        late = [key for key, at_s in self._offered_at_s.items() if now_s - at_s >= _TAKEN_WITHIN_S]
        for key in late:
            claim = self._claims[key]
            claim.passed, claim.passed_until_s = claim.passed + 1, now_s + _PASSED_OVER_S
            if claim.passed >= _PASSED_OVER_TIMES:
                claim.passed, claim.again_s = 0, self._now_s()
        if late:
            self._sort()

    def _sort(self) -> None:
        """Put them in order by what is known of them now."""
        for key, waiter in self._waiters.items():
            claim = self._claims[key]
            is_patient = waiter.is_patient or claim.again_s is not None
            self._waiters[key] = replace(waiter, is_patient=is_patient, since_s=claim.counts_from_s)
        self._order = sorted(self._waiters.values())

    def _offer(self) -> None:
        """Wake those whose turn it is, each once."""
        if self._wake is None:
            return
        room, before, now_s = self._room(), self._offered_at_s, self._clock()
        self._offered_at_s = {}
        for waiter in self._order:
            if room.is_full:
                break
            if self._is_able(waiter) and room.take(waiter.key.namespace):
                self._offered_at_s[waiter.key] = before.get(waiter.key, now_s)
                if waiter.key not in before and self._wake(waiter.key) is False:
                    # Another agent leads it, or none does: that it does not begin says nothing of it.
                    del self._offered_at_s[waiter.key]

    def _tell(self) -> None:
        """Wake those that have come on so far that it is worth a write of where they stand; once a minute."""
        if self._clock() - self._told_at_s < _TELLS_EVERY_S:
            return
        self._told_at_s = self._clock()
        room, lengths, before = self._room(), Counter[str | int](), Counter[str | int]()
        for waiter in self._order:
            lengths.update(self._queues_of(waiter))
        for waiter in self._order:
            namespace, shard = self._queues_of(waiter)
            before.update((namespace, shard))
            queue = namespace if room.is_full_of(waiter.key.namespace) else shard
            place = Place(before[queue], lengths[queue], "")
            if self._wake is not None and waiter.queued.has_moved(place):
                self._wake(waiter.key)

    def _queues_of(self, waiter: _Waiter) -> tuple[str, int]:
        """Return the two queues that a canary stands in: that of its namespace, and that of its shard."""
        return waiter.key.namespace, shard_of(waiter.key.namespace, self._limits.shards)


def _queued_of(obj: Object) -> Queued | None:
    """Return what is stored of a canary's place, None where it has none."""
    try:
        return Queued.read(mapping_of(mapping_of(obj, "status"), SERIN_STATUS).get(StatusKey.QUEUE))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _may_begin(obj: Object) -> bool:
    """Return whether a canary that has a place could begin its run."""
    status, ours = mapping_of(obj, "status"), mapping_of(mapping_of(obj, "status"), SERIN_STATUS)
    if text_of(status, "phase") not in IDLE or mapping_of(obj, "spec").get("suspend") is True:
        return False
    is_blocked = condition_of(status, READY).get("status") == "False" and not ours.get(StatusKey.NOT_READY)
    return not is_blocked and "deletionTimestamp" not in obj["metadata"]


def _is_under_way(obj: Object) -> bool:
    provider = text_of(mapping_of(obj, "spec"), "provider")
    return provider in {"", GLOO} and text_of(mapping_of(obj, "status"), "phase") in _UNDER_WAY


def _is_held(obj: Object) -> bool:
    """Return whether a run waits for somebody."""
    ours: Mapping[str, Any] = mapping_of(mapping_of(obj, "status"), SERIN_STATUS)
    is_suspended = mapping_of(obj, "spec").get("suspend") is True
    return is_suspended or ours.get(StatusKey.PAUSED) is True or bool(items_of(ours, StatusKey.WAITING_FOR))
