"""Routing by Gloo's RouteTable and Upstreams."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.providers.routing.acknowledgements import (
    ACKNOWLEDGED_WITHIN_S,
    FOLLOWED_WITHIN_S,
    Acknowledgement,
    Acknowledgements,
)
from agent.providers.routing.delegations import Delegations, Way
from agent.providers.routing.served import ServedSince
from agent.resources import ROUTE_TABLES, UPSTREAMS
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
from render.gloo_status import (
    GlooState,
    GlooStatus,
    OurObjects,
    gravest,
    own_verdict,
    proxy_verdict,
    service_verdict,
)
from render.main_route import check_mirror
from render.objects import UnusableObjectError
from render.repeated_route import is_repeated, repeated_patch
from render.route_table import read_exposure, read_sequence, read_traffic, route_patch, route_table, served_port
from render.upstreams import upstream

# A Service's new port has endpoints at Gloo within 0.8 s (tests/contract/gloo) of the controller's moment for them.
_PORT_IS_SERVED_AFTER_S: Final = 3.0

_SIDES: Final = {ManagedObject.PRIMARY_UPSTREAM: Side.PRIMARY, ManagedObject.CANARY_UPSTREAM: Side.CANARY}


class GlooRouting:
    """Implements `Routing`; subscribes to the RouteTables to see acknowledgements pass."""

    def __init__(self, client: Client, caches: Caches, applied: AppliedObjects, now_s: Callable[[], float]) -> None:
        self._client = client
        self._caches = caches
        self._applied = applied
        self._now_s = now_s
        self._acknowledgements = Acknowledgements()
        self._served: dict[Key, dict[str, ServedSince]] = {}
        self._delegations = Delegations(caches)
        self._port_moves_s: dict[Key, tuple[int, float]] = {}
        caches.of(ROUTE_TABLES).subscribe(self._on_table)
        for table in caches.of(ROUTE_TABLES).items():
            self._on_table(Change(key_of(table), None, table))

    def observe(self, canary: Canary, now_s: float) -> Route | None:
        """See `Routing`. A table that nothing delegates to is served by nobody, so nothing is to be awaited."""
        sight = self._caches.sight(canary)
        table, written = sight.table, sight.written_table
        if table is None or written is None:
            return None
        exposure = sight.memo.of("exposure", (canary, written), partial(read_exposure, canary, written))
        if exposure is None:
            return None
        state, explanation = self._state(canary, table, now_s)
        route = Route(
            exposure.traffic,
            read_sequence(table, canary),
            state,
            explanation,
            is_exact=exposure.is_exact,
            may_be_known=self._acknowledgements.may_be_known(key_of(table)),
        )
        # Of each Canary: two may name one table while no webhook refuses the second.
        served = self._served.setdefault(key_of(table), {}).setdefault(canary.uid, ServedSince())
        return served.note(route, now_s)

    def _state(self, canary: Canary, table: Object, now_s: float) -> tuple[RouteState, str]:
        """Return what the gateway says of a table, and in which words.

        A refusal comes first: what Gloo leaves out because of it is not acknowledged either.
        """
        key, way = key_of(table), self._delegations.way_to(table)
        verdict = self._verdict(canary, table, way)
        acknowledgement = self._acknowledgements.of(key, table, now_s)
        if verdict.state is GlooState.REJECTED:
            return RouteState.REJECTED, verdict.reason
        if acknowledgement is not Acknowledgement.GIVEN and self._may_be_served(table, way):
            if acknowledgement is Acknowledgement.AWAITED:
                return RouteState.PENDING, ""
            why = "is Gloo up, and does a VirtualService delegate to it?"
            text = f"RouteTable {'/'.join(key)} is not acknowledged by Gloo after {ACKNOWLEDGED_WITHIN_S:.0f} s: {why}"
            return RouteState.UNACKNOWLEDGED, text
        if verdict.state is GlooState.WARNING:
            return RouteState.WARNED, verdict.reason
        return RouteState.SETTLED, ""

    def _verdict(self, canary: Canary, table: Object, way: Way) -> GlooStatus:
        """Return the worst of what Gloo says of our objects; what it says of others stops nobody."""
        names, port = self._caches.sight(canary).names, self._served_port(canary, table)
        upstreams = [(names.namespace, f"{names.upstream_stem(side)}{port}") for side in Side]
        found = [self._caches.of(UPSTREAMS).get(*upstream) for upstream in upstreams]
        proxies = self._acknowledgements.proxies(key_of(table))

        def judge() -> GlooStatus:
            services = frozenset(map(key_of, way.services))
            ours = OurObjects(key_of(table), frozenset(upstreams), frozenset(way.parents), services)
            return gravest(
                [
                    own_verdict(table),
                    proxy_verdict(proxies, ours),
                    *(service_verdict(service, ours) for service in way.services),
                    *(own_verdict(upstream) for upstream in found if upstream is not None),
                ]
            )

        inputs = (canary, table, port, proxies, *way.services, *sorted(way.parents), *found)
        return self._caches.memo(canary).of("verdict", inputs, judge)

    def _may_be_served(self, table: Object, way: Way) -> bool:
        """Return whether a proxy may serve the table.

        An agent of one namespace does not see who delegates from another; a table that no proxy has an entry for is
        served by none.
        """
        if way.services:
            return True
        return not self._caches.sees_all_namespaces and bool(self._acknowledgements.proxies(key_of(table)))

    def unaccepted(self, canary: Canary) -> str:
        """See `Routing`."""
        sight = self._caches.sight(canary)
        compute = partial(_unaccepted, sight.names, sight.upstreams)
        return sight.memo.of("unaccepted", (canary, *sight.upstreams), compute)

    def due_objects(self, canary: Canary, target: Object) -> frozenset[ManagedObject]:
        """See `Routing`. An existing table is due when our routes in it are not as rendered: the rest is the users'."""
        sight = self._caches.sight(canary)
        memo, names, table = sight.memo, sight.names, sight.written_table
        target, reference = memo.written(target), memo.written(self._reference(canary))
        left_behind = (self._applied.left_behind(UPSTREAMS, sight.namespace, names.upstream(side)) for side in Side)
        inputs = (canary, target, sight.written_primary, reference, *sight.written_upstreams, *left_behind)
        due = memo.of("upstreams", inputs, partial(self._due_upstreams, canary, target))
        if table is not None:
            memo.of("mirror", (canary, table), partial(check_mirror, canary, table))
        return due | {ManagedObject.ROUTE} if self._is_route_due(canary) else due

    def _due_upstreams(self, canary: Canary, target: Object) -> frozenset[ManagedObject]:
        rendered = {managed: self._upstream(canary, target, managed) for managed in _SIDES}
        return frozenset(managed for managed, made in rendered.items() if self._applied.is_due(UPSTREAMS, made))

    def _is_route_due(self, canary: Canary) -> bool:
        """Return whether our routes are not as rendered; repeated ones may stay until the gateway has answered."""
        sight = self._caches.sight(canary)
        table = sight.table
        if table is None:
            return True
        # A patch tests the version of the whole table; whether there is anything to patch does not depend on that.
        if sight.memo.of("routes", (canary, sight.written_table), partial(_is_as_rendered, canary, table)):
            return False
        is_known = self._acknowledgements.of(key_of(table), table, self._now_s()) is Acknowledgement.GIVEN
        return is_known or not is_repeated(canary, table)

    def kept_port(self, canary: Canary) -> int | None:
        """See `Routing`."""
        table = self._table(canary)
        if table is None:
            return None
        served = self._served_port(canary, table)
        if served not in {None, canary.spec.service.port}:
            return served
        left_port = self._acknowledgements.left_port(key_of(table), table, self._now_s())
        if left_port is None or not self._may_be_served(table, self._delegations.way_to(table)):
            return None
        return left_port

    def look_again_after_s(self, canary: Canary) -> float | None:
        """See `Routing`. That the gateway has left an old port for long enough is a matter of time alone."""
        return None if self.kept_port(canary) is None else FOLLOWED_WITHIN_S

    def _served_port(self, canary: Canary, table: Object) -> int | None:
        memo = self._caches.memo(canary)
        written = memo.written(table)
        return memo.of("port", (canary, written), partial(served_port, canary, written))

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
        answer = await self._client.create(ROUTE_TABLES, route_table(canary))
        self._caches.of(ROUTE_TABLES).remember(answer)

    async def repeat(self, canary: Canary) -> None:
        """See `Routing`."""
        table = self._table(canary)
        operations = [] if table is None else repeated_patch(canary, table)
        if operations:
            answer = await self._client.json_patch(
                ROUTE_TABLES, Names.of(canary).route_table, canary.namespace, operations, field_manager=FIELD_MANAGER
            )
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
        if is_renaming and port not in {None, canary.spec.service.port}:
            self._acknowledgements.leave(_key(canary), port)
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
        if self.unaccepted(canary) or self._now_s() < since_s + _PORT_IS_SERVED_AFTER_S:
            raise Conflict(
                f"its Upstreams of port {port} are not served yet",
                resource=ROUTE_TABLES,
                namespace=canary.namespace,
                name=Names.of(canary).route_table,
            )

    def _on_table(self, change: Change) -> None:
        self._acknowledgements.note(change.key, change.new, self._now_s())
        if change.new is None:
            self._port_moves_s.pop(change.key, None)
            self._served.pop(change.key, None)

    def _table(self, canary: Canary) -> Object | None:
        return self._caches.sight(canary).table

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
        primary, labels = self._caches.primary(canary), self._caches.labels
        side = _SIDES[managed]
        return upstream(canary, target, side, self._reference(canary), primary=primary, settings=labels)


def _unaccepted(names: Names, upstreams: Sequence[Object | None]) -> str:
    found = []
    for side, obj in zip(Side, upstreams, strict=True):
        verdict = GlooStatus(GlooState.PENDING) if obj is None else own_verdict(obj)
        if verdict.state is not GlooState.ACCEPTED:
            reason = verdict.reason or "Gloo has not looked at it; is it up?"
            found.append(f"Upstream {names.namespace}/{names.upstream(side)} is {verdict.state}: {reason}")
    return "; ".join(found)


def _is_as_rendered(canary: Canary, table: Object) -> bool:
    return not route_patch(canary, table, _traffic(canary, table), read_sequence(table, canary))


def _traffic(canary: Canary, table: Object) -> Traffic:
    """Read the split that a table without our route begins with, too."""
    return read_traffic(canary, table) or ALL_TO_PRIMARY


def _key(canary: Canary) -> Key:
    return Key(canary.namespace, Names.of(canary).route_table)
