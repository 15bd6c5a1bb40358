"""The three ClusterIP Services: apex (what clients call, served by the primary), primary and canary.

Source of the shape: Flagger 1.44, `KubernetesDefaultRouter`. The bodies are for server-side apply: what is not in them
(node ports, a type chosen by a user, further labels) stays as it is.
"""

from typing import Any

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.api.service import CustomMetadata
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import Object
from render.ownership import FLUX_LEAVES_IT, is_owned_by, owned_metadata, users_metadata
from render.ports import service_ports
from render.selectors import SelectorLabel, side_selectors, sides_label


def apex_service(
    canary: Canary,
    target: Object,
    existing: Object | None = None,
    kept_port: int | None = None,
    *,
    primary: Object | None = None,
    settings: LabelSettings = FLAGGERS_LABELS,
) -> Object:
    """Render the Service that clients call: it selects the primary's pods.

    `existing` is the Service of that name as it stands; one that a user made gets ports and selector, but
    neither our labels nor an owner, so that it outlives the canary. `kept_port` is as in `service_ports`. `primary` is
    the primary workload as it stands, None before there is one.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    ports = service_ports(canary, target, existing, kept_port)
    selector = side_selectors(target, primary, settings).of(Side.PRIMARY)
    spec: dict[str, Any] = {"selector": selector, "ports": ports}
    name, custom = Names.of(canary).apex, canary.spec.service.apex
    return _service(canary, sides_label(target, primary, settings), name, custom, spec, existing)


def side_service(
    canary: Canary,
    target: Object,
    side: Side,
    existing: Object | None = None,
    kept_port: int | None = None,
    *,
    primary: Object | None = None,
    settings: LabelSettings = FLAGGERS_LABELS,
) -> Object:
    """Render the Service of one side. All else and errors are as with `apex_service`."""
    ports = service_ports(canary, target, existing, kept_port)
    service = canary.spec.service
    custom = service.primary if side is Side.PRIMARY else service.canary
    spec: dict[str, Any] = {"selector": side_selectors(target, primary, settings).of(side), "ports": ports}
    return _service(
        canary, sides_label(target, primary, settings), Names.of(canary).service(side), custom, spec, existing
    )


def address_problem(canary: Canary, existing: Object | None) -> str:
    """Say that the Service can't follow `spec.service.headless`, empty when it can: its clusterIP is immutable."""
    if existing is None or not is_owned_by(existing, canary):
        return ""
    is_headless = (existing.get("spec") or {}).get("clusterIP") == "None"
    if is_headless is canary.spec.service.headless:
        return ""
    service, metadata = canary.spec.service, existing["metadata"]
    return (
        f"Canary {canary.namespace}/{canary.name} spec.service.headless: found {str(service.headless).lower()}; "
        f"allowed: {str(is_headless).lower()} as long as Service {metadata['name']} exists, for its clusterIP "
        f"({existing['spec'].get('clusterIP')}) can't be changed: delete the Service, and it is made anew"
    )


def _service(
    canary: Canary,
    label: SelectorLabel,
    name: str,
    custom: CustomMetadata,
    spec: dict[str, Any],
    existing: Object | None,
) -> Object:
    if existing is not None and not is_owned_by(existing, canary):
        metadata = {"name": name, "namespace": canary.namespace, "annotations": dict(FLUX_LEAVES_IT)}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    service = canary.spec.service
    if service.headless and _can_be_headless(existing):
        spec["clusterIP"] = "None"
    if service.traffic_distribution:
        spec["trafficDistribution"] = service.traffic_distribution
    metadata = _metadata(canary, name, label, users_metadata(custom), existing)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _can_be_headless(existing: Object | None) -> bool:
    """Return the clusterIP, which is immutable: a Service that has an address keeps it."""
    return existing is None or existing.get("spec", {}).get("clusterIP") == "None"


def _metadata(
    canary: Canary, name: str, label: SelectorLabel, custom: CustomMetadata, existing: Object | None
) -> dict[str, Any]:
    unmanaged = canary.spec.service.unmanaged_metadata
    found = (existing or {}).get("metadata", {})
    return owned_metadata(
        canary,
        name,
        labels=_managed(custom.labels | {label.key: name}, unmanaged.labels, found.get("labels") or {}),
        annotations=_managed(
            custom.annotations | FLUX_LEAVES_IT, unmanaged.annotations, found.get("annotations") or {}
        ),
    )


def _managed(wanted: dict[str, str], unmanaged: tuple[str, ...], found: dict[str, str]) -> dict[str, str]:
    """Leave the unmanaged keys to others. One that we may have set before they were to stays with the value it has:
    left out, server-side apply would take it away."""
    return {
        key: found[key] if key in unmanaged else value
        for key, value in wanted.items()
        if key not in unmanaged or key in found
    }
