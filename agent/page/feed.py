"""The feed of the page: a snapshot of the rows, then what changed of them, at most once a second for each reader.

A change only notes the canary's name for each reader: what is sent is made by the reader's own task, so no number of
readers, and no slow one, holds up the agent's loops.
"""

import asyncio
import hashlib
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final

import orjson

from agent.caches import Caches
from agent.concerns import WORKLOADS
from agent.page.recent import Recent
from agent.page.rows import Pods, Row, Target, pods_of, row_of
from agent.resources import CANARIES
from canary.api.names import primary_of
from kube.resource import Object
from kube.store import Change, Key, key_of

MOST_READERS: Final = 64
"""Streams at once. A browser has one for each open page."""

MOST_GONE: Final = 1_000
"""Deleted canaries that a reader who comes back is told of; who was away for longer gets all anew."""

_HEARTBEAT_S: Final = 15.0
_LEAST_PAUSE_S: Final = 1.0

# Of one event: made and sent without anybody waiting for long, in this process as well as in the browser.
_ROWS_AT_ONCE: Final = 100
_MADE_AT_ONCE: Final = 20

Visible = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Takes names of namespaces, and returns those that the reader may see."""


class TooManyReaders(Exception):  # noqa: N818  reads as what was found
    """There are as many streams as there may be."""


class _Reader:
    def __init__(self) -> None:
        self.pending: set[Key] = set()
        self.woken = asyncio.Event()
        self.seen: frozenset[str] = frozenset()
        self.hidden: frozenset[str] = frozenset()
        self.sight = ""

    def look(self, namespaces: Collection[str], visible: Collection[str]) -> None:
        """Note what it may see now, and a digest of that: who comes back with another one gets all anew."""
        seen = frozenset(visible)
        if seen != self.seen or not self.sight:
            self.sight = hashlib.blake2s("/".join(sorted(seen)).encode(), digest_size=8).hexdigest()
        self.seen, self.hidden = seen, frozenset(namespaces) - seen


class Feed:
    """Follows the caches, and tells readers. `heartbeat` returns what each heartbeat says."""

    def __init__(
        self,
        caches: Caches,
        recent: Recent,
        heartbeat: Callable[[], object],
        *,
        least_pause_s: float = _LEAST_PAUSE_S,
        heartbeat_s: float = _HEARTBEAT_S,
    ) -> None:
        self._caches = caches
        self._recent = recent
        self._heartbeat = heartbeat
        self._least_pause_s = least_pause_s
        self._heartbeat_s = heartbeat_s
        self._epoch = secrets.token_hex(4)
        self._moment = 0
        self._changed: dict[Key, int] = {}
        self._gone: deque[tuple[int, Key]] = deque(maxlen=MOST_GONE)
        self._forgotten = 0
        self._watchers: dict[Target, set[Key]] = defaultdict(set)
        self._readers: set[_Reader] = set()
        self._rows: dict[Key, bytes] = {}
        self._making = asyncio.Lock()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the caches for as long as the block lasts."""
        unsubscribes = [
            self._caches.of(CANARIES).subscribe(self._on_canary),
            *(self._caches.of(resource).subscribe(self._on_workload) for resource in WORKLOADS.values()),
        ]
        for obj in self._caches.of(CANARIES).items():
            self._on_canary(Change(key_of(obj), None, obj))
        try:
            yield
        finally:
            for unsubscribe in unsubscribes:
                unsubscribe()

    @property
    def namespaces(self) -> set[str]:
        """Return the namespaces that have canaries."""
        return {key.namespace for key in self._changed}

    def _pods(self, target: Target) -> Pods | None:
        resource = WORKLOADS.get(target.kind)
        if resource is None or not target.name:
            return None
        return pods_of(self._caches.of(resource).glance(target.namespace, target.name))

    def row(self, obj: Object) -> Row:
        """Return a canary's row, with the pods of both its sides."""
        target = Target.of(obj)
        return row_of(obj, primary=self._pods(target.primary), canary=self._pods(target))

    async def read(self, visible: Visible, last_id: str = "") -> AsyncGenerator[bytes, None]:
        """Yield server-sent events for as long as the reader likes; `last_id` is of the last one that it got.

        Raises:
            TooManyReaders: before anything is yielded.
            What `visible` raises.
        """
        if len(self._readers) >= MOST_READERS:
            raise TooManyReaders
        reader = _Reader()
        self._readers.add(reader)
        try:
            await self._look(reader, visible)
            async for event in self._first(reader, last_id):
                yield event
            while True:
                is_woken = await self._wait(reader)
                before, hidden_before = reader.seen, reader.hidden
                await self._look(reader, visible)
                pending, reader.pending = reader.pending, set()
                keys = [key for key in pending if key.namespace in reader.seen | before]
                if before & reader.hidden or hidden_before & reader.seen:
                    events = self._all(reader)
                elif is_woken and not keys:
                    continue  # of what a reader may not see nothing is heard, not even that something happened
                else:
                    events = self._events(reader, keys)
                async for event in events:
                    yield event
                yield self._event("alive", self._heartbeat())
                await asyncio.sleep(self._least_pause_s)
        finally:
            self._readers.discard(reader)
            if not self._readers:
                self._rows.clear()

    async def _look(self, reader: _Reader, visible: Visible) -> None:
        """Ask which namespaces a reader may see now."""
        namespaces = self.namespaces
        reader.look(namespaces, await visible(namespaces))

    async def _wait(self, reader: _Reader) -> bool:
        """Return whether something happened before the next heartbeat."""
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await reader.woken.wait()
        except TimeoutError:
            return False
        finally:
            reader.woken.clear()

    async def _first(self, reader: _Reader, last_id: str) -> AsyncGenerator[bytes, None]:
        """Yield what a reader lacks who was there until `last_id`, or all there is."""
        yield self._event("alive", self._heartbeat())
        epoch, number, sight = (*last_id.split("-"), "", "", "")[:3]
        is_number = number.isdecimal() and len(number) <= len(str(self._moment))
        sequence = int(number) if is_number else -1
        if (epoch, sight) == (self._epoch, reader.sight) and self._forgotten <= sequence <= self._moment:
            missed = [key for key, changed in self._changed.items() if changed > sequence]
            missed += [key for changed, key in self._gone if changed > sequence]
            keys = [key for key in dict.fromkeys(missed) if key.namespace in reader.seen]
            events = self._events(reader, keys)
        else:
            events = self._all(reader)
        async for event in events:
            yield event

    async def _all(self, reader: _Reader) -> AsyncGenerator[bytes, None]:
        keys = [key for key in self._changed if key.namespace in reader.seen]
        number = self._id(reader)
        yield self._event("begin", {"total": len(keys)})
        async for event in self._events(reader, keys, number=number, is_whole=True):
            yield event

    async def _events(
        self, reader: _Reader, keys: Sequence[Key], *, number: str = "", is_whole: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Yield the rows of these canaries, and which of them are gone. Only the last event has the number.

        Who loses the stream before it begins again from where it was.
        """
        number = number or self._id(reader)
        groups = list(_groups(keys, _ROWS_AT_ONCE))
        for position, group in enumerate(groups):
            rows = [row for row in await self._made(group) if row]
            gone = [f"{key.namespace}/{key.name}" for key in group if key not in self._changed]
            data = b'{"rows":[' + b",".join(rows) + b'],"gone":' + orjson.dumps(gone) + b"}"
            is_last = position == len(groups) - 1
            yield _framed("rows", data, number if is_last else "")
        if is_whole:
            yield self._event("end", {"total": len(keys)}, number=number)

    async def _made(self, keys: Iterable[Key]) -> list[bytes]:
        """Make rows, each once for all readers; the loops get a turn in between."""
        rows = []
        async with self._making:
            for position, key in enumerate(keys):
                if key not in self._rows and (row := self._make(key)):
                    self._rows[key] = row
                rows.append(self._rows.get(key, b""))
                if position % _MADE_AT_ONCE == _MADE_AT_ONCE - 1:
                    await asyncio.sleep(0)
        return rows

    def _make(self, key: Key) -> bytes:
        obj = self._caches.of(CANARIES).get(*key)
        return b"" if obj is None else orjson.dumps(self.row(obj))

    def _on_canary(self, change: Change) -> None:
        self._recent.note(change)
        if change.old is not None:
            self._unfollow(change.key, Target.of(change.old))
        if change.new is None:
            if len(self._gone) == MOST_GONE:
                self._forgotten = self._gone[0][0]
            self._changed.pop(change.key, None)
            self._gone.append((self._next(), change.key))
        else:
            self._watchers[Target.of(change.new)].add(change.key)
            self._changed[change.key] = self._next()
        self._tell(change.key)

    def _unfollow(self, key: Key, target: Target) -> None:
        watchers = self._watchers.get(target)
        if watchers is not None:
            watchers.discard(key)
            if not watchers:
                del self._watchers[target]

    def _on_workload(self, change: Change) -> None:
        kind = str((change.new or change.old or {}).get("kind") or "")
        for name in filter(None, (change.key.name, primary_of(change.key.name))):
            for kind_of_target in (kind,) if kind else WORKLOADS:
                for key in self._watchers.get(Target(change.key.namespace, kind_of_target, name), ()):
                    self._changed[key] = self._next()
                    self._tell(key)

    def _tell(self, key: Key) -> None:
        self._rows.pop(key, None)
        for reader in self._readers:
            if key.namespace not in reader.hidden:
                reader.pending.add(key)
                reader.woken.set()

    def _next(self) -> int:
        """Return a moment after all others: microseconds, for a count would tell a reader of others' changes."""
        self._moment = max(self._moment + 1, time.monotonic_ns() // 1_000)
        return self._moment

    def _id(self, reader: _Reader) -> str:
        return f"{self._epoch}-{self._next()}-{reader.sight}"

    def _event(self, name: str, data: object, *, number: str = "") -> bytes:
        return _framed(name, orjson.dumps(data), number)


def _framed(name: str, data: bytes, number: str) -> bytes:
    """Write an event. JSON of orjson has no line break."""
    head = f"id: {number}\nevent: {name}\n" if number else f"event: {name}\n"
    return head.encode() + b"data: " + data + b"\n\n"


def _groups(keys: Sequence[Key], size: int) -> Iterator[list[Key]]:
    remaining = iter(keys)
    while group := list(islice(remaining, size)):
        yield group
