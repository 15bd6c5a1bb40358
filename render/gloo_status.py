"""What Gloo says of an object, read from the object's own status.

Shape: `status.statuses` has an entry for each Gloo that looked at the object, and in it `subresourceStatuses` an entry
for each proxy. After a change of the object Gloo first empties the proxy's entry and some second later fills it again:
that is the only acknowledgement there is, for the top-level state stays Accepted all along. Older Gloo writes numbers
for states, and a single entry that is `status` itself.

An object's top-level state is about that object. A proxy's entry is about the whole proxy: Gloo copies it into every
RouteTable and VirtualService, so a Warning there is ours only where its text names one of ours.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from render.objects import Object

Reference = tuple[str, str]
"""Namespace and name."""


class GlooState(StrEnum):
    """Gloo's own words."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    WARNING = "Warning"
    REJECTED = "Rejected"


_BY_NUMBER: Final = (GlooState.PENDING, GlooState.ACCEPTED, GlooState.REJECTED, GlooState.WARNING)

_GRAVEST_FIRST: Final = (GlooState.REJECTED, GlooState.WARNING, GlooState.PENDING)


@dataclass(frozen=True, slots=True)
class GlooStatus:
    """A state, with Gloo's `reason` for a Warning or Rejected in one line."""

    state: GlooState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProxyEntry:
    """What a proxy said when its entry was filled; `reason` as Gloo wrote it, a line for each fault."""

    state: GlooState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OurObjects:
    """What a text must name to be about us.

    `table` is our RouteTable, `upstreams` are those that its route splits between. `parents` are the RouteTables on the
    way from the VirtualServices, `services`, to ours.
    """

    table: Reference
    upstreams: frozenset[Reference] = frozenset()
    parents: frozenset[Reference] = frozenset()
    services: frozenset[Reference] = frozenset()


def own_verdict(obj: Object) -> GlooStatus:
    """Read what Gloo says of the object itself, at the top; no status at all is Pending."""
    found = [GlooStatus(_state(entry), _one_line(_reason(entry))) for entry in _entries(obj)]
    return gravest(found) if found else GlooStatus(GlooState.PENDING)


def read_proxies(obj: Object) -> tuple[ProxyEntry, ...] | None:
    """Read the proxies' entries; None while one of them is emptied. Empty where no proxy has one."""
    proxies: list[ProxyEntry] = []
    for entry in _entries(obj):
        of_proxies = entry.get("subresourceStatuses")
        if of_proxies == {} or not all((of_proxies or {}).values()):
            return None
        proxies += [ProxyEntry(_state(one), _reason(one)) for one in (of_proxies or {}).values()]
    return None if any(one.state is GlooState.PENDING for one in proxies) else tuple(proxies)


def proxy_verdict(proxies: Iterable[ProxyEntry], ours: OurObjects) -> GlooStatus:
    """Judge what proxies say by what of it is about us.

    One that is Rejected counts whoever is at fault: Envoy refuses the routes of all together, and those served before
    stay in force (recorded in tests/contract/gloo, `zero-total-weight`).
    """
    return gravest(
        GlooStatus(one.state, _one_line(one.reason)) if one.state is GlooState.REJECTED else _about(one, ours)
        for one in proxies
    )


def service_verdict(service: Object, ours: OurObjects) -> GlooStatus:
    """Judge what Gloo says of a VirtualService on the way to us.

    A Rejected one is left out with all its routes, ours among them. A Warning is ours where its text is.
    """
    found = [ProxyEntry(_state(entry), _reason(entry)) for entry in _entries(service)]
    return proxy_verdict(found, ours)


def gravest(verdicts: Iterable[GlooStatus]) -> GlooStatus:
    """Take the worst of several judgements: Rejected, then Warning, then Pending; Accepted where there is none."""
    found = list(verdicts)
    for state in _GRAVEST_FIRST:
        reasons = [one.reason for one in found if one.state is state]
        if reasons:
            # A reason is often repeated.
            return GlooStatus(state, "; ".join(dict.fromkeys(filter(None, reasons))))
    return GlooStatus(GlooState.ACCEPTED)


def _about(entry: ProxyEntry, ours: OurObjects) -> GlooStatus:
    if entry.state is not GlooState.WARNING:
        return GlooStatus(GlooState.ACCEPTED)
    lines = [line for line in map(_one_line, entry.reason.splitlines()) if _is_about(line, ours)]
    return GlooStatus(GlooState.WARNING, "; ".join(dict.fromkeys(lines))) if lines else GlooStatus(GlooState.ACCEPTED)


# Source of the texts: Gloo, `projects/gateway/pkg/translator/converter.go` and `route_table_selector.go`,
# `projects/gloo/pkg/utils/validation/proxy_validation.go`.
_MISSING: Final = re.compile(r"\*v1\.\w+ \{ \S+ \} not found|route table \S+ missing")
# Of the objects of some hundred canaries, should Gloo complain of all of them at once.
_PATTERNS: Final = 2_000

_ROUTE_NAME: Final = "Route Name: "
_OF_A_TABLE: Final = "_rt:"


def _is_about(line: str, ours: OurObjects) -> bool:
    """Return whether one fault is about our table, our Upstreams or the way to our table.

    A fault of a route that has no other name than its VirtualService's may be of ours. One that names nothing of ours
    is not, whatever it says: a text of a later Gloo must hold nobody for ever.
    """
    if any(_names(line, one) for one in (ours.table, *ours.upstreams)):
        return True
    if _MISSING.search(line):
        return False  # what is missing is somebody else's, also where a table on our way names it
    if any(_names(line, one) for one in ours.parents):
        return True
    if _ROUTE_NAME not in line or _OF_A_TABLE in line:
        return False
    return any(f"{_ROUTE_NAME}{namespace}_{name}-route-" in line for namespace, name in ours.services)


def _names(line: str, reference: Reference) -> bool:
    return bool(_pattern(reference).search(line))


@lru_cache(maxsize=_PATTERNS)
def _pattern(reference: Reference) -> re.Pattern[str]:
    """Return a pattern for a name as Gloo writes it: dotted, in the name of a route, or in the notation of protobuf."""
    namespace, name = map(re.escape, reference)
    dotted = rf"(?<![\w.-]){namespace}\.{name}(?![\w-]|\.\w)"
    of_route = rf"_rt:{namespace}_{name}(?=_route:|\s|$)"
    protobuf = rf'name:\s*"{name}"\s+namespace:\s*"{namespace}"'
    return re.compile(f"{dotted}|{of_route}|{protobuf}")


def _entries(obj: Object) -> Iterator[dict[str, Any]]:
    """Return the entry of every Gloo that looked at the object."""
    status = obj.get("status") or {}
    yield from [status] if "state" in status else (status.get("statuses") or {}).values()


def _state(entry: dict[str, Any]) -> GlooState:
    """Return the state of an entry; an emptied one is Pending, and so is a word that this version doesn't know."""
    state = entry.get("state")
    if isinstance(state, int):
        return _BY_NUMBER[state] if 0 <= state < len(_BY_NUMBER) else GlooState.PENDING
    try:
        return GlooState(state or GlooState.PENDING)
    except ValueError:
        return GlooState.PENDING


def _reason(entry: dict[str, Any]) -> str:
    return str(entry.get("reason") or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
