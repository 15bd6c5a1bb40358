"""Routing by Gloo's RouteTable and Upstreams.

The only acknowledgement that Gloo gives of a write is that it empties the proxy's entry in the table's status and fills
it again, some 1.6 s after the write (recorded in tests/contract/gloo). It is awaited for 5 s at the most.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.applied import AppliedObjects
from agent.caches import Caches
from agent.resources import ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES
from agent.settings import FIELD_MANAGER
from canary.action import SetWeights
from canary.model.canary import Canary
from canary.observation import Part, Route, RouteState
from kube.client import Client
from kube.resource import Object
from kube.store import Change, Key, key_of
from render.gloo_status import GlooState, delegates, gloo_verdict, gravest
from render.names import Names, Side
from render.route_table import (
    ALL_TO_PRIMARY,
    Weights,
    fence,
    read_move,
    read_weights,
    route_table,
    weights_patch,
)
from render.upstreams import upstream

_ACKNOWLEDGED_WITHIN_S: Final = 5.0

# Gloo writes the statuses of table and VirtualServices one after the other: the last may still speak of the past.
_OTHERS_FOLLOW_WITHIN_S: Final = 0.5

_STATES: Final = {GlooState.REJECTED: RouteState.REJECTED, GlooState.WARNING: RouteState.WARNED}

_SIDES: Final = {Part.PRIMARY_UPSTREAM: Side.PRIMARY, Part.CANARY_UPSTREAM: Side.CANARY}


@dataclass(slots=True)
class _Write:
    """A write that is not settled until `settles_at_s`. `was_emptied`: half of its acknowledgement was seen."""

    settles_at_s: float
    was_emptied: bool = False


class GlooRouting:
    """Implements `Routing`; subscribes to the RouteTables to see acknowledgements pass."""

    def __init__(self, client: Client, caches: Caches, applied: AppliedObjects, now_s: Callable[[], float]) -> None:
        self._client = client
        self._caches = caches
        self._applied = applied
        self._now_s = now_s
        self._writes: dict[Key, _Write] = {}
        self._delegating_by_table: dict[Key, set[Key]] = defaultdict(set)
        caches.of(ROUTE_TABLES).subscribe(self._on_change)
        caches.of(VIRTUAL_SERVICES).subscribe(self._on_virtual_service)
        for service in caches.of(VIRTUAL_SERVICES).items():
            self._on_virtual_service(Change(key_of(service), None, service))

    def observe(self, canary: Canary, now_s: float) -> Route | None:
        """See `Routing`. A table whose write is not acknowledged after 5 s counts as settled: Gloo may be down."""
        table = self._table(canary)
        weights = None if table is None else read_weights(table, Names.of(canary))
        if table is None or weights is None:
            return None
        write = self._writes.get(self._key(canary))
        verdict = gravest(gloo_verdict(obj) for obj in (table, *self._delegating(table)))
        if write is not None and now_s < write.settles_at_s:
            state = RouteState.PENDING
        else:
            state = _STATES.get(verdict.state, RouteState.SETTLED)
        return Route(weights.primary, weights.canary, read_move(table, canary), state, verdict.reason)

    def due_parts(self, canary: Canary, target: Object) -> frozenset[Part]:
        """See `Routing`. An existing table is due only when our route is not in it: the rest of it is the users'."""
        table = self._table(canary)
        due = {part for part in _SIDES if self._applied.is_due(UPSTREAMS, self._upstream(canary, target, part))}
        if table is None or read_weights(table, Names.of(canary)) is None:
            due.add(Part.ROUTE)
        return frozenset(due)

    async def apply(self, canary: Canary, target: Object, part: Part) -> None:
        """See `Routing`."""
        if part in _SIDES:
            await self._applied.apply(UPSTREAMS, self._upstream(canary, target, part))
            return
        table = self._table(canary)
        if table is not None:
            self._expect_acknowledgement(canary)
            await self._patch(canary, table, ALL_TO_PRIMARY, read_move(table, canary))
            return
        self._expect_acknowledgement(canary)
        answer = await self._client.create(ROUTE_TABLES, route_table(canary))
        self._caches.of(ROUTE_TABLES).remember(answer)

    async def set_weights(self, canary: Canary, wanted: SetWeights) -> None:
        """See `Routing`."""
        table = self._table(canary)
        if table is None:
            return
        self._expect_acknowledgement(canary)
        await self._patch(canary, table, Weights(wanted.primary_weight, wanted.canary_weight), wanted.move)

    async def _patch(self, canary: Canary, table: Object, wanted: Weights, move: int) -> None:
        operations = weights_patch(canary, table, wanted)
        if not operations:
            return
        operations = [*fence(table, canary, move), *operations]
        name = Names.of(canary).route_table
        answer = await self._client.json_patch(
            ROUTE_TABLES, name, canary.namespace, operations, field_manager=FIELD_MANAGER
        )
        self._caches.of(ROUTE_TABLES).remember(answer)

    def _expect_acknowledgement(self, canary: Canary) -> None:
        self._writes[self._key(canary)] = _Write(self._now_s() + _ACKNOWLEDGED_WITHIN_S)

    def _on_change(self, change: Change) -> None:
        write = self._writes.get(change.key)
        if write is None or change.new is None:
            return
        if gloo_verdict(change.new).state is GlooState.PENDING:
            write.was_emptied = True
        elif write.was_emptied:
            write.was_emptied = False
            write.settles_at_s = min(write.settles_at_s, self._now_s() + _OTHERS_FOLLOW_WITHIN_S)

    def _delegating(self, table: Object) -> list[Object]:
        """Find the VirtualServices that name the table: Gloo says there what it can't serve of it."""
        services = self._caches.of(VIRTUAL_SERVICES)
        found = (services.get(*key) for key in self._delegating_by_table.get(key_of(table), ()))
        return [service for service in found if service is not None]

    def _on_virtual_service(self, change: Change) -> None:
        for table in delegates(change.old) if change.old is not None else ():
            self._delegating_by_table[Key(*table)].discard(change.key)
        for table in delegates(change.new) if change.new is not None else ():
            self._delegating_by_table[Key(*table)].add(change.key)

    def _table(self, canary: Canary) -> Object | None:
        return self._caches.of(ROUTE_TABLES).get(*self._key(canary))

    def _upstream(self, canary: Canary, target: Object, part: Part) -> Object:
        reference = canary.spec.upstream_ref
        config = None
        if reference is not None:
            config = self._caches.of(UPSTREAMS).get(reference.namespace or canary.namespace, reference.name)
        return upstream(canary, target, _SIDES[part], config)

    @staticmethod
    def _key(canary: Canary) -> Key:
        return Key(canary.namespace, Names.of(canary).route_table)
