"""What Gloo says of an object, read from the object's own status.

Shape: `status.statuses` has an entry for each Gloo that looked at the object, and in it `subresourceStatuses` an entry
for each proxy. After a change of the object Gloo first empties the proxy's entry and some second later fills it again:
that is the only acknowledgement there is, for the top-level state stays Accepted all along. Older Gloo writes numbers
for states, and a single entry that is `status` itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from render.objects import Object


class GlooState(StrEnum):
    """Gloo's own words."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    WARNING = "Warning"
    REJECTED = "Rejected"


_BY_NUMBER: Final = (GlooState.PENDING, GlooState.ACCEPTED, GlooState.REJECTED, GlooState.WARNING)

# A change that is being processed makes all older judgements void; else the worst one counts.
_GRAVEST_FIRST: Final = (GlooState.PENDING, GlooState.REJECTED, GlooState.WARNING)


@dataclass(frozen=True, slots=True)
class GlooStatus:
    """`state` over all proxies, with Gloo's `reason` for a Warning or Rejected.

    Accepted with `proxies` 0 means that no proxy serves the object: nothing delegates to the RouteTable.
    """

    state: GlooState
    reason: str = ""
    proxies: int = 0


def gloo_verdict(obj: Object) -> GlooStatus:
    """Read the status of a RouteTable, VirtualService or Upstream; no status at all is Pending."""
    judgements = list(_judgements(obj.get("status") or {}))
    if not judgements:
        return GlooStatus(GlooState.PENDING)
    proxies = sum(is_proxy for _, _, is_proxy in judgements)
    for gravest in _GRAVEST_FIRST:
        reasons = [reason for state, reason, _ in judgements if state is gravest]
        if reasons:
            # A proxy's reason is often repeated at the top.
            return GlooStatus(gravest, "; ".join(dict.fromkeys(filter(None, reasons))), proxies)
    return GlooStatus(GlooState.ACCEPTED, "", proxies)


def gravest(verdicts: Iterable[GlooStatus]) -> GlooStatus:
    """Take the worst of several judgements: Rejected, then Warning, then whatever the first one says."""
    found = list(verdicts)
    for state in (GlooState.REJECTED, GlooState.WARNING):
        for verdict in found:
            if verdict.state is state:
                return verdict
    return found[0]


def delegates(virtual_service: Object) -> set[tuple[str, str]]:
    """Name the RouteTables (namespace, name) that a VirtualService delegates to by reference.

    The reference stands in `delegateAction.ref`, or, as older objects have it, in `delegateAction` itself.
    """
    namespace = virtual_service["metadata"].get("namespace", "")
    routes = ((virtual_service.get("spec") or {}).get("virtualHost") or {}).get("routes") or ()
    actions = [route.get("delegateAction") or {} for route in routes]
    references = [action.get("ref") or action for action in actions]
    return {(ref.get("namespace", namespace), ref["name"]) for ref in references if ref.get("name")}


def _judgements(status: dict[str, Any]) -> Iterator[tuple[GlooState, str, bool]]:
    """Return (state, reason, is it a proxy's?) of every entry."""
    entries = [status] if "state" in status else list((status.get("statuses") or {}).values())
    for entry in entries:
        yield _state(entry), _reason(entry), False
        proxies = entry.get("subresourceStatuses")
        if proxies == {}:
            yield GlooState.PENDING, "", False
        for proxy in (proxies or {}).values():
            yield _state(proxy or {}), _reason(proxy or {}), True


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
    return " ".join(str(entry.get("reason") or "").split())
