"""The RouteTable that a VirtualService delegates to, and its weights.

`spec.routes` is an atomic list that users may enrich, so after its creation the table is only ever patched: each patch
tests the names and weights that it relies on, and everything else stays as it is. Source of the shape: Flagger 1.44,
`GlooRouter.Reconcile`; of the facts about weights: Gloo's answers in tests/contract/recorded.
"""

from typing import Any, Final, NamedTuple

from canary.model.canary import Canary
from canary.steps import TOTAL_WEIGHT
from render.json_patch import Operation, pointer, put, put_entries, test, unchanged
from render.names import Names, Side
from render.objects import Object
from render.ownership import FLUX_LEAVES_IT, owned_metadata
from render.route_options import route_options

ROUTE_TABLE_API_VERSION: Final = "gateway.solo.io/v1"


MOVE_ANNOTATION: Final = "serin.dev/move"
"""On the table: the canary's uid and the number of the move (`status.serin.sequence`) that its weights belong to.

It fences off an agent that was stopped before a write and wakes up after others have moved on: by the weights alone
100/0 before the run and 100/0 after a rollback are the same.
"""


class Weights(NamedTuple):
    """Shares of the traffic. Ours are percent; those of a table that others wrote may have another sum."""

    primary: int
    canary: int


ALL_TO_PRIMARY: Final = Weights(TOTAL_WEIGHT, 0)


def route_table(canary: Canary, weights: Weights = ALL_TO_PRIMARY) -> Object:
    """Render the table for its creation; the route takes its paths from the VirtualService that delegates to it."""
    apex = canary.spec.service.apex
    metadata = owned_metadata(
        canary,
        Names.of(canary).route_table,
        labels=apex.labels,
        annotations=apex.annotations | FLUX_LEAVES_IT | {MOVE_ANNOTATION: f"{canary.uid}/0"},
    )
    spec = {"routes": [_route(canary, weights)]}
    return {"apiVersion": ROUTE_TABLE_API_VERSION, "kind": "RouteTable", "metadata": metadata, "spec": spec}


def read_weights(table: Object, names: Names) -> Weights | None:
    """Read the weights of our route, wherever it stands; None when no route has both Upstreams.

    A weight that is omitted is 0 (recorded case `weight-omitted`).
    """
    found = _find(table, names)
    if found is None:
        return None
    return Weights(*(int(destination.get("weight") or 0) for destination in found.destinations(table)))


def weights_patch(canary: Canary, table: Object, wanted: Weights) -> list[Operation]:
    """Patch `table`, as it was read, to the wanted weights; no operations when it has them.

    The patch is refused when the Upstreams no longer stand where they were seen, or the weights have been changed
    since: read again and decide again then. A table without our route gets it, behind the routes of others.
    """
    found = _find(table, Names.of(canary))
    if found is None:
        return _append_route(table, _route(canary, wanted))
    tests: list[Operation] = []
    changes: list[Operation] = []
    is_weight_omitted = False
    for path, destination, weight in zip(found.paths(), found.destinations(table), wanted, strict=True):
        tests.append(test(f"{path}/destination/upstream/name", destination["destination"]["upstream"]["name"]))
        if "weight" in destination:
            tests.append(test(f"{path}/weight", destination["weight"]))
        else:
            is_weight_omitted = True
        if int(destination.get("weight") or 0) != weight:
            changes.append(put(f"{path}/weight", weight))
    if not changes:
        return []
    return [*(unchanged(table) if is_weight_omitted else ()), *tests, *changes]


def read_move(table: Object, canary: Canary) -> int:
    """Read which move of this canary last wrote the table; 0 when none did."""
    uid, _, number = str((table["metadata"].get("annotations") or {}).get(MOVE_ANNOTATION, "")).rpartition("/")
    return int(number) if uid == canary.uid and number.isdecimal() else 0


def fence(table: Object, canary: Canary, move: int) -> list[Operation]:
    """Write the number of the move onto `table`, only if nobody wrote another one since `table` was read."""
    found: str | None = (table["metadata"].get("annotations") or {}).get(MOVE_ANNOTATION)
    path = pointer("metadata", "annotations", MOVE_ANNOTATION)
    guard = unchanged(table) if found is None else [test(path, found)]
    return [*guard, *put_entries(table, ("metadata", "annotations"), {MOVE_ANNOTATION: f"{canary.uid}/{move}"})]


class _Found(NamedTuple):
    """Where our route stands: the positions of the route, and of the two Upstreams among its destinations."""

    route: int
    primary: int
    canary: int

    def paths(self) -> tuple[str, str]:
        base = pointer("spec", "routes", self.route, "routeAction", "multi", "destinations")
        return f"{base}/{self.primary}", f"{base}/{self.canary}"

    def destinations(self, table: Object) -> tuple[dict[str, Any], dict[str, Any]]:
        destinations = table["spec"]["routes"][self.route]["routeAction"]["multi"]["destinations"]
        return destinations[self.primary], destinations[self.canary]


def _find(table: Object, names: Names) -> _Found | None:
    """Find the last route with both Upstreams: those before it can only be for requests with something special."""
    for position, route in reversed(list(enumerate((table.get("spec") or {}).get("routes") or ()))):
        multi = (route.get("routeAction") or {}).get("multi") or {}
        upstreams = [_upstream_name(destination, names.namespace) for destination in multi.get("destinations") or ()]
        if names.primary_upstream in upstreams and names.canary_upstream in upstreams:
            return _Found(position, upstreams.index(names.primary_upstream), upstreams.index(names.canary_upstream))
    return None


def _upstream_name(destination: Object, namespace: str) -> str | None:
    upstream = (destination.get("destination") or {}).get("upstream") or {}
    name: str | None = upstream.get("name")
    return name if upstream.get("namespace", namespace) == namespace else None


def _route(canary: Canary, weights: Weights) -> Object:
    names = Names.of(canary)
    destinations = [
        {
            "destination": {"upstream": {"name": names.upstream(side), "namespace": canary.namespace}},
            "weight": weight,
        }
        for side, weight in zip((Side.PRIMARY, Side.CANARY), weights, strict=True)
    ]
    route: Object = {"inheritablePathMatchers": True, "routeAction": {"multi": {"destinations": destinations}}}
    options = route_options(canary.spec.service)
    if options:
        route["options"] = options
    return route


def _append_route(table: Object, route: Object) -> list[Operation]:
    spec = table.get("spec")
    if not spec:
        return [*unchanged(table), put("/spec", {"routes": [route]})]
    if not spec.get("routes"):
        return [*unchanged(table), put("/spec/routes", [route])]
    return [*unchanged(table), put("/spec/routes/-", route)]
