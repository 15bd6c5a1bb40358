"""The routes in front of the main one: for the requests that an A/B test chooses, or that carry a cookie.

A route in front is the main route again, for fewer requests and with weights of its own. Whatever users gave the main
route (authentication, limits, headers) therefore holds for these requests too.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, NamedTuple

from canary.api.canary import Canary
from canary.run.traffic import TOTAL_PERCENT, Traffic
from render.cookies import DELETE_S, cookie_condition, set_cookie, with_cookie
from render.matchers import conditions, has_path, narrowed, without_path
from render.objects import Object
from render.owned_fields import overlay
from render.route_place import (
    AFFINITY_ROUTE,
    MATCH_PATH_ROUTE,
    MATCH_ROUTE,
    PRIMARY_AFFINITY_ROUTE,
    Place,
    destinations_of,
)

_ROOT: Final = "/"
_INHERITS: Final = "inheritablePathMatchers"
_DERIVED: Final = ("name", "matchers", _INHERITS, "inheritableMatchers", "routeAction", "options")


class Front(NamedTuple):
    """`conditions` are partial matchers, each an alternative; `deleted_cookie` is one that its senders are to lose."""

    name: str
    conditions: list[Object]
    canary_percent: int
    deleted_cookie: str = ""


def fronts(canary: Canary, traffic: Traffic, old_cookie: str) -> list[Front]:
    """Return the routes that a split needs in front, the first to be asked first.

    `old_cookie` is the one that the table knows, if any: when it is not wanted any more, those who still send it go to
    the primary and are told to forget it.
    """
    if canary.is_for_matching:
        return list(_match_fronts(canary, traffic))
    if traffic.cookie:
        sticky_percent = TOTAL_PERCENT if traffic.canary_percent > 0 else 0
        found = [Front(AFFINITY_ROUTE, [cookie_condition(traffic.cookie)], sticky_percent)]
        of_primary = primary_cookie(canary, traffic)
        if of_primary:
            found.append(Front(PRIMARY_AFFINITY_ROUTE, [cookie_condition(of_primary)], 0))
        return found
    if old_cookie and canary.analysis is not None and canary.analysis.session_affinity is not None:
        return [Front(AFFINITY_ROUTE, [cookie_condition(old_cookie)], 0, old_cookie)]
    return []


def primary_cookie(canary: Canary, traffic: Traffic) -> str:
    """Return the cookie that keeps its users on the primary for the step that the split is of; empty for none.

    Each step has another value, so that the users of the primary are dealt anew.
    """
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    if affinity is None or not affinity.primary_cookie_name or not traffic.cookie or not traffic.canary_percent:
        return ""
    return f"{affinity.primary_cookie_name}={traffic.cookie.partition('=')[2]}-{traffic.canary_percent}"


def render_front(canary: Canary, front: Front, main: Object, place: Place, cookie_names: set[str]) -> Object:
    """Derive the route from the main one, rendered already; `place` is where the Upstreams stand in that.

    Cookies of these names are ours: they are set on the main route only.
    """
    route: Object = {key: deepcopy(value) for key, value in main.items() if key != "matchers"} | {"name": front.name}
    matchers = main.get("matchers") or []
    if route.get(_INHERITS):
        matchers = [without_path(matcher) for matcher in matchers]  # Gloo does not look at their paths
    route["matchers"] = narrowed(matchers, front.conditions)
    if any(has_path(matcher) for matcher in route["matchers"]):
        route[_INHERITS] = False
    if not route.get(_INHERITS):
        route["matchers"] = [
            matcher if has_path(matcher) else {"prefix": _ROOT} | matcher for matcher in route["matchers"]
        ]
    sides = ((place.primary, TOTAL_PERCENT - front.canary_percent), (place.canary, front.canary_percent))
    route["routeAction"]["multi"]["destinations"] = [
        _destination(destinations_of(main)[position], weight, cookie_names) for position, weight in sides
    ]
    options = without_mirror(route.pop("options", None) or {}, main, place)
    if front.deleted_cookie and canary.analysis is not None:
        header = set_cookie(front.deleted_cookie, canary.analysis.session_affinity, DELETE_S)
        options = with_cookie(options, header, in_place_of=set())
    return route | ({"options": options} if options else {})


def merged_front(found: Object, rendered: Object, was_copied: tuple[str, ...]) -> Object:
    """Return the rendered route with what users gave the one that stands there."""
    kept = {key: value for key, value in found.items() if key not in _DERIVED}
    merged = kept | rendered
    for there, destination in zip(destinations_of(found), destinations_of(merged), strict=False):
        if "weight" not in there and not destination["weight"]:
            del destination["weight"]  # some versions of Gloo drop a zero when they write their status
    options = overlay(found.get("options") or {}, rendered.get("options") or {}, was_copied)
    merged.pop("options", None)
    return merged | ({"options": options} if options else {})


def _match_fronts(canary: Canary, traffic: Traffic) -> Iterator[Front]:
    """Separate the conditions with a path: a route that inherits its path can have none of its own."""
    assert canary.analysis is not None
    chosen = conditions(canary.analysis.match)
    for name, is_path in ((MATCH_ROUTE, False), (MATCH_PATH_ROUTE, True)):
        of_kind = [condition for condition in chosen if has_path(condition) is is_path]
        if of_kind:
            yield Front(name, of_kind, traffic.canary_percent)


def without_mirror(options: Object, main: Object, place: Place) -> Object:
    """Return the options without a mirror to the canary side; one to somewhere else is the users'."""
    is_ours = mirror_percent(main, place) is not None
    return {key: value for key, value in options.items() if not is_ours or key != "shadowing"}


def mirror_percent(main: Object, place: Place) -> int | None:
    """Return how much the main route copies to the canary side; None when it copies nothing there."""
    shadowing = (main.get("options") or {}).get("shadowing") or {}
    canary_side = destinations_of(main)[place.canary]["destination"]["upstream"]
    is_ours = (shadowing.get("upstream") or {}).get("name") == canary_side["name"]
    return int(shadowing.get("percentage") or 0) if is_ours else None


def _destination(of_main: dict[str, Any], weight: int, cookie_names: set[str]) -> dict[str, Any]:
    destination = deepcopy(of_main) | {"weight": weight}
    options = with_cookie(destination.pop("options", None), None, in_place_of=cookie_names)
    return destination | ({"options": options} if options else {})
