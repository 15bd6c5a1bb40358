"""The objects of an API server in memory: each as the text that is sent, with one count of versions for all of them.

It knows kinds by their plurals alone. It never waits: whoever reads and writes in one moment meets no conflict.
Benchmarks measure agents beside it, so it is made to cost little.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, NamedTuple

import orjson

from tests.support.stored_api.managers import created_by, note_write, time_text

Object = dict[str, Any]

USERS_MANAGER: Final = "kubectl"

# So many changes of a kind are kept for watches that are opened again.
_KEPT_CHANGES: Final = 5_000


class Place(NamedTuple):
    """Where an object is: its kind's plural, its namespace and its name."""

    plural: str
    namespace: str
    name: str


class Change(NamedTuple):
    """A change, as a watch tells of it."""

    type: str
    version: int
    place: Place
    body: bytes


class Conflict(Exception):  # noqa: N818  the API server's word
    """It was changed since it was read."""


class Expired(Exception):  # noqa: N818  the API server's word
    """What was changed since that version is no longer known."""


Listener = Callable[[Place, Object | None, Object | None], None]
"""Is told, in the same moment, of an object before a change and after it; None where it was not, or is no more."""


@dataclass
class _Kind:
    bodies: dict[Place, bytes] = field(default_factory=dict)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_KEPT_CHANGES))
    watches: list[asyncio.Queue[Change]] = field(default_factory=list)
    forgotten: int = 0
    """The version of the last change that is not kept any more."""


class Store:
    """Keeps objects, gives them versions, and tells watches and `listeners` of each change."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self.listeners: list[Listener] = []
        self.version = 0
        self._now_s = now_s
        self._kinds: defaultdict[str, _Kind] = defaultdict(_Kind)
        self._uids = count(1)

    def get(self, place: Place) -> Object | None:
        """Return an object, which the caller may change; None where there is none."""
        body = self.body(place)
        found: Object | None = None if body is None else orjson.loads(body)
        return found

    def body(self, place: Place) -> bytes | None:
        """Return an object as text."""
        return self._kinds[place.plural].bodies.get(place)

    def bodies(self, plural: str) -> Iterable[tuple[Place, bytes]]:
        """Return all objects of a kind as text, in the order of their creation."""
        return self._kinds[plural].bodies.items()

    def create(self, plural: str, obj: Object, manager: str = USERS_MANAGER) -> Object:
        """Store a new object, with what the API server sets in it."""
        metadata, now = obj["metadata"], time_text(self._now_s())
        metadata |= {"uid": f"6d2c1f0a-0000-4000-8000-{next(self._uids):012}", "generation": 1}
        metadata["creationTimestamp"] = now
        metadata["managedFields"] = [created_by(manager, obj, now)]
        return self._put(place_of(plural, obj), None, obj)

    def update(self, plural: str, obj: Object, manager: str = USERS_MANAGER) -> Object:
        """Store a changed object; another spec is another generation. One that is the same stays as it is.

        One that waits for its finalizers to be deleted is deleted with the last of them.

        Raises:
            Conflict: it was read before the last change.
        """
        place = place_of(plural, obj)
        before = self.get(place)
        if before is None:
            raise KeyError(place)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise Conflict
        if obj == before:
            return before
        if obj.get("spec") != before.get("spec"):
            metadata["generation"] = before["metadata"]["generation"] + 1
        note_write(obj, manager, time_text(self._now_s()), is_status=obj.get("status") != before.get("status"))
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            return self._remove(place, obj)
        return self._put(place, before, obj)

    def edit(self, place: Place, change: Callable[[Object], None], manager: str = USERS_MANAGER) -> Object:
        """Read an object, let it be changed in place, and store it."""
        obj = self.get(place)
        if obj is None:
            raise KeyError(place)
        change(obj)
        return self.update(place.plural, obj, manager)

    def delete(self, place: Place) -> None:
        """Remove an object, if it is there; one with finalizers waits for them."""
        found = self.get(place)
        if found is None:
            return
        if found["metadata"].get("finalizers"):
            before = self.get(place)
            found["metadata"].setdefault("deletionTimestamp", time_text(self._now_s()))
            self._put(place, before, found)
        else:
            self._remove(place, found)

    def changes_since(self, plural: str, version: int) -> list[Change]:
        """Return what was changed of a kind after a version.

        Raises:
            Expired: some of it is forgotten.
        """
        kind = self._kinds[plural]
        if version < kind.forgotten:
            raise Expired
        return [change for change in kind.changes if change.version > version]

    def watch(self, plural: str) -> asyncio.Queue[Change]:
        """Return a queue that gets all changes of a kind from now on, until it is given to `unwatch`."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._kinds[plural].watches.append(queue)
        return queue

    def unwatch(self, plural: str, queue: asyncio.Queue[Change]) -> None:
        """Tell a queue nothing any more."""
        self._kinds[plural].watches.remove(queue)

    def compact(self) -> None:
        """Forget all changes until now."""
        for kind in self._kinds.values():
            kind.changes.clear()
            kind.forgotten = self.version

    def _put(self, place: Place, before: Object | None, obj: Object) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        body = orjson.dumps(obj)
        self._kinds[place.plural].bodies[place] = body
        self._tell(Change("ADDED" if before is None else "MODIFIED", self.version, place, body), before, obj)
        return obj

    def _remove(self, place: Place, obj: Object) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        del self._kinds[place.plural].bodies[place]
        self._tell(Change("DELETED", self.version, place, orjson.dumps(obj)), obj, None)
        return obj

    def _tell(self, change: Change, before: Object | None, now: Object | None) -> None:
        kind = self._kinds[change.place.plural]
        if len(kind.changes) == _KEPT_CHANGES:
            kind.forgotten = kind.changes[0].version
        kind.changes.append(change)
        for watch in kind.watches:
            watch.put_nowait(change)
        for listener in self.listeners:
            listener(change.place, before, now)


def place_of(plural: str, obj: Object) -> Place:
    """Return where an object of a kind is."""
    return Place(plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
