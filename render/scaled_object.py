"""KEDA's ScaledObject: the primary's, a copy of the target's, and the pause of the target's while it is at zero.

Source: Flagger 1.44, `ScaledObjectReconciler`, and KEDA 2, "Pausing autoscaling".
"""

import re
from copy import deepcopy
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, primary_name
from canary.api.references import AutoscalerReference
from render.json_patch import Operation, pointer, put_entries, remove, same_spec, unchanged
from render.objects import Object
from render.ownership import owned_metadata, without_appliers, without_flux

SCALED_OBJECT: Final = "ScaledObject"
SCALED_OBJECT_API: Final = "keda.sh/v1alpha1"

KEDAS_MAXIMUM: Final = 100
"""What KEDA takes for `maxReplicaCount` where none is given."""

PAUSED_REPLICAS: Final = "autoscaling.keda.sh/paused-replicas"
"""KEDA holds the workload at this number for as long as the annotation is there."""

# KEDA finds an object by its own name in a label: the primary's would be taken for the target's.
_KEDAS_LABELS: Final = "scaledobject.keda.sh/"

# Every way to pause a ScaledObject: one that was copied would pause the primary for ever.
_PAUSES: Final = "autoscaling.keda.sh/paused"


def primary_scaled_object(canary: Canary, scaled_object: Object, floor: int = 0) -> Object:
    """Copy a ScaledObject for the primary, never paused, with the bounds and queries that the canary gives for it.

    It keeps the primary from having fewer replicas than `floor`, as far as `maxReplicaCount` allows.
    """
    reference, names = canary.spec.autoscaler_ref, Names.of(canary)
    assert reference is not None, "nobody looks for a scaler that the canary does not name"
    spec: dict[str, Any] = deepcopy(scaled_object["spec"])
    spec["scaleTargetRef"] |= {"name": names.primary_workload}
    for trigger in spec.get("triggers") or ():
        _rewrite_query(trigger, reference, names.target)
    if hpa_name := _hpa_config(spec).get("name"):
        _hpa_config(spec)["name"] = primary_name(hpa_name)
    if bounds := reference.primary_scaler_replicas:
        given = {"minReplicaCount": bounds.min_replicas, "maxReplicaCount": bounds.max_replicas}
        spec |= {field: bound for field, bound in given.items() if bound is not None}
    if floor > int(spec.get("minReplicaCount") or 0):
        spec["minReplicaCount"] = min(floor, int(spec.get("maxReplicaCount") or KEDAS_MAXIMUM))
    annotations = without_appliers(scaled_object["metadata"].get("annotations"))
    labels = without_flux(scaled_object["metadata"].get("labels"))
    metadata = owned_metadata(
        canary,
        primary_name(scaled_object["metadata"]["name"]),
        labels={key: value for key, value in labels.items() if not key.startswith(_KEDAS_LABELS)},
        annotations={key: value for key, value in annotations.items() if not key.startswith(_PAUSES)},
    )
    return {"apiVersion": SCALED_OBJECT_API, "kind": SCALED_OBJECT, "metadata": metadata, "spec": spec}


def is_idle_at_zero(scaler: Object) -> bool:
    """Return whether it leaves a workload at zero replicas alone: an HPA is disabled there, KEDA must be paused."""
    annotations = scaler["metadata"].get("annotations") or {}
    return scaler["kind"] != SCALED_OBJECT or bool(annotations.get(PAUSED_REPLICAS) == "0")


def pause_patch(scaled_object: Object, *, is_paused: bool) -> list[Operation]:
    """Pause a ScaledObject, as it was read, at zero replicas, or end its pause; no operations when it is so already."""
    annotations = scaled_object["metadata"].get("annotations")
    if is_paused:
        operations = put_entries(scaled_object, ("metadata", "annotations"), {PAUSED_REPLICAS: "0"})
    elif PAUSED_REPLICAS in (annotations or {}):
        operations = [remove(pointer("metadata", "annotations", PAUSED_REPLICAS))]
    else:
        operations = []
    if not operations:
        return []
    # A map that is put as a whole must not wipe one that somebody has made since.
    is_put_whole = annotations is None
    return [*same_spec(scaled_object), *(unchanged(scaled_object) if is_put_whole else []), *operations]


def _rewrite_query(trigger: dict[str, Any], reference: AutoscalerReference, target: str) -> None:
    """Let a trigger ask about the primary: by the query given for its name or, where none is given at all, by name."""
    metadata = trigger.get("metadata") or {}
    if reference.primary_scaler_queries:
        if trigger.get("name") in reference.primary_scaler_queries:
            trigger["metadata"] = metadata | {"query": reference.primary_scaler_queries[trigger["name"]]}
    elif "query" in metadata:
        # As Flagger: wherever the target's name stands, but for names of labels and what they begin with.
        of_target = rf"{re.escape(target)}(-canary|-primary)?(?![a-zA-Z0-9_]*\s*[=!])"
        metadata["query"] = re.sub(of_target, lambda _: primary_name(target), metadata["query"])


def _hpa_config(spec: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = (spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
    return config
