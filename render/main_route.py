"""Our main route: both Upstreams with their weights, the mirror and the cookies, under the service's options."""

from collections.abc import Collection
from copy import deepcopy
from typing import NamedTuple

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.api.partial import PartialCanary
from canary.run.traffic import TOTAL_PERCENT, Traffic
from canary.run.wire import OWNED_ANNOTATION
from render.cookies import asks_for, cookies_set, set_cookie, with_cookie
from render.front_routes import mirror_percent, primary_cookie, without_mirror
from render.objects import Object, UnusableObjectError
from render.owned_fields import OwnedFields, overlay
from render.ownership import is_owned_by
from render.route_options import route_options
from render.route_place import (
    AFFINITY_ROUTE,
    PRIMARY_AFFINITY_ROUTE,
    Place,
    destinations_of,
    fronts_of,
    routes_of,
)


class Cookies(NamedTuple):
    """`current` keeps its users on the canary side; `known` is that, or else the one that is being deleted.

    `of_primary` keeps its users on the primary for a step.
    """

    current: str
    known: str
    of_primary: str


def new_main_route(canary: Canary) -> Object:
    """Return the route before it is split; it takes its paths from the VirtualService that delegates to it."""
    names = Names.of(canary)
    destinations = [
        {"destination": {"upstream": {"name": names.upstream(side), "namespace": canary.namespace}}, "weight": 0}
        for side in Side
    ]
    return {"inheritablePathMatchers": True, "routeAction": {"multi": {"destinations": destinations}}}


def main_route(canary: Canary, table: Object, place: Place, wanted: Traffic, *, is_renaming: bool) -> Object:
    """Return the main route of `table` as it is to be: what is ours set, all the rest as it is.

    With `is_renaming` the destinations get the Upstreams of the present port.

    Raises:
        UnusableObjectError: a mirror is wanted, and the route has one of the user's.
    """
    route = deepcopy(routes_of(table)[place.route])
    if _is_flaggers(canary, table):
        # All entries of `match` in one: behind it there is no route, and everyone else gets 404.
        route.pop("matchers", None)
    names = Names.of(canary)
    is_for_all = not canary.is_for_matching or wanted.includes_unmatched
    weights = (wanted.primary_percent, wanted.canary_percent) if is_for_all else (TOTAL_PERCENT, 0)
    headers = _cookie_headers(canary, wanted)
    for side, position, weight in zip(Side, (place.primary, place.canary), weights, strict=True):
        destination = destinations_of(route)[position]
        if is_renaming:
            destination["destination"]["upstream"]["name"] = names.upstream(side)
        if int(destination.get("weight") or 0) != weight:
            destination["weight"] = weight
        options = with_cookie(
            destination.pop("options", None), headers[side], in_place_of=cookie_names(canary, table, place, wanted)
        )
        if options:
            destination["options"] = options
    was_ours = OwnedFields.read(table).options
    options = without_mirror(route.pop("options", None) or {}, routes_of(table)[place.route], place)
    options = overlay(options, _wanted_options(canary, options, was_ours), was_ours)
    options |= _mirror(table, place, options, route, wanted.mirror_percent)
    return route | ({"options": options} if options else {})


def _wanted_options(canary: Canary, standing: Object, was_ours: Collection[str]) -> Object:
    """Return what the canary wants done to requests; of one whose spec can't be read what stands there of it."""
    if isinstance(canary, PartialCanary):
        return {name: option for name, option in standing.items() if name in was_ours}
    return route_options(canary.spec.service)


def _is_flaggers(canary: Canary, table: Object) -> bool:
    """Return whether the table was made for this canary, and never written by us: its matchers are no user's."""
    annotations = table["metadata"].get("annotations") or {}
    return is_owned_by(table, canary) and OWNED_ANNOTATION not in annotations


def read_cookies(table: Object, place: Place) -> Cookies:
    """Read each cookie from the route in front that asks for it, and from where it is set or deleted."""
    in_front = {route["name"]: route for route in fronts_of(table).values()}
    sticky, sticky_primary = (in_front.get(name, {}) for name in (AFFINITY_ROUTE, PRIMARY_AFFINITY_ROUTE))
    destinations = destinations_of(routes_of(table)[place.route])
    current = _asked_for(sticky, destinations[place.canary])
    of_primary = _asked_for(sticky_primary, destinations[place.primary])
    return Cookies(current, current or _asked_for(sticky, sticky), of_primary)


def _asked_for(front: Object, setter: Object) -> str:
    return next((cookie for cookie in cookies_set(setter.get("options")) if asks_for(front, cookie)), "")


def read_mirror(table: Object, place: Place) -> int:
    """Read how much is copied to the canary side, in percent."""
    return mirror_percent(routes_of(table)[place.route], place) or 0


def check_mirror(canary: Canary, table: Object) -> None:
    """See that the main route's mirror is free for a canary that mirrors.

    Raises:
        UnusableObjectError: users copy its requests to somewhere else.
    """
    place = Place.find(table, Names.of(canary))
    if place is None or canary.analysis is None or not canary.analysis.mirror:
        return
    route = routes_of(table)[place.route]
    if "shadowing" in (route.get("options") or {}) and mirror_percent(route, place) is None:
        raise _foreign_mirror(table, place)


def cookie_names(canary: Canary, table: Object, place: Place, wanted: Traffic) -> set[str]:
    """Name the cookies that are ours to set and to unset: the spec's, and those of before an edit of it."""
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    of_spec = set() if affinity is None else {affinity.cookie_name, affinity.primary_cookie_name}
    cookies = (wanted.cookie, *read_cookies(table, place))
    return (of_spec | {cookie.partition("=")[0] for cookie in cookies}) - {""}


def _cookie_headers(canary: Canary, wanted: Traffic) -> dict[Side, Object | None]:
    """Return the Set-Cookie of each side. The primary's lasts for one step, as Flagger's does."""
    if not wanted.cookie or canary.is_for_matching:
        return {Side.PRIMARY: None, Side.CANARY: None}
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    of_canary = set_cookie(wanted.cookie, affinity, 0 if affinity is None else affinity.max_age_s)
    of_primary = primary_cookie(canary, wanted)
    step_s = max(int(canary.interval_s), 1)
    return {
        Side.PRIMARY: set_cookie(of_primary, affinity, step_s) if of_primary else None,
        Side.CANARY: of_canary,
    }


def _mirror(table: Object, place: Place, options: Object, route: Object, percent: int) -> Object:
    if not percent:
        return {}
    if "shadowing" in options:
        raise _foreign_mirror(table, place)
    upstream = destinations_of(route)[place.canary]["destination"]["upstream"]
    return {"shadowing": {"upstream": dict(upstream), "percentage": percent}}


def _foreign_mirror(table: Object, place: Place) -> UnusableObjectError:
    shadowing = routes_of(table)[place.route]["options"]["shadowing"]
    path = f"spec.routes[{place.route}].options.shadowing"
    allowed = "no shadowing on this route while the Canary mirrors (spec.analysis.mirror): Gloo has one mirror a route"
    return UnusableObjectError(table, path, found=shadowing, allowed=allowed, reason="RouteUnusable")
