"""The ports of the generated Services.

Source: Flagger 1.44, `reconcileService` and `getPorts`. Unlike there, ports never clash, for the API server would
refuse the whole Service: of two with one number the first counts, and a name that is taken is replaced.
"""

from collections.abc import Iterator
from typing import Any, Final

from canary.api.canary import Canary
from render.objects import Object

_MESH_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})

_KEPT_FIELDS: Final = ("name", "protocol", "port", "targetPort", "appProtocol")


def service_ports(
    canary: Canary, target: Object, existing: Object | None, kept_port: int | None = None
) -> list[dict[str, Any]]:
    """Return the Service port of the spec and, with `portDiscovery`, one for each other container port.

    `existing` is the Service as it stands: server-side apply leaves the further ports that others gave it. `kept_port`
    is one that the route still sends to, though the spec has another by now: it stays as it is.
    """
    service = canary.spec.service
    main: dict[str, Any] = {
        "name": service.port_name_effective,
        "protocol": "TCP",
        "port": service.port,
        "targetPort": service.target_port_effective,
    }
    if service.app_protocol:
        main["appProtocol"] = service.app_protocol
    ports = [main]
    if service.port_discovery:
        for name, fallback_name, number in _container_ports(target, service.target_port_effective):
            if number in {port["port"] for port in ports}:
                continue
            is_name_free = name not in {port["name"] for port in ports}
            ports.append(
                {
                    "name": name if is_name_free else fallback_name,
                    "protocol": "TCP",
                    "port": number,
                    "targetPort": number,
                }
            )
    kept = _kept(ports, existing, kept_port)
    taken = _names_of_others([*ports, *kept], existing) | {port["name"] for port in kept}
    standing = {(port["port"], port.get("protocol", "TCP")): port.get("name") for port in _ports_of(existing)}
    return [*(_named(port, taken, standing) for port in ports), *kept]


def _named(port: dict[str, Any], taken: set[str], standing: dict[tuple[int, str], str | None]) -> dict[str, Any]:
    """Return the port a name that is free. One that it has for want of a better it keeps: a new name would cut it off
    until all of kube-proxy and the gateway know its endpoints by that."""
    free_name = f"tcp-{port['port']}"
    is_named_so = standing.get((port["port"], port["protocol"])) == free_name
    return port | {"name": free_name} if is_named_so or port["name"] in taken else port


def _kept(ports: list[dict[str, Any]], existing: Object | None, kept_port: int | None) -> list[dict[str, Any]]:
    if kept_port in {port["port"] for port in ports}:
        return []
    return [
        {field: port[field] for field in _KEPT_FIELDS if field in port}
        for port in _ports_of(existing)
        if port["port"] == kept_port and port.get("protocol", "TCP") == "TCP"
    ]


def _names_of_others(ports: list[dict[str, Any]], existing: Object | None) -> set[str]:
    ours = {(port["port"], port["protocol"]) for port in ports}
    return {
        port.get("name", "") for port in _ports_of(existing) if (port["port"], port.get("protocol", "TCP")) not in ours
    }


def _ports_of(existing: Object | None) -> list[dict[str, Any]]:
    return ((existing or {}).get("spec") or {}).get("ports") or []


def _container_ports(target: Object, main_port: int | str) -> Iterator[tuple[str, str, int]]:
    """Return name, name for an unnamed port and number of each container port but the one that is served already."""
    for container in target["spec"]["template"]["spec"].get("containers") or ():
        if container["name"] in _MESH_SIDECARS:
            continue
        for position, port in enumerate(container.get("ports") or ()):
            if main_port not in (port["containerPort"], port.get("name")):
                fallback_name = f"tcp-{container['name']}-{position}"
                yield port.get("name") or fallback_name, fallback_name, port["containerPort"]
