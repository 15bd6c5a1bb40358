"""Releasing: at the deletion of a Canary, the objects that carry the traffic are released one by one.

The target's ScaledObject is released, too, where it is still paused at zero.
"""

from collections.abc import Iterator

from agent.caches import Caches
from agent.resources import ROUTE_TABLES, SCALED_OBJECTS, UPSTREAMS
from agent.settings import FIELD_MANAGER
from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.managed import ManagedObject
from kube.client import Client
from kube.resource import SERVICES, Object, Resource
from render.json_patch import Operation
from render.objects import UnusableObjectError
from render.release import released_apex, released_object, released_route
from render.route_table import served_port
from render.scaled_object import SCALED_OBJECT, is_idle_at_zero, pause_patch


def unreleased_objects(canary: Canary, target: Object, caches: Caches) -> frozenset[ManagedObject]:
    """Return the objects that still belong to the Canary, or lead to its primary."""
    return frozenset(managed for managed, _, _, operations in _patches(canary, target, caches) if operations)


async def release_object(client: Client, caches: Caches, canary: Canary, target: Object, wanted: ManagedObject) -> None:
    """Release one object.

    Raises:
        kube.errors.KubeError: it was not done; a Conflict asks for another look.
    """
    for managed, resource, obj, operations in _patches(canary, target, caches):
        if managed is not wanted or not operations:
            continue
        name = obj["metadata"]["name"]
        answer = await client.json_patch(resource, name, canary.namespace, operations, field_manager=FIELD_MANAGER)
        caches.of(resource).remember(answer)


def _patches(
    canary: Canary, target: Object, caches: Caches
) -> Iterator[tuple[ManagedObject, Resource, Object, list[Operation]]]:
    for managed, resource, name in _places(canary, caches):
        obj = caches.of(resource).get(canary.namespace, name)
        if obj is None:
            continue
        match managed:
            case ManagedObject.APEX_SERVICE:
                yield managed, resource, obj, _released_apex(obj, canary, target, caches)
            case ManagedObject.ROUTE:
                yield managed, resource, obj, released_route(obj, canary)
            case ManagedObject.TARGET_SCALER:
                yield managed, resource, obj, pause_patch(obj, is_paused=False) if is_idle_at_zero(obj) else []
            case _:
                yield managed, resource, obj, released_object(obj, canary)


def _released_apex(service: Object, canary: Canary, target: Object, caches: Caches) -> list[Operation]:
    """Release the apex Service; a target without a usable selector never got traffic from us, and gets none back."""
    try:
        return released_apex(service, canary, target, primary=caches.primary(canary), settings=caches.labels)
    except UnusableObjectError:
        return released_object(service, canary)


def _places(canary: Canary, caches: Caches) -> Iterator[tuple[ManagedObject, Resource, str]]:
    names, scaler = Names.of(canary), canary.spec.autoscaler_ref
    if scaler is not None and scaler.kind == SCALED_OBJECT:
        yield ManagedObject.TARGET_SCALER, SCALED_OBJECTS, scaler.name
    yield ManagedObject.APEX_SERVICE, SERVICES, names.apex
    yield ManagedObject.PRIMARY_SERVICE, SERVICES, names.primary_service
    yield ManagedObject.CANARY_SERVICE, SERVICES, names.canary_service
    for port in _ports(canary, caches.of(ROUTE_TABLES).get(canary.namespace, names.route_table)):
        yield ManagedObject.PRIMARY_UPSTREAM, UPSTREAMS, f"{names.upstream_stem(Side.PRIMARY)}{port}"
        yield ManagedObject.CANARY_UPSTREAM, UPSTREAMS, f"{names.upstream_stem(Side.CANARY)}{port}"
    yield ManagedObject.ROUTE, ROUTE_TABLES, names.route_table


def _ports(canary: Canary, table: Object | None) -> set[int]:
    """Return the ports whose Upstreams may carry traffic: the route still has the one before an edit, for a while."""
    served = None if table is None else served_port(canary, table)
    return {canary.spec.service.port} | ({served} if served else set())
