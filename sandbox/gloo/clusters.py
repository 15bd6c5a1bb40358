"""Upstreams, and Services that routes name directly, as Envoy clusters with their endpoints."""

import ipaddress
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass

from sandbox.gloo.destinations import cluster_name, kube_upstream
from sandbox.gloo.endpoints import addresses, load_assignment, service_of
from sandbox.gloo.reports import MALFORMED, TranslationError, told, upstream_status
from sandbox.gloo.snapshot import Json, Key, Snapshot, key_of, without_none
from sandbox.gloo.tuning import tuning

CLUSTER_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_EMPTY_STATIC = (
    "cluster was configured improperly by one or more plugins: cluster type STATIC specified but LoadAssignment was "
    "empty"
)
_HTTPS_PORT = 443
_TLS_SOCKET = {
    "name": "envoy.transport_sockets.tls",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    },
}


@dataclass(frozen=True)
class Cluster:
    """An Envoy cluster; `assignment` is None for one that carries its hosts itself."""

    config: Json
    assignment: Json | None


@dataclass(frozen=True)
class OfUpstream:
    """What an Upstream became, a cluster or none, with its status; and the objects that both follow from."""

    sources: tuple[Json | None, ...]
    cluster: Cluster | None
    status: Json


class Clusters:
    """The clusters of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._slices: defaultdict[Key, list[Json]] = defaultdict(list)
        for endpoint_slice in snapshot.endpoint_slices.values():
            if service := service_of(endpoint_slice):
                self._slices[(endpoint_slice["metadata"]["namespace"], service)].append(endpoint_slice)

    def known_of_upstream(self, upstream: Json, before: OfUpstream | None) -> OfUpstream:
        """Return what an Upstream becomes: what it was `before`, as long as it follows from the same objects."""
        kube = upstream["spec"].get("kube")
        sources: tuple[Json | None, ...] = (upstream,)
        if isinstance(kube, dict):
            service = str(kube.get("serviceNamespace")), str(kube.get("serviceName"))
            sources += self._snapshot.services.get(service), *self._slices.get(service, ())
        if before is not None and before.sources == sources:
            return before
        cluster, errors = self.of_upstream(upstream)
        return OfUpstream(sources, cluster, upstream_status(errors))

    def of_upstream(self, upstream: Json) -> tuple[Cluster | None, list[str]]:
        """Return the cluster of an Upstream, or None and Gloo's errors."""
        spec, key = upstream["spec"], key_of(upstream)
        name = cluster_name(key)
        try:
            base = {"@type": CLUSTER_TYPE, "name": name, "metadata": {}} | tuning(spec)
            if "kube" in spec:
                return self._kube(base, spec, key)
            if "static" in spec:
                config = _static(spec, name)
                return (Cluster(base | config, None), []) if config else (None, [_EMPTY_STATIC])
        except MALFORMED as error:
            return None, [told(error)]
        return None, ["the sandbox translates Upstreams of kind kube and static only"]

    def of_service(self, service: Key, port: int) -> Cluster | None:
        """Return the cluster of a Service that a route names directly; None if the Service or its port is missing."""
        found = self._snapshot.services.get(service)
        if found is None or all(candidate["port"] != port for candidate in found["spec"].get("ports") or []):
            return None
        name = cluster_name(kube_upstream(*service, port))
        base = {"@type": CLUSTER_TYPE, "name": name, "metadata": {}} | tuning({})
        return _eds(base, found["spec"], addresses(found, port, self._slices[service]))

    def _kube(self, base: Json, spec: Json, key: Key) -> tuple[Cluster | None, list[str]]:
        kube = spec["kube"] or {}
        namespace, service = kube.get("serviceNamespace", ""), kube.get("serviceName", "")
        found = self._snapshot.services.get((namespace, service))
        if found is None:
            missing = (
                f'Upstream name:"{key[1]}" namespace:"{key[0]}" references the service \'{service}\' which does not '
                f"exist in namespace '{namespace}'"
            )
            return None, [missing, _EMPTY_STATIC]
        targets = addresses(found, kube.get("servicePort", 0), self._slices[(namespace, service)])
        return _eds(base, spec, targets), []


def _eds(base: Json, spec: Json, targets: list[tuple[str, int]]) -> Cluster:
    """Return a cluster that asks for endpoints by a name that changes with its spec: it asks anew then."""
    digest = zlib.crc32(json.dumps(spec, sort_keys=True).encode())
    service_name = f"{base['name']}-{digest}"
    source = {"ads": {}, "resource_api_version": "V3"}
    eds = {"type": "EDS", "eds_cluster_config": {"eds_config": source, "service_name": service_name}}
    return Cluster(base | eds, load_assignment(service_name, targets))


def _static(spec: Json, name: str) -> Json | None:
    """Return the fields of a cluster with fixed hosts; None without hosts. Raises TranslationError."""
    static = spec["static"] or {}
    hosts = static.get("hosts") or []
    if not hosts:
        return None
    for host in hosts:
        for field in ("addr", "port"):
            if not host.get(field):
                raise TranslationError(f"{field} cannot be empty for host")
    has_names = any(not _is_address(host["addr"]) for host in hosts)
    use_tls = static.get("useTls")
    is_tls = any(host["port"] == _HTTPS_PORT for host in hosts) if use_tls is None else use_tls
    endpoints = [_static_endpoint(host) for host in hosts]
    return without_none(
        type="STRICT_DNS" if has_names else "STATIC",
        dns_lookup_family="V4_ONLY" if has_names else None,
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        transport_socket=_TLS_SOCKET if is_tls else None,
    )


def _static_endpoint(host: Json) -> Json:
    address, port = host["addr"], host["port"]
    sni = host.get("sniAddr") or address
    return without_none(
        endpoint={
            "address": {"socket_address": {"address": address, "port_value": port}},
            "health_check_config": {"hostname": address},
            "hostname": address,
        },
        metadata={"filter_metadata": {"envoy.transport_socket_match": {f"{sni};{address}:{port}": True}}},
        load_balancing_weight=host.get("loadBalancingWeight"),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
