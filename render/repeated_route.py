"""The same split in other numbers: 75 and 25 as 150 and 50, which is another configuration to a gateway.

Gloo acknowledges only what changes its proxy. A weight that was written and taken back while it was away changes
nothing, so nothing would ever come of waiting.
"""

from typing import Final

from canary.api.canary import Canary
from canary.api.names import Names
from canary.run.traffic import TOTAL_PERCENT
from render.json_patch import Operation, pointer, put, unchanged
from render.objects import Object
from render.route_place import Place, destinations_of, routes_of

_FACTORS: Final = 9


def is_repeated(canary: Canary, table: Object) -> bool:
    """Return whether the main route's weights are such a multiple of percents."""
    weights = _weights(canary, table)
    return weights is not None and _factor(weights) > 1


def repeated_patch(canary: Canary, table: Object) -> list[Operation]:
    """Patch the weights of the main route, as the table was read, to their next multiple; nothing without a route."""
    place, weights = Place.find(table, Names.of(canary)), _weights(canary, table)
    if place is None or weights is None or not any(weights):
        return []
    factor = _factor(weights)
    wanted = [weight // factor * (factor % _FACTORS + 1) for weight in weights]
    base = ("spec", "routes", place.route, "routeAction", "multi", "destinations")
    positions = (place.primary, place.canary)
    changes = [
        put(pointer(*base, position, "weight"), weight) for position, weight in zip(positions, wanted, strict=True)
    ]
    return [*unchanged(table), *changes]


def _factor(weights: tuple[int, int]) -> int:
    """Return what percents were multiplied by; 1 for weights of which nobody knows."""
    factor, rest = divmod(sum(weights), TOTAL_PERCENT)
    return factor if factor > 0 and rest == 0 and all(weight % factor == 0 for weight in weights) else 1


def _weights(canary: Canary, table: Object) -> tuple[int, int] | None:
    place = Place.find(table, Names.of(canary))
    if place is None:
        return None
    destinations = destinations_of(routes_of(table)[place.route])
    primary, other = (int(destinations[position].get("weight") or 0) for position in (place.primary, place.canary))
    return primary, other
