"""One snapshot of the cluster's objects in, Envoy's configuration and Gloo's statuses out. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.gloo.clusters import Cluster, Clusters, OfUpstream
from sandbox.gloo.delegation import FlatRoute, Flattening
from sandbox.gloo.destinations import kube_destinations, kube_upstream
from sandbox.gloo.reports import MALFORMED, Report, gateway_status, told
from sandbox.gloo.snapshot import Json, Key, Snapshot, dotted
from sandbox.gloo.virtual_hosts import VirtualHosts, virtual_host_name

ROUTE_CONFIG = "listener-::-8080-routes"  # Gloo's name for it
ObjectKey = tuple[str, Key]  # plural kind, (namespace, name)


@dataclass(frozen=True)
class Translation:
    """Everything that follows from one snapshot.

    `route_config` is Envoy's RouteConfiguration; `clusters` by name; `statuses` by ("routetables"|"virtualservices"|
    "upstreams", key): the content of `.status.statuses["gloo-system"]`. `upstreams` is what the next translation need
    not do again.
    """

    route_config: Json
    clusters: Mapping[str, Cluster]
    statuses: Mapping[ObjectKey, Json]
    upstreams: Mapping[Key, OfUpstream] = field(default_factory=dict)


def translate(snapshot: Snapshot, before: Translation | None = None) -> Translation:
    """Translate as Gloo does. A VirtualService in error keeps the virtual host that it had `before`."""
    reports = {key: Report() for key in snapshot.virtual_services}
    tables: defaultdict[Key, Report] = defaultdict(Report)
    _reject_shared_domains(snapshot, reports)
    routes = _flatten(snapshot, reports, tables)

    build = Clusters(snapshot)
    known = before.upstreams if before else {}
    upstreams = {key: build.known_of_upstream(item, known.get(key)) for key, item in snapshot.upstreams.items()}
    clusters = {made.cluster.config["name"]: made.cluster for made in upstreams.values() if made.cluster is not None}
    services = _service_clusters(build, routes)
    clusters |= {cluster.config["name"]: cluster for cluster in services.values()}

    hosts: dict[Key, Json | None] = {}
    shared = Report()
    for key in sorted(routes):
        builder = VirtualHosts(lambda upstream: upstream in snapshot.upstreams or upstream in services)
        hosts[key] = _virtual_host(builder, snapshot.virtual_services[key], routes[key], reports[key])
        if not reports[key].errors:
            # One in error is left out of the proxy, and what is wrong with its routes is told of nobody else.
            shared.add(builder.proxy)
    proxy = shared.state()
    unheard_of = gateway_status(Report(), proxy)
    return Translation(
        {"name": ROUTE_CONFIG, "virtual_hosts": _accepted(hosts, reports, before)},
        clusters,
        {
            **{("virtualservices", key): gateway_status(report, proxy) for key, report in reports.items()},
            **{
                ("routetables", key): gateway_status(tables[key], proxy) if key in tables else unheard_of
                for key in snapshot.route_tables
            },
            **{("upstreams", key): made.status for key, made in upstreams.items()},
        },
        upstreams,
    )


def _flatten(
    snapshot: Snapshot, reports: Mapping[Key, Report], tables: Mapping[Key, Report]
) -> dict[Key, list[FlatRoute]]:
    routes: dict[Key, list[FlatRoute]] = {}
    for key, virtual_service in snapshot.virtual_services.items():
        try:
            routes[key] = Flattening(snapshot.route_tables, reports[key], tables).flatten(virtual_service)
        except MALFORMED as error:
            reports[key].errors.append(told(error))
            routes[key] = []
    return routes


def _virtual_host(builder: VirtualHosts, virtual_service: Json, routes: list[FlatRoute], report: Report) -> Json | None:
    try:
        return builder.build(virtual_service, routes, report)
    except MALFORMED as error:
        report.errors.append(told(error))
        return None


def _accepted(
    hosts: Mapping[Key, Json | None], reports: Mapping[Key, Report], before: Translation | None
) -> list[Json]:
    old = {host["name"]: host for host in before.route_config["virtual_hosts"]} if before else {}
    chosen = [old.get(virtual_host_name(key)) if reports[key].errors else host for key, host in hosts.items()]
    return [host for host in chosen if host is not None]


def _service_clusters(build: Clusters, routes: Mapping[Key, list[FlatRoute]]) -> dict[Key, Cluster]:
    """Return the clusters of the Services that routes name. Gloo makes one for every Service; these matter."""
    named = {
        destination
        for flat in routes.values()
        for route in flat
        for destination in kube_destinations(route.spec.get("routeAction") or {})
    }
    made_up = {kube_upstream(*service, port): build.of_service(service, port) for service, port in named}
    return {upstream: cluster for upstream, cluster in made_up.items() if cluster is not None}


def _reject_shared_domains(snapshot: Snapshot, reports: Mapping[Key, Report]) -> None:
    owners: defaultdict[str, list[Key]] = defaultdict(list)
    for key, virtual_service in snapshot.virtual_services.items():
        for domain in (virtual_service["spec"].get("virtualHost") or {}).get("domains") or ["*"]:
            owners[domain].append(key)
    for domain, keys in owners.items():
        for key in keys if len(keys) > 1 else []:
            others = " ".join(dotted(other) for other in keys if other != key)
            reports[key].errors.append(
                f"domain conflict: the [{domain}] domain is present in other virtual services that belong to the same "
                f"Gateway as this one: [{others}]"
            )
