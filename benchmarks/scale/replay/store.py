"""The objects of a replayed cluster: each as the text that is sent, with one count of versions for all of them."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple

import orjson

Object = dict[str, Any]

# So many changes of a kind are kept for watches that are opened again; older ones are answered Gone.
_KEPT_CHANGES: Final = 5_000

USERS_MANAGER: Final = "kubectl"


class Key(NamedTuple):
    """An object of a kind."""

    namespace: str
    name: str


class Event(NamedTuple):
    """A change, as a watch tells of it."""

    type: str
    version: int
    key: Key
    body: bytes


class Conflict(Exception):  # noqa: N818  the API server's word
    """It was changed since it was read."""


@dataclass
class Kind:
    """The objects of one kind, their last changes, and who watches them."""

    bodies: dict[Key, bytes] = field(default_factory=dict)
    changes: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT_CHANGES))
    watches: list[asyncio.Queue[Event]] = field(default_factory=list)


class Store:
    """Keeps objects by the plural of their kind. `listeners` are told of each change of a kind, in the same moment."""

    def __init__(self) -> None:
        self.kinds: defaultdict[str, Kind] = defaultdict(Kind)
        self.listeners: defaultdict[str, list[Callable[[Object | None, Object], None]]] = defaultdict(list)
        self._versions = count(1)
        self.version = 0
        self._uids = count(1)

    def get(self, plural: str, key: Key) -> Object | None:
        """Return an object, which the caller may change; None where there is none."""
        body = self.kinds[plural].bodies.get(key)
        found: Object | None = None if body is None else orjson.loads(body)
        return found

    def create(self, plural: str, obj: Object, manager: str = USERS_MANAGER) -> Object:
        """Store a new object, with what the API server sets in it."""
        metadata = obj["metadata"]
        metadata |= {"uid": f"6d2c1f0a-0000-4000-8000-{next(self._uids):012}", "generation": 1}
        metadata["creationTimestamp"] = now_text()
        entry = {"manager": manager, "operation": "Update", "time": now_text(), "fieldsType": "FieldsV1"}
        spec = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "status"}}
        metadata["managedFields"] = [entry | {"apiVersion": obj["apiVersion"], "fieldsV1": _fields(spec)}]
        return self._put(plural, None, obj)

    def update(self, plural: str, obj: Object, manager: str = USERS_MANAGER) -> Object:
        """Store a changed object; another spec is another generation. One that is the same stays as it is."""
        key = key_of(obj)
        before = self.get(plural, key)
        if before is None:
            raise KeyError(key)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise Conflict
        if obj == before:
            return before
        if obj.get("spec") != before.get("spec"):
            metadata["generation"] = before["metadata"]["generation"] + 1
        _note_manager(obj, manager, is_status=obj.get("status") != before.get("status"))
        return self._put(plural, before, obj)

    def delete(self, plural: str, key: Key) -> None:
        """Remove an object, if it is there."""
        before = self.get(plural, key)
        if before is not None:
            self.version = next(self._versions)
            before["metadata"]["resourceVersion"] = str(self.version)
            del self.kinds[plural].bodies[key]
            self._tell(plural, Event("DELETED", self.version, key, orjson.dumps(before)))

    def _put(self, plural: str, before: Object | None, obj: Object) -> Object:
        self.version = next(self._versions)
        obj["metadata"]["resourceVersion"] = str(self.version)
        key, body = key_of(obj), orjson.dumps(obj)
        self.kinds[plural].bodies[key] = body
        self._tell(plural, Event("ADDED" if before is None else "MODIFIED", self.version, key, body))
        for listener in self.listeners[plural]:
            listener(before, obj)
        return obj

    def _tell(self, plural: str, event: Event) -> None:
        kind = self.kinds[plural]
        kind.changes.append(event)
        for watch in kind.watches:
            watch.put_nowait(event)


def key_of(obj: Object) -> Key:
    """Return the key of an object."""
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def now_text() -> str:
    """Return the time as objects have it."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _note_manager(obj: Object, manager: str, *, is_status: bool) -> None:
    """Note who wrote what, as the API server does: objects are half as large again by it."""
    entries = obj["metadata"].setdefault("managedFields", [])
    part = "status" if is_status else "spec"
    known = next(
        (one for one in entries if one["manager"] == manager and (one.get("subresource") == "status") == is_status),
        None,
    )
    if known is None:
        known = {"manager": manager, "operation": "Update", "apiVersion": obj["apiVersion"], "fieldsType": "FieldsV1"}
        known |= {"subresource": "status"} if is_status else {}
        known["fieldsV1"] = _fields({part: obj.get(part) or {}})
        entries.append(known)
    known["time"] = now_text()


def _fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"f:{key}": _fields(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dict(_items(value))
    return {}


def _items(values: list[Any]) -> Iterator[tuple[str, Any]]:
    for position, value in enumerate(values):
        name = value.get("name", position) if isinstance(value, dict) else position
        yield f'k:{{"name":"{name}"}}', {".": {}} | _fields(value)
