"""The RouteTable that a VirtualService delegates to: our main route, the routes in front of it, and their weights.

`spec.routes` is an atomic list that users may enrich, so after its creation the table is only ever patched: each patch
tests what it relies on, and everything else stays as it is. Source of the shape: Flagger 1.44, `GlooRouter.Reconcile`;
of the facts about routes: Gloo's answers in tests/contract/gloo.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.api.partial import PartialCanary
from canary.run.traffic import ALL_TO_PRIMARY, TOTAL_PERCENT, Traffic
from canary.run.wire import MOVE_ANNOTATION, OWNED_ANNOTATION
from render.front_routes import fronts, merged_front, render_front
from render.json_patch import Operation, difference, pointer, put, put_entries, remove, test, unchanged
from render.main_route import cookie_names, main_route, new_main_route, read_cookies, read_mirror
from render.objects import Object
from render.owned_fields import OwnedFields
from render.ownership import FLUX_LEAVES_IT, is_owned_by, owned_metadata, users_metadata
from render.route_options import route_options
from render.route_place import (
    FRONT_ROUTES,
    MATCH_ROUTES,
    Place,
    destinations_by_side,
    destinations_of,
    fronts_of,
    routes_of,
    weight_tests,
)

ROUTE_TABLE_API_VERSION: Final = "gateway.solo.io/v1"


def route_table(canary: Canary, wanted: Traffic = ALL_TO_PRIMARY) -> Object:
    """Render the table for its creation."""
    apex = users_metadata(canary.spec.service.apex)
    metadata = owned_metadata(
        canary,
        Names.of(canary).route_table,
        labels=apex.labels,
        annotations=apex.annotations | FLUX_LEAVES_IT | {MOVE_ANNOTATION: f"{canary.uid}/0"},
    )
    table: Object = {"apiVersion": ROUTE_TABLE_API_VERSION, "kind": "RouteTable", "metadata": metadata, "spec": {}}
    routes = _with_our_routes(canary, table, wanted)
    metadata["annotations"][OWNED_ANNOTATION] = routes.owned.text()
    return table | {"spec": {"routes": [*routes.fronts, routes.main]}}


class Exposure(NamedTuple):
    """What of the traffic can reach the canary side; not `is_exact` where the weights are none that we write."""

    traffic: Traffic
    is_exact: bool = True


def read_traffic(canary: Canary, table: Object) -> Traffic | None:
    """Read how our routes split the requests; None when no route has both Upstreams. See `read_exposure`."""
    exposure = _read_meant(canary, table)
    return None if exposure is None else exposure.traffic


def read_exposure(canary: Canary, table: Object) -> Exposure | None:
    """Read how our routes split the requests; None when no route has both Upstreams.

    In an A/B test the weights are those of the requests that match: 100 and 0 as long as no route is for them. The
    split includes those that match nothing when they are split alike. Weights of another sum than 100 are read as the
    share that they come to.

    Where any route of ours sends more to the canary side, its weight is what is read: it is left from before the
    strategy was edited, or was changed by hand, and to see it as it should be would hide that requests reach a canary
    that is to have none.
    """
    meant, place = _read_meant(canary, table), Place.find(table, Names.of(canary))
    if meant is None or place is None:
        return None
    traffic, names = meant.traffic, Names.of(canary)
    rendered = {front.name: front.canary_percent for front in fronts(canary, traffic, read_cookies(table, place).known)}
    routes = [(route, rendered.get(route["name"], 0)) for route in fronts_of(table).values()]
    is_main_for_all = not canary.is_for_matching or traffic.includes_unmatched
    routes.append((routes_of(table)[place.route], traffic.canary_percent if is_main_for_all else 0))
    stray = [
        percent
        for route, meant_percent in routes
        if (positions := _positions(route, names)) is not None
        and (percent := _percent(_weights(route, positions))) > meant_percent
    ]
    percent = max([traffic.canary_percent, *stray])
    return meant if percent == traffic.canary_percent else Exposure(replace(traffic, canary_percent=percent))


def _read_meant(canary: Canary, table: Object) -> Exposure | None:
    names = Names.of(canary)
    place = Place.find(table, names)
    if place is None:
        return None
    mirror_percent = read_mirror(table, place)
    main = _weights(routes_of(table)[place.route], (place.primary, place.canary))
    if not canary.is_for_matching:
        traffic = Traffic(_percent(main), mirror_percent, read_cookies(table, place).current)
        return Exposure(traffic, is_exact=sum(main) == TOTAL_PERCENT)
    for route in fronts_of(table).values():
        positions = _positions(route, names)
        if route["name"] in MATCH_ROUTES and positions is not None:
            weights = _weights(route, positions)
            includes_unmatched = main == weights and main[1] > 0
            traffic = Traffic(_percent(weights), mirror_percent, includes_unmatched=includes_unmatched)
            return Exposure(traffic, is_exact=sum(weights) == TOTAL_PERCENT)
    return Exposure(Traffic(mirror_percent=mirror_percent))


def served_port(canary: Canary, table: Object) -> int | None:
    """Read the port whose Upstreams our route sends to: the spec's, or the one before an edit; None without a route."""
    place = Place.find(table, Names.of(canary))
    return None if place is None else place.port


def route_patch(
    canary: Canary, table: Object, wanted: Traffic, sequence: int, *, is_renaming: bool = True
) -> list[Operation]:
    """Patch `table`, as it was read, so that our routes are as rendered and split as wanted.

    `sequence` is the number of the transition that wants it. No operations when all is as wanted. The patch is refused
    when the Upstreams no longer stand where they were seen, when the weights or the transition have been changed since
    or, where more than weights is to change, when anything has: read again and decide again then. A table without our
    route gets it, behind the routes of others. Without `is_renaming` the route keeps the Upstreams of an earlier port.

    Raises:
        UnusableObjectError: a mirror is wanted, and the route has one of the user's.
    """
    place = Place.find(table, Names.of(canary))
    if place is None:
        ours = _with_our_routes(canary, table, wanted)
        others = [route for route in routes_of(table) if route.get("name") not in FRONT_ROUTES]
        routes = [*others, *ours.fronts, ours.main]
        changes = [put("/spec/routes", routes) if "spec" in table else put("/spec", {"routes": routes})]
        return [*unchanged(table), *changes, *_metadata_changes(canary, table, ours.owned, sequence)]
    ours = _our_routes(canary, table, place, wanted, is_renaming=is_renaming)
    changes = _route_changes(table, place, ours)
    metadata = _metadata_changes(canary, table, ours.owned, None)
    if not changes and not metadata:
        return []
    guard = [*_fence(table), *_tests(table, place, Names.of(canary))]
    is_more_than_weights = metadata or not all(str(change["path"]).endswith("/weight") for change in changes)
    if is_more_than_weights or _is_a_weight_omitted(table, place, Names.of(canary)):
        guard = [*unchanged(table), *guard]
    return [*guard, *changes, *_metadata_changes(canary, table, ours.owned, sequence)]


def read_sequence(table: Object, canary: Canary) -> int:
    """Read which transition of this canary last wrote the table; 0 when none did."""
    uid, _, number = str(_annotations(table).get(MOVE_ANNOTATION, "")).rpartition("/")
    return int(number) if uid == canary.uid and number.isdecimal() else 0


class _OurRoutes(NamedTuple):
    main: Object
    fronts: list[Object]
    owned: OwnedFields


def _with_our_routes(canary: Canary, table: Object, wanted: Traffic) -> _OurRoutes:
    """Render our routes for a table that has no main route yet."""
    grown = table | {"spec": {"routes": [*fronts_of(table).values(), new_main_route(canary)]}}
    place = Place.find(grown, Names.of(canary))
    assert place is not None
    return _our_routes(canary, grown, place, wanted, is_renaming=True)


def _our_routes(canary: Canary, table: Object, place: Place, wanted: Traffic, *, is_renaming: bool) -> _OurRoutes:
    main = main_route(canary, table, place, wanted, is_renaming=is_renaming)
    before = OwnedFields.read(table)
    standing = {route["name"]: route for route in fronts_of(table).values()}
    names = cookie_names(canary, table, place, wanted)
    in_front = []
    for front in fronts(canary, wanted, read_cookies(table, place).known):
        rendered = render_front(canary, front, main, place, names)
        in_front.append(merged_front(standing.get(front.name, {}), rendered, before.copied))
    if isinstance(canary, PartialCanary):
        copied = tuple(sorted(main.get("options") or ())) if in_front else ()
        return _OurRoutes(main, in_front, replace(before, copied=copied))
    is_ours = is_owned_by(table, canary)
    apex = users_metadata(canary.spec.service.apex)
    owned = OwnedFields(
        options=tuple(sorted(route_options(canary.spec.service))),
        copied=tuple(sorted(main.get("options") or ())) if in_front else (),
        labels=tuple(sorted(apex.labels)) if is_ours else (),
        annotations=tuple(sorted(apex.annotations)) if is_ours else (),
    )
    return _OurRoutes(main, in_front, owned)


def _route_changes(table: Object, place: Place, ours: _OurRoutes) -> list[Operation]:
    """Change our routes where they stand; those in front are set anew when they are not the wanted ones in order."""
    routes, standing = routes_of(table), fronts_of(table)
    changes = difference(routes[place.route], ours.main, "spec", "routes", place.route)
    is_in_order = [route["name"] for route in standing.values()] == [route["name"] for route in ours.fronts]
    if is_in_order and all(position < place.route for position in standing):
        for position, rendered in zip(standing, ours.fronts, strict=True):
            changes += difference(routes[position], rendered, "spec", "routes", position)
        return changes
    changes += [remove(pointer("spec", "routes", position)) for position in sorted(standing, reverse=True)]
    main_position = place.route - sum(position < place.route for position in standing)
    return changes + [put(pointer("spec", "routes", main_position), rendered) for rendered in reversed(ours.fronts)]


def _metadata_changes(canary: Canary, table: Object, owned: OwnedFields, sequence: int | None) -> list[Operation]:
    """Set what is ours of the table's labels and annotations; `sequence` None leaves out its number."""
    before, apex = OwnedFields.read(table), users_metadata(canary.spec.service.apex)
    if isinstance(canary, PartialCanary):
        before = replace(before, labels=(), annotations=())  # nothing is known to be wanted no longer
    labels: Mapping[str, str] = {}
    annotations: dict[str, str] = {}
    if is_owned_by(table, canary):
        labels, annotations = apex.labels, apex.annotations | FLUX_LEAVES_IT
    if owned != OwnedFields.read(table) or (is_owned_by(table, canary) and OWNED_ANNOTATION not in _annotations(table)):
        annotations[OWNED_ANNOTATION] = owned.text()
    if sequence is not None:
        annotations[MOVE_ANNOTATION] = f"{canary.uid}/{sequence}"
    gone = [
        remove(pointer("metadata", kind, key))
        for kind, was_ours, wanted in (
            ("labels", before.labels, labels),
            ("annotations", before.annotations, annotations),
        )
        for key in was_ours
        if key not in wanted and key in (table["metadata"].get(kind) or {})
    ]
    return [
        *gone,
        *put_entries(table, ("metadata", "labels"), labels),
        *put_entries(table, ("metadata", "annotations"), annotations),
    ]


def _fence(table: Object) -> list[Operation]:
    """Refuse the patch when another transition wrote the table since it was read."""
    found = _annotations(table).get(MOVE_ANNOTATION)
    return unchanged(table) if found is None else [test(pointer("metadata", "annotations", MOVE_ANNOTATION), found)]


def _tests(table: Object, place: Place, names: Names) -> list[Operation]:
    tests = place.tests(table)
    for position, route in fronts_of(table).items():
        base = ("spec", "routes", position)
        tests.append(test(pointer(*base, "name"), route["name"]))
        tests += weight_tests(route, _positions(route, names) or (), *base)
    return tests


def _is_a_weight_omitted(table: Object, place: Place, names: Names) -> bool:
    ours = [(routes_of(table)[place.route], (place.primary, place.canary))]
    ours += [(route, positions) for route in fronts_of(table).values() if (positions := _positions(route, names))]
    return any("weight" not in destinations_of(route)[position] for route, positions in ours for position in positions)


def _positions(route: Object, names: Names) -> tuple[int, int] | None:
    """Say where the two Upstreams, of whichever port, stand among a front route's destinations."""
    primary, canary = (list(destinations_by_side(route, names)[side].values()) for side in Side)
    return (primary[0], canary[0]) if primary and canary else None


def _weights(route: Object, positions: tuple[int, int]) -> tuple[int, int]:
    primary, canary = (int(destinations_of(route)[position].get("weight") or 0) for position in positions)
    return primary, canary


def _annotations(table: Object) -> dict[str, Any]:
    return table["metadata"].get("annotations") or {}


def _percent(weights: tuple[int, int]) -> int:
    """Return the canary side's share; part of a percent counts as a whole one, for some requests reach that side."""
    primary, canary = weights
    return -(-TOTAL_PERCENT * canary // (primary + canary)) if canary else 0
