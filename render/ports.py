"""The ports of the generated Services.

Source: Flagger 1.44, `reconcileService` and `getPorts`. Unlike there, ports never clash, for the API server would
refuse the whole Service: of two with one number the first counts, and a name that is taken is replaced.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from canary.api.canary import Canary
from canary.api.names import LABEL_MAX_CHARS, bounded
from canary.api.service import DEFAULT_PORT_NAME
from render.objects import Object
from render.ownership import is_owned_by

_MESH_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})

_KEPT_FIELDS: Final = ("name", "protocol", "port", "targetPort", "appProtocol")


def service_ports(
    canary: Canary, target: Object, existing: Object | None, kept_port: int | None = None
) -> list[dict[str, Any]]:
    """Return the Service port of the spec and, with `portDiscovery`, one for each other container port.

    `existing` is the Service as it stands: server-side apply leaves the further ports that others gave it. Where it is
    a user's own, what stands there already keeps its name and, but for the port of the spec, its target. `kept_port`
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
        for found in _container_ports(target, service.target_port_effective):
            if (found.number, found.protocol) in {(port["port"], port["protocol"]) for port in ports}:
                continue
            is_name_free = found.name not in {port["name"] for port in ports}
            ports.append(
                {
                    "name": found.name if is_name_free else found.fallback_name,
                    "protocol": found.protocol,
                    "port": found.number,
                    "targetPort": found.number,
                }
            )
    if existing is not None and not is_owned_by(existing, canary):
        ports = _merged(ports, existing, is_name_given=service.port_name_effective != DEFAULT_PORT_NAME)
    kept = _kept(ports, existing, kept_port)
    taken = _names_of_others([*ports, *kept], existing) | {port["name"] for port in kept}
    standing = {(port["port"], port.get("protocol", "TCP")): port.get("name") for port in _ports_of(existing)}
    return [*(_named(port, taken, standing) for port in ports), *kept]


def _merged(ports: list[dict[str, Any]], theirs: Object, *, is_name_given: bool) -> list[dict[str, Any]]:
    """Return our ports, the first of which is the spec's, as merged into those of a user's own Service.

    A container's port that one of theirs leads to already needs no other, and of another protocol than TCP they get no
    new one: a load balancer might refuse to have both.
    """
    standing = {_key(port): port for port in _ports_of(theirs)}
    names = {port.get("name") for port in standing.values()}
    led_to = {(port.get("targetPort", port["port"]), _key(port)[1]) for port in standing.values()}
    merged: list[dict[str, Any]] = []
    for port in ports:
        key, is_main = _key(port), port is ports[0]
        number, protocol = key
        their_name = standing.get(key, {}).get("name")
        if their_name and not (is_main and is_name_given):
            kept = port if is_main else {name: standing[key][name] for name in _KEPT_FIELDS if name in standing[key]}
            merged.append(kept | {"name": their_name})
        elif is_main or (protocol == "TCP" and not {(port["targetPort"], "TCP"), (port["name"], "TCP")} & led_to):
            is_name_free = port["name"] == their_name or port["name"] not in names
            merged.append(port if is_name_free else port | {"name": f"{protocol.lower()}-{number}"})
            names.add(merged[-1]["name"])
    return merged


def _key(port: dict[str, Any]) -> tuple[int, str]:
    """Return what a Service's port is known by."""
    return port["port"], port.get("protocol", "TCP")


def _named(port: dict[str, Any], taken: set[str], standing: dict[tuple[int, str], str | None]) -> dict[str, Any]:
    """Return the port a name that is free. One that it has for want of a better it keeps: a new name would cut it off
    until all of kube-proxy and the gateway know its endpoints by that."""
    free_name = f"{port['protocol'].lower()}-{port['port']}"
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


class _ContainerPort(NamedTuple):
    """A container's port; `fallback_name` is for one without a name, or whose name is taken."""

    name: str
    fallback_name: str
    number: int
    protocol: str


def _container_ports(target: Object, main_port: int | str) -> Iterator[_ContainerPort]:
    """Find each container port but the one that is served already.

    Unlike with Flagger, for which all is TCP, a port keeps its protocol: of another one nothing listens there.
    """
    for container in target["spec"]["template"]["spec"].get("containers") or ():
        if container["name"] in _MESH_SIDECARS:
            continue
        for position, port in enumerate(container.get("ports") or ()):
            number, protocol = port["containerPort"], port.get("protocol", "TCP")
            if protocol == "TCP" and main_port in (number, port.get("name")):
                continue
            fallback_name = bounded(f"{protocol.lower()}-{container['name']}-{position}", LABEL_MAX_CHARS)
            yield _ContainerPort(port.get("name") or fallback_name, fallback_name, number, protocol)
