"""The three ClusterIP Services: apex (what clients call, served by the primary), primary and canary.

Source of the shape: Flagger 1.44, `KubernetesDefaultRouter`. The bodies are for server-side apply: what is not in them
(node ports, a type chosen by a user, further labels) stays as it is.
"""

from typing import Any

from canary.model.canary import Canary
from canary.model.service import CustomMetadata
from render.names import Names, Side
from render.objects import Object
from render.ownership import FLUX_LEAVES_IT, is_owned_by, owned_metadata
from render.ports import service_ports
from render.workload import SelectorLabel, target_selector_label


def apex_service(canary: Canary, target: Object, existing: Object | None = None) -> Object:
    """Render the Service that clients call: it selects the primary's pods.

    `existing` is the Service of that name as it stands; one that a user made is taken over: it gets ports and
    selector, but neither our labels nor an owner, so that it outlives the canary.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    return _service(canary, target, Names.of(canary).apex, Side.PRIMARY, canary.spec.service.apex, existing)


def side_service(canary: Canary, target: Object, side: Side, existing: Object | None = None) -> Object:
    """Render the Service of one side. `existing` and errors as with `apex_service`."""
    service = canary.spec.service
    metadata = service.primary if side is Side.PRIMARY else service.canary
    return _service(canary, target, Names.of(canary).service(side), side, metadata, existing)


def _service(
    canary: Canary, target: Object, name: str, side: Side, custom: CustomMetadata, existing: Object | None
) -> Object:
    label = target_selector_label(target)
    spec: dict[str, Any] = {"selector": label.pods(side), "ports": service_ports(canary, target, existing)}
    if existing is not None and not is_owned_by(existing, canary):
        metadata = {"name": name, "namespace": canary.namespace, "annotations": dict(FLUX_LEAVES_IT)}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    service = canary.spec.service
    if service.headless and _can_be_headless(existing):
        spec["clusterIP"] = "None"
    if service.traffic_distribution:
        spec["trafficDistribution"] = service.traffic_distribution
    metadata = _metadata(canary, name, label, custom)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _can_be_headless(existing: Object | None) -> bool:
    """A Service's clusterIP is immutable: one that has an address keeps it."""
    return existing is None or existing.get("spec", {}).get("clusterIP") == "None"


def _metadata(canary: Canary, name: str, label: SelectorLabel, custom: CustomMetadata) -> dict[str, Any]:
    unmanaged = canary.spec.service.unmanaged_metadata
    labels = custom.labels | {label.key: name}
    annotations = custom.annotations | FLUX_LEAVES_IT
    return owned_metadata(
        canary,
        name,
        labels={key: value for key, value in labels.items() if key not in unmanaged.labels},
        annotations={key: value for key, value in annotations.items() if key not in unmanaged.annotations},
    )
