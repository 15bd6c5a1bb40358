"""Routing by Gloo's RouteTable and Upstreams."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.providers.routing.acknowledgements import ACKNOWLEDGED_WITHIN_S, Acknowledgements
from agent.resources import ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES
from agent.settings import FIELD_MANAGER
from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.action import SetTraffic
from canary.run.managed import ManagedObject
from canary.run.observation import Route, RouteState
from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from kube.client import Client
from kube.errors import Conflict, Lost, PermanentError
from kube.resource import Object
from kube.store import Change, Key, key_of
from render.gloo_status import GlooState, delegates, gloo_verdict, gravest
from render.main_route import check_mirror
from render.objects import UnusableObjectError
from render.route_table import read_exposure, read_sequence, read_traffic, route_patch, route_table, served_port
from render.upstreams import upstream

# A Service's new port has endpoints at Gloo within 0.8 s (tests/contract/gloo) of the controller's moment for them.
_PORT_IS_SERVED_AFTER_S: Final = 3.0

_STATES: Final = {GlooState.REJECTED: RouteState.REJECTED, GlooState.WARNING: RouteState.WARNED}

_SIDES: Final = {ManagedObject.PRIMARY_UPSTREAM: Side.PRIMARY, ManagedObject.CANARY_UPSTREAM: Side.CANARY}


class GlooRouting:
    """Implements `Routing`; subscribes to the RouteTables to see acknowledgements pass."""

    def __init__(self, client: Client, caches: Caches, applied: AppliedObjects, now_s: Callable[[], float]) -> None:
        self._client = client
        self._caches = caches
        self._applied = applied
        self._now_s = now_s
        self._acknowledgements = Acknowledgements()
        self._port_moves_s: dict[Key, tuple[int, float]] = {}
        self._delegating_by_table: dict[Key, set[Key]] = defaultdict(set)
        caches.of(ROUTE_TABLES).subscribe(self._on_table)
        caches.of(VIRTUAL_SERVICES).subscribe(self._on_virtual_service)
        for service in caches.of(VIRTUAL_SERVICES).items():
            self._on_virtual_service(Change(key_of(service), None, service))

    def observe(self, canary: Canary, now_s: float) -> Route | None:
        """See `Routing`. A table whose write is not acknowledged after 5 s counts as settled: Gloo may be down.

        That is reported, see `take_warnings`: what follows (a side that is scaled down, above all) trusts in the write.
        """
        table = self._table(canary)
        exposure = None if table is None else read_exposure(canary, table)
        if table is None or exposure is None:
            return None
        verdict = gravest(
            gloo_verdict(obj) for obj in (table, *self._delegating(table), *self._upstreams(canary, table))
        )
        if self._acknowledgements.is_pending(_key(canary), now_s):
            state = RouteState.PENDING
        else:
            state = _STATES.get(verdict.state, RouteState.SETTLED)
        sequence = read_sequence(table, canary)
        return Route(exposure.traffic, sequence, state, verdict.reason, is_exact=exposure.is_exact)

    def take_warnings(self, canary: Canary) -> tuple[str, ...]:
        """See `Routing`."""
        if not self._acknowledgements.take_missing(_key(canary), self._now_s()):
            return ()
        table = f"RouteTable {canary.namespace}/{Names.of(canary).route_table}"
        why = "is Gloo up, and does a VirtualService delegate to it?"
        return (f"{table} is not acknowledged by Gloo after {ACKNOWLEDGED_WITHIN_S:.0f} s, going on without: {why}",)

    def due_objects(self, canary: Canary, target: Object) -> frozenset[ManagedObject]:
        """See `Routing`. An existing table is due when our routes in it are not as rendered: the rest is the users'."""
        due = {
            managed for managed in _SIDES if self._applied.is_due(UPSTREAMS, self._upstream(canary, target, managed))
        }
        table = self._table(canary)
        if table is not None:
            check_mirror(canary, table)
        if table is None or route_patch(canary, table, _traffic(canary, table), read_sequence(table, canary)):
            due.add(ManagedObject.ROUTE)
        return frozenset(due)

    def kept_port(self, canary: Canary) -> int | None:
        """See `Routing`."""
        table = self._table(canary)
        served = None if table is None else served_port(canary, table)
        if served not in {None, canary.spec.service.port}:
            return served
        return self._acknowledgements.left_port(_key(canary), self._now_s())

    async def apply(self, canary: Canary, target: Object, managed: ManagedObject) -> None:
        """See `Routing`."""
        if managed in _SIDES:
            await self._applied.apply(UPSTREAMS, self._upstream(canary, target, managed))
            return
        table = self._table(canary)
        if table is not None:
            self._wait_for_port(canary, table)
            await self._patch(canary, table, _traffic(canary, table), read_sequence(table, canary), is_renaming=True)
            return
        self._acknowledgements.expect(_key(canary), self._now_s(), None)
        answer = await self._client.create(ROUTE_TABLES, route_table(canary))
        self._caches.of(ROUTE_TABLES).remember(answer)

    async def set_traffic(self, canary: Canary, wanted: SetTraffic) -> None:
        """See `Routing`."""
        table = self._table(canary)
        if table is None:
            return
        await self._patch(canary, table, wanted.traffic, wanted.sequence, is_renaming=False)

    async def _patch(self, canary: Canary, table: Object, wanted: Traffic, sequence: int, *, is_renaming: bool) -> None:
        name = Names.of(canary).route_table
        try:
            operations = route_patch(canary, table, wanted, sequence, is_renaming=is_renaming)
        except UnusableObjectError as error:
            raise PermanentError(str(error), resource=ROUTE_TABLES, namespace=canary.namespace, name=name) from error
        if not operations:
            return
        port = served_port(canary, table)
        is_left = is_renaming and port != canary.spec.service.port
        self._acknowledgements.expect(_key(canary), self._now_s(), port if is_left else None)
        answer = await self._client.json_patch(
            ROUTE_TABLES, name, canary.namespace, operations, field_manager=FIELD_MANAGER
        )
        self._caches.of(ROUTE_TABLES).remember(answer)
        if route_patch(canary, answer, wanted, sequence, is_renaming=is_renaming):
            text = "spec.routes: found others than those that were written: is there a webhook that changes them?"
            raise Lost(text, resource=ROUTE_TABLES, namespace=canary.namespace, name=name)

    def _wait_for_port(self, canary: Canary, table: Object) -> None:
        """Lead the route to the Upstreams of another port only when Gloo has them, with their endpoints."""
        key, port = _key(canary), canary.spec.service.port
        if served_port(canary, table) in {None, port}:
            self._port_moves_s.pop(key, None)
            return
        wanted_port, since_s = self._port_moves_s.get(key, (None, 0.0))
        if wanted_port != port:
            since_s = self._now_s()
            self._port_moves_s[key] = (port, since_s)
        names, upstreams = Names.of(canary), self._caches.of(UPSTREAMS)
        found = [upstreams.get(canary.namespace, names.upstream(side)) for side in Side]
        are_accepted = all(obj is not None and gloo_verdict(obj).state is GlooState.ACCEPTED for obj in found)
        if not are_accepted or self._now_s() < since_s + _PORT_IS_SERVED_AFTER_S:
            raise Conflict(
                f"its Upstreams of port {port} are not served yet",
                resource=ROUTE_TABLES,
                namespace=canary.namespace,
                name=names.route_table,
            )

    def _on_table(self, change: Change) -> None:
        self._acknowledgements.note(change.key, change.new, self._now_s())
        if change.new is None:
            self._port_moves_s.pop(change.key, None)

    def _delegating(self, table: Object) -> list[Object]:
        """Find the VirtualServices that name the table: Gloo says there what it can't serve of it."""
        services = self._caches.of(VIRTUAL_SERVICES)
        found = (services.get(*key) for key in self._delegating_by_table.get(key_of(table), ()))
        return [service for service in found if service is not None]

    def _upstreams(self, canary: Canary, table: Object) -> list[Object]:
        """Find the two Upstreams that the route sends to."""
        names, port = Names.of(canary), served_port(canary, table)
        upstreams = self._caches.of(UPSTREAMS)
        found = (upstreams.get(canary.namespace, f"{names.upstream_stem(side)}{port}") for side in Side)
        return [obj for obj in found if obj is not None]

    def _on_virtual_service(self, change: Change) -> None:
        for table in delegates(change.old) if change.old is not None else ():
            key = Key(*table)
            self._delegating_by_table[key].discard(change.key)
            if not self._delegating_by_table[key]:
                del self._delegating_by_table[key]
        for table in delegates(change.new) if change.new is not None else ():
            self._delegating_by_table[Key(*table)].add(change.key)

    def _table(self, canary: Canary) -> Object | None:
        return self._caches.of(ROUTE_TABLES).get(*_key(canary))

    def _reference(self, canary: Canary) -> Object | None:
        """Find the Upstream that `upstreamRef` names.

        Raises:
            UnusableObjectError: it is in another namespace than this agent's, and can't be read.
        """
        reference = canary.spec.upstream_ref
        if reference is None:
            return None
        namespace = reference.namespace or canary.namespace
        if self._caches.has(UPSTREAMS, namespace, reference.name) is None:
            named_by = {"kind": "Canary", "metadata": {"namespace": canary.namespace, "name": canary.name}}
            raise UnusableObjectError(
                named_by,
                "spec.upstreamRef",
                found=f"{namespace}/{reference.name}",
                allowed=f"an Upstream that this agent, which is limited to namespace {canary.namespace}, may read",
                reason="UpstreamNotReadable",
            )
        return self._caches.find(UPSTREAMS, namespace, reference.name)

    def _upstream(self, canary: Canary, target: Object, managed: ManagedObject) -> Object:
        primary = self._caches.primary(canary)
        return upstream(canary, target, _SIDES[managed], self._reference(canary), primary=primary)


def _traffic(canary: Canary, table: Object) -> Traffic:
    """Read the split that a table without our route begins with, too."""
    return read_traffic(canary, table) or ALL_TO_PRIMARY


def _key(canary: Canary) -> Key:
    return Key(canary.namespace, Names.of(canary).route_table)
