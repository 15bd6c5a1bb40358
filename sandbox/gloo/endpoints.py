"""The addresses behind a Service's port, as Envoy's ClusterLoadAssignment."""

from collections.abc import Iterable

from sandbox.gloo.snapshot import Json

_SERVICE_LABEL = "kubernetes.io/service-name"


def service_of(endpoint_slice: Json) -> str | None:
    """Return the name of the Service, in the same namespace, that `endpoint_slice` belongs to."""
    name: str | None = (endpoint_slice["metadata"].get("labels") or {}).get(_SERVICE_LABEL)
    return name


def addresses(service: Json, port: int, slices: Iterable[Json]) -> list[tuple[str, int]]:
    """Return (address, port) of each ready endpoint behind `port` of `service`, sorted; none if it has no such port."""
    ports = service["spec"].get("ports") or []
    found = next((candidate for candidate in ports if candidate["port"] == port), None)
    if found is None:
        return []
    name = found.get("name") or ""
    return sorted(
        {
            (address, number)
            for endpoint_slice in slices
            for number in _numbers(endpoint_slice, name, is_only_port=len(ports) == 1)
            for endpoint in endpoint_slice.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") is not False
            for address in endpoint["addresses"]
        }
    )


def _numbers(endpoint_slice: Json, name: str, *, is_only_port: bool) -> list[int]:
    ports = endpoint_slice.get("ports") or []
    return [port["port"] for port in ports if port.get("port") and (is_only_port or (port.get("name") or "") == name)]


def load_assignment(name: str, targets: list[tuple[str, int]]) -> Json:
    """Return the assignment of cluster `name`; without targets Envoy answers 503 `no healthy upstream`."""
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
        for address, port in targets
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []}
