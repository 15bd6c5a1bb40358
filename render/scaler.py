"""The primary's HorizontalPodAutoscaler, a copy of the target's.

Source of the shape: Flagger 1.44, `HPAReconciler`. The target's own is never written: zero replicas disable it.
"""

from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, primary_name
from canary.api.references import AUTOSCALING_V2
from render.objects import Object
from render.ownership import owned_metadata, without_flux

_COPIED_FIELDS: Final = ("minReplicas", "maxReplicas", "metrics", "behavior")


def primary_scaler(canary: Canary, hpa: Object, floor: int = 0) -> Object:
    """Copy a v2 HPA for the primary, with the bounds of `primaryScalerReplicas` where they are given.

    It keeps the primary from having fewer replicas than `floor`, as far as `maxReplicas` allows.
    Metrics are copied as they are: what an Object or External metric is measured on does not change with the side.
    """
    names = Names.of(canary)
    spec: dict[str, Any] = {
        "scaleTargetRef": hpa["spec"]["scaleTargetRef"] | {"name": names.primary_workload},
    }
    spec |= {field: hpa["spec"][field] for field in _COPIED_FIELDS if field in hpa["spec"]}
    reference = canary.spec.autoscaler_ref
    if reference is not None and reference.primary_scaler_replicas is not None:
        bounds = reference.primary_scaler_replicas
        if bounds.min_replicas is not None:
            spec["minReplicas"] = bounds.min_replicas
        if bounds.max_replicas is not None:
            spec["maxReplicas"] = bounds.max_replicas
    if floor > int(spec.get("minReplicas") or 1):
        spec["minReplicas"] = min(floor, int(spec["maxReplicas"]))
    metadata = owned_metadata(
        canary,
        primary_name(hpa["metadata"]["name"]),
        labels=without_flux(hpa["metadata"].get("labels")),
    )
    return {"apiVersion": AUTOSCALING_V2, "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
