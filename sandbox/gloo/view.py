"""The cluster as Gloo knows it: a little late. Pure: the time is a parameter."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sandbox.gloo.delays import Delays
from sandbox.gloo.snapshot import Collection, Json, Key, Snapshot
from sandbox.gloo.translate import ObjectKey

VIRTUAL_SERVICES, ROUTE_TABLES, UPSTREAMS = "virtualservices", "routetables", "upstreams"
SERVICES, ENDPOINT_SLICES = "services", "endpointslices"
KINDS = (VIRTUAL_SERVICES, ROUTE_TABLES, UPSTREAMS, SERVICES, ENDPOINT_SLICES)

_Significant = tuple[Any, ...]


class DelayedView:
    """Takes the current collections in, and lets each change out when its delay is over.

    What Gloo writes itself (statuses, and the resourceVersion and generation that they move) is no change.
    """

    def __init__(self) -> None:
        self._visible: dict[str, dict[Key, Json]] = {kind: {} for kind in KINDS}
        self._seen: dict[str, dict[Key, Json]] = {kind: {} for kind in KINDS}
        self._waiting: list[tuple[float, int, ObjectKey, Json | None]] = []
        self._order = itertools.count()
        self._due: defaultdict[ObjectKey, float] = defaultdict(float)  # a later change never overtakes an earlier one

    def take_all(self, collections: Mapping[str, Collection]) -> None:
        """Make everything visible at once: what was there before the translator started."""
        for kind, objects in collections.items():
            self._visible[kind] = dict(objects)
            self._seen[kind] = dict(objects)

    def observe(self, collections: Mapping[str, Collection], now_s: float, delays: Delays) -> None:
        """Note what changed in the collections since they were last observed; those that did not may be left out.

        What is observed at once, because this program or the API server stood still, keeps the order of each
        object's last write: a route that was written after an endpoint became ready is not served before it. Gloo makes
        no such promise for what is written within some 30 ms, and neither does Serin rely on it: it waits for a second.
        """
        changes = [change for kind, objects in collections.items() for change in self._changes(kind, objects)]
        changes.sort(key=lambda change: _written(change[2] or change[1]))
        known_s = now_s
        for (kind, key), old, new in changes:
            if _significant(kind, old) != _significant(kind, new):
                due_s = self._hold((kind, key), new, max(now_s + _delay(kind, old, new, delays), known_s))
                if kind == ENDPOINT_SLICES and _ready(new) - _ready(old):
                    known_s = max(known_s, due_s)
            if new is None:
                del self._seen[kind][key]
            else:
                self._seen[kind][key] = new

    def _changes(self, kind: str, objects: Collection) -> Iterator[tuple[ObjectKey, Json | None, Json | None]]:
        seen = self._seen[kind]
        for key in [*objects, *(seen.keys() - objects.keys())]:
            if seen.get(key) is not objects.get(key):
                yield (kind, key), seen.get(key), objects.get(key)

    def release(self, now_s: float) -> set[ObjectKey]:
        """Make visible what is due, and name it."""
        released = set()
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, (kind, key), item = heapq.heappop(self._waiting)
            released.add((kind, key))
            if item is None:
                self._visible[kind].pop(key, None)
            else:
                self._visible[kind][key] = item
        return released

    def next_due_s(self) -> float | None:
        """Return when the next change becomes visible; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def snapshot(self) -> Snapshot:
        return _snapshot(self._visible)

    def snapshot_of(self, keys: Iterable[ObjectKey]) -> Snapshot:
        """Return those of the visible objects alone."""
        chosen: dict[str, dict[Key, Json]] = {kind: {} for kind in KINDS}
        for kind, key in keys:
            if key in self._visible[kind]:
                chosen[kind][key] = self._visible[kind][key]
        return _snapshot(chosen)

    def _hold(self, key: ObjectKey, item: Json | None, due_s: float) -> float:
        """Keep a change until it is due; return when that is."""
        self._due[key] = max(self._due[key], due_s)
        heapq.heappush(self._waiting, (self._due[key], next(self._order), key, item))
        return self._due[key]


def _snapshot(objects: Mapping[str, Collection]) -> Snapshot:
    return Snapshot(
        virtual_services=objects[VIRTUAL_SERVICES],
        route_tables=objects[ROUTE_TABLES],
        upstreams=objects[UPSTREAMS],
        services=objects[SERVICES],
        endpoint_slices=objects[ENDPOINT_SLICES],
    )


def _written(item: Json | None) -> int:
    """Return the number of an object's last write; for one that is gone, of the last that was seen."""
    return int((item or {}).get("metadata", {}).get("resourceVersion", 0))


def _significant(kind: str, item: Json | None) -> _Significant | None:
    if item is None:
        return None
    metadata = item["metadata"]
    if kind == ENDPOINT_SLICES:
        return metadata.get("labels"), item.get("endpoints"), item.get("ports")
    return metadata.get("uid"), metadata.get("labels"), item.get("spec")


def _delay(kind: str, old: Json | None, new: Json | None, delays: Delays) -> float:
    if kind != ENDPOINT_SLICES:
        return delays.routes_s
    return delays.endpoint_gone_s if _ready(old) - _ready(new) else delays.endpoint_ready_s


def _ready(endpoint_slice: Json | None) -> set[str]:
    return {
        address
        for endpoint in (endpoint_slice or {}).get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }
