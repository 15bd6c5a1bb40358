"""What the sandbox does not translate is said aloud, once, in the translator's log."""

from collections.abc import Iterator

from sandbox.gloo.route_options import ROUTE_OPTIONS, VIRTUAL_HOST_OPTIONS
from sandbox.gloo.snapshot import Json, Snapshot, dotted
from sandbox.gloo.tuning import TUNING

_BOOKKEEPING = {"namespacedStatuses", "discoveryMetadata", "displayName"}


def ignored_fields(snapshot: Snapshot) -> set[str]:
    """Return a sentence for each field that real Gloo would heed and the sandbox does not."""
    return set(_sentences(snapshot))


def _sentences(snapshot: Snapshot) -> Iterator[str]:
    for key, upstream in snapshot.upstreams.items():
        for name in upstream["spec"].keys() - TUNING - _BOOKKEEPING - {"kube", "static"}:
            yield f"Upstream {dotted(key)}: spec.{name} is not translated by the sandbox"
    for key, virtual_service in snapshot.virtual_services.items():
        host = virtual_service["spec"].get("virtualHost") or {}
        for name in (host.get("options") or {}).keys() - VIRTUAL_HOST_OPTIONS:
            yield f"VirtualService {dotted(key)}: options.{name} is not translated by the sandbox"
        yield from _route_sentences(f"VirtualService {dotted(key)}", host.get("routes") or [])
    for key, table in snapshot.route_tables.items():
        yield from _route_sentences(f"RouteTable {dotted(key)}", table["spec"].get("routes") or [])


def _route_sentences(owner: str, routes: list[Json]) -> Iterator[str]:
    for index, route in enumerate(routes):
        for name in (route.get("options") or {}).keys() - ROUTE_OPTIONS:
            yield f"{owner}: routes[{index}].options.{name} is not translated by the sandbox"
