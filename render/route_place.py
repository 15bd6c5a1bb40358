"""Where our routes stand in a RouteTable that users may have enriched.

The main route is known by its two Upstreams, of the port that the canary has now or had before; the routes in front of
it are known by their names. Everything else in the table belongs to others.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

from canary.api.names import Names, Side
from render.json_patch import Operation, pointer, test
from render.objects import Object

MATCH_ROUTE: Final = "serin-match"
MATCH_PATH_ROUTE: Final = "serin-match-path"
AFFINITY_ROUTE: Final = "serin-affinity"
PRIMARY_AFFINITY_ROUTE: Final = "serin-affinity-primary"
MATCH_ROUTES: Final = frozenset({MATCH_ROUTE, MATCH_PATH_ROUTE})
FRONT_ROUTES: Final = MATCH_ROUTES | {AFFINITY_ROUTE, PRIMARY_AFFINITY_ROUTE}


class Place(NamedTuple):
    """The positions of the main route and of the two Upstreams among its destinations; `port` is in their names."""

    route: int
    primary: int
    canary: int
    port: int

    @classmethod
    def find(cls, table: Object, names: Names) -> Self | None:
        """Find the last route with both Upstreams: those before it can only be for requests with something special.

        One with the Upstreams of the present port goes before one with those of a port that was edited since.
        """
        places = [place for position in range(len(routes_of(table))) if (place := cls._at(table, names, position))]
        if not places:
            return None
        return next((place for place in reversed(places) if place.port == names.port), places[-1])

    @classmethod
    def _at(cls, table: Object, names: Names, position: int) -> Self | None:
        route = routes_of(table)[position]
        if route.get("name") in FRONT_ROUTES:
            return None
        sides = destinations_by_side(route, names)
        for port in sides[Side.PRIMARY].keys() & sides[Side.CANARY].keys():
            return cls(position, sides[Side.PRIMARY][port], sides[Side.CANARY][port], port)
        return None

    def tests(self, table: Object) -> list[Operation]:
        """Refuse a patch unless the two Upstreams stand here still, with the weights that were seen."""
        route = routes_of(table)[self.route]
        base = ("spec", "routes", self.route)
        return weight_tests(route, (self.primary, self.canary), *base)


def routes_of(table: Object) -> list[Object]:
    """Return the table's routes; none is an empty list."""
    return (table.get("spec") or {}).get("routes") or []


def destinations_of(route: Object) -> list[dict[str, Any]]:
    """Return the weighted destinations of a route, as they stand in it."""
    multi = (route.get("routeAction") or {}).get("multi") or {}
    return multi.get("destinations") or []


def destinations_by_side(route: Object, names: Names) -> dict[Side, dict[int, int]]:
    """Return the positions of our Upstreams among the route's destinations, by side and by the port in their names."""
    found: dict[Side, dict[int, int]] = {side: {} for side in Side}
    sides = [(names.upstream_stem(side), ports) for side, ports in found.items()]
    for position, destination in enumerate(destinations_of(route)):
        upstream = (destination.get("destination") or {}).get("upstream") or {}
        if upstream.get("namespace", names.namespace) != names.namespace:
            continue
        name = upstream.get("name") or ""
        for stem, ports in sides:
            port = name[len(stem) :] if name.startswith(stem) else ""
            if port.isdecimal():
                ports.setdefault(int(port), position)
    return found


def weight_tests(route: Object, positions: Iterable[int], *base: str | int) -> list[Operation]:
    """Refuse a patch unless the destinations at `positions` are as seen; an omitted weight can't be tested."""
    tests = []
    for position in positions:
        destination = destinations_of(route)[position]
        path = (*base, "routeAction", "multi", "destinations", position)
        name = destination["destination"]["upstream"]["name"]
        tests.append(test(pointer(*path, "destination", "upstream", "name"), name))
        if "weight" in destination:
            tests.append(test(pointer(*path, "weight"), destination["weight"]))
    return tests


def fronts_of(table: Object) -> dict[int, Object]:
    """Return the routes in front that are ours, by position."""
    return {position: route for position, route in enumerate(routes_of(table)) if route.get("name") in FRONT_ROUTES}
