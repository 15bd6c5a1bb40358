"""Who delegates to a RouteTable: kept up to date from the caches, so that no observation searches all of them."""

from collections import defaultdict
from functools import partial
from typing import Final, NamedTuple

from agent.caches import Caches
from agent.resources import ROUTE_TABLES, VIRTUAL_SERVICES
from kube.resource import Object, Resource
from kube.store import Change, Key, key_of
from render.gloo_delegation import Delegation, read_delegation

_DELEGATING: Final = (VIRTUAL_SERVICES, ROUTE_TABLES)


class Way(NamedTuple):
    """How requests come to a table: from `services`, through `parents`. Without a service none do."""

    services: tuple[Object, ...]
    parents: frozenset[Key]


class _Source(NamedTuple):
    """An object that delegates."""

    resource: Resource
    key: Key


class Delegations:
    """Follows the VirtualServices and RouteTables of the caches."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._delegation_by_source: dict[_Source, Delegation] = {}
        self._sources_by_table: dict[Key, set[_Source]] = defaultdict(set)
        self._selecting: set[_Source] = set()
        for resource in _DELEGATING:
            caches.of(resource).subscribe(partial(self._on_change, resource))
            for obj in caches.of(resource).items():
                self._on_change(resource, Change(key_of(obj), None, obj))

    def way_to(self, table: Object) -> Way:
        """Return who leads to a table, directly or through other tables."""
        services: dict[Key, Object] = {}
        tables, to_visit = {key_of(table)}, [table]
        while to_visit:
            for source in self._sources_of(to_visit.pop()):
                obj = self._caches.of(source.resource).get(*source.key)
                if obj is None:
                    continue
                if source.resource == VIRTUAL_SERVICES:
                    services[source.key] = obj
                elif source.key not in tables:
                    tables.add(source.key)
                    to_visit.append(obj)
        return Way(tuple(services[key] for key in sorted(services)), frozenset(tables - {key_of(table)}))

    def _sources_of(self, table: Object) -> set[_Source]:
        by_selector = {source for source in self._selecting if self._delegation_by_source[source].reaches(table)}
        return self._sources_by_table.get(key_of(table), set()) | by_selector

    def _on_change(self, resource: Resource, change: Change) -> None:
        source = _Source(resource, change.key)
        before = self._delegation_by_source.pop(source, None)
        for reference in before.references if before is not None else ():
            sources = self._sources_by_table[Key(*reference)]
            sources.discard(source)
            if not sources:
                del self._sources_by_table[Key(*reference)]
        self._selecting.discard(source)
        after = None if change.new is None else read_delegation(change.new)
        if after is None or not (after.references or after.selectors):
            return
        self._delegation_by_source[source] = after
        for reference in after.references:
            self._sources_by_table[Key(*reference)].add(source)
        if after.selectors:
            self._selecting.add(source)
