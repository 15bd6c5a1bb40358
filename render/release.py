"""Letting generated objects outlive their Canary: they lose their owner, and lead to the target instead of the primary.

A patch is empty once nothing is left to be done. What is left then (three Services, two Upstreams, a RouteTable) is the
user's; a new Canary of the same names finds its objects there.
"""

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.traffic import TOTAL_PERCENT
from render.json_patch import Operation, pointer, put, put_entries, remove, unchanged
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import Object
from render.ownership import FLUX_LEAVES_IT, is_owned_by
from render.route_place import destinations_by_side, destinations_of, routes_of
from render.selectors import side_selectors


def released_object(obj: Object, canary: Canary) -> list[Operation]:
    """Take the Canary from the owners of `obj`."""
    return _guarded(obj, _disowned(obj, canary))


def released_apex(
    service: Object,
    canary: Canary,
    target: Object,
    *,
    primary: Object | None = None,
    settings: LabelSettings = FLAGGERS_LABELS,
) -> list[Operation]:
    """Make the apex Service select the target's pods; one that a user made goes back to whoever applied it.

    Labels that neither side is selected by stay. `primary` is the primary workload, None where there is none.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    selectors, found = side_selectors(target, primary, settings), service["spec"].get("selector") or {}
    of_primary = [key for key, value in selectors.primary.items() if found.get(key) == value]
    operations = [remove(pointer("spec", "selector", key)) for key in of_primary if key not in selectors.canary]
    operations += put_entries(service, ("spec", "selector"), selectors.canary)
    if operations and not is_owned_by(service, canary):
        annotations = service["metadata"].get("annotations") or {}
        ours = [key for key, value in FLUX_LEAVES_IT.items() if annotations.get(key) == value]
        operations += [remove(pointer("metadata", "annotations", key)) for key in ours]
    return _guarded(service, [*operations, *_disowned(service, canary)])


def released_route(table: Object, canary: Canary) -> list[Operation]:
    """Send what any of our routes gets to the canary side, whose pods are the target's."""
    operations = []
    for position, route in enumerate(routes_of(table)):
        sides = destinations_by_side(route, Names.of(canary))
        if not sides[Side.PRIMARY] or not sides[Side.CANARY]:
            continue
        for side, weight in ((Side.PRIMARY, 0), (Side.CANARY, TOTAL_PERCENT)):
            for index in sides[side].values():
                if int(destinations_of(route)[index].get("weight") or 0) != weight:
                    path = ("spec", "routes", position, "routeAction", "multi", "destinations", index, "weight")
                    operations.append(put(pointer(*path), weight))
    return _guarded(table, [*operations, *_disowned(table, canary)])


def _disowned(obj: Object, canary: Canary) -> list[Operation]:
    if not is_owned_by(obj, canary):
        return []
    others = [owner for owner in obj["metadata"]["ownerReferences"] if owner.get("uid") != canary.uid]
    path = "/metadata/ownerReferences"
    return [put(path, others)] if others else [remove(path)]


def _guarded(obj: Object, operations: list[Operation]) -> list[Operation]:
    return [*unchanged(obj), *operations] if operations else []
