"""Where a route sends its requests: Upstreams by reference, Services, or several of them by weight."""

from collections.abc import Callable, Iterator

from sandbox.gloo.reports import TranslationError
from sandbox.gloo.route_options import header_manipulation
from sandbox.gloo.snapshot import Json, Key, dotted

KUBE_SERVICE = "kube-svc:"  # the prefix of the Upstreams that Gloo makes up for Services

ZERO_WEIGHT = (
    "Incorrect configuration for Weighted Destination for route - "
    "Weighted Destinations require a total weight that is greater than or equal to 1"
)


def cluster_name(upstream: Key) -> str:
    """Return `app-9898_conf` for (`conf`, `app-9898`)."""
    namespace, name = upstream
    return f"{name}_{namespace}"


def kube_upstream(namespace: str, service: str, port: int) -> Key:
    """Return the made-up Upstream of one port of a Service."""
    return namespace, f"{KUBE_SERVICE}{namespace}-{service}-{port}"


def upstream_of(destination: Json, default_namespace: str) -> Key:
    """Return the Upstream, real or made up, behind a destination. Raises TranslationError when it names none."""
    if upstream := destination.get("upstream"):
        return upstream.get("namespace") or default_namespace, upstream.get("name", "")
    if kube := destination.get("kube"):
        ref = kube.get("ref") or {}
        return kube_upstream(ref.get("namespace", ""), ref.get("name", ""), kube.get("port", 0))
    raise TranslationError("no destination specified")


def kube_destinations(action: Json) -> Iterator[tuple[Key, int]]:
    """Return the Services, each with its port, that a route action names directly."""
    single, multi = action.get("single"), action.get("multi") or {}
    destinations = [weighted.get("destination") or {} for weighted in multi.get("destinations") or []]
    for destination in destinations + ([single] if single else []):
        if kube := destination.get("kube"):
            ref = kube.get("ref") or {}
            yield (ref.get("namespace", ""), ref.get("name", "")), kube.get("port", 0)


def find_invalid(action: Json, default_namespace: str, exists: Callable[[Key], bool]) -> str | None:
    """Return Gloo's warning about the first destination that does not exist; None when all do."""
    if single := action.get("single"):
        return _find_missing(single, default_namespace, exists)
    if "multi" in action:
        for weighted in (action["multi"] or {}).get("destinations") or []:
            if missing := _find_missing(weighted.get("destination") or {}, default_namespace, exists):
                return f"invalid destination in weighted destination list: {missing}"
        return None
    return (
        "must specify either 'singleDestination', 'multipleDestinations', 'upstreamGroup', 'clusterHeader', or "
        "'dynamicForwardProxy' for action"
    )


def _find_missing(destination: Json, default_namespace: str, exists: Callable[[Key], bool]) -> str | None:
    try:
        upstream = upstream_of(destination, default_namespace)
    except TranslationError as error:
        return str(error)
    return None if exists(upstream) else f"*v1.Upstream {{ {dotted(upstream)} }} not found"


def envoy_clusters(action: Json, default_namespace: str) -> Json:
    """Return `{"cluster": name}` or `{"weighted_clusters": {...}}`. Raises TranslationError for another action."""
    if single := action.get("single"):
        return {"cluster": cluster_name(upstream_of(single, default_namespace))}
    if "multi" not in action:
        raise TranslationError("unknown upstream destination type")
    destinations = (action["multi"] or {}).get("destinations") or []
    if not destinations:
        raise TranslationError("must specify at least one weighted destination for multi destination routes")
    clusters = [_weighted_cluster(weighted, default_namespace) for weighted in destinations]
    total = sum(cluster["weight"] for cluster in clusters)
    return {"weighted_clusters": {"clusters": clusters, "total_weight": total}}


def _weighted_cluster(weighted: Json, default_namespace: str) -> Json:
    upstream = upstream_of(weighted.get("destination") or {}, default_namespace)
    manipulation = (weighted.get("options") or {}).get("headerManipulation") or {}
    return {
        "name": cluster_name(upstream),
        "weight": weighted.get("weight") or 0,  # omitted reads as 0
        **header_manipulation(manipulation),
    }


def is_zero_weight(clusters: Json) -> bool:
    return "weighted_clusters" in clusters and clusters["weighted_clusters"]["total_weight"] < 1
