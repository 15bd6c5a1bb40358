"""The ports of the generated Services.

Source: Flagger 1.44, `reconcileService` and `getPorts`. Unlike there, ports never clash, for the API server would
refuse the whole Service: of two with one number the first counts, and a name that is taken is replaced.
"""

from collections.abc import Iterator
from typing import Any, Final

from canary.model.canary import Canary
from render.objects import Object

_MESH_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})


def service_ports(canary: Canary, target: Object, existing: Object | None) -> list[dict[str, Any]]:
    """Give the Service port of the spec and, with `portDiscovery`, one for each other container port.

    `existing` is the Service as it stands: server-side apply leaves the further ports that others gave it.
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
    names_of_others = _names_of_others(ports, existing)
    return [port | {"name": f"tcp-{port['port']}"} if port["name"] in names_of_others else port for port in ports]


def _names_of_others(ports: list[dict[str, Any]], existing: Object | None) -> set[str]:
    ours = {(port["port"], port["protocol"]) for port in ports}
    return {
        port.get("name", "")
        for port in (existing or {}).get("spec", {}).get("ports") or ()
        if (port["port"], port.get("protocol", "TCP")) not in ours
    }


def _container_ports(target: Object, main_port: int | str) -> Iterator[tuple[str, str, int]]:
    """Give name, name for an unnamed port and number of each container port but the one that is served already."""
    for container in target["spec"]["template"]["spec"].get("containers") or ():
        if container["name"] in _MESH_SIDECARS:
            continue
        for position, port in enumerate(container.get("ports") or ()):
            if main_port not in (port["containerPort"], port.get("name")):
                fallback_name = f"tcp-{container['name']}-{position}"
                yield port.get("name") or fallback_name, fallback_name, port["containerPort"]
