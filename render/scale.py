"""Scaling the target between zero and some. Its HPA is left alone: Kubernetes disables it at zero replicas.

KEDA does not: a ScaledObject is paused meanwhile (`render.scaled_object`).

Source: Flagger 1.44, `ScaleToZero` and `ScaleFromZero` of its Deployment and DaemonSet controllers.
"""

from canary.api.canary import Canary
from canary.run.wire import CONFIG_ANNOTATION, SCALE_TO_ZERO_LABEL
from render.json_patch import Operation, pointer, put, put_entries, remove, same_spec
from render.objects import Object
from render.scaled_object import KEDAS_MAXIMUM, SCALED_OBJECT

_NODE_SELECTOR = ("spec", "template", "spec", "nodeSelector")
_POD_ANNOTATIONS = ("spec", "template", "metadata", "annotations")


def wanted_replicas(workload: Object) -> int:
    """Return how many replicas a Deployment's spec wants, or a DaemonSet on its nodes; 0 when scaled to zero."""
    if workload["kind"] == "DaemonSet":
        if SCALE_TO_ZERO_LABEL in (workload["spec"]["template"]["spec"].get("nodeSelector") or {}):
            return 0
        return int((workload.get("status") or {}).get("desiredNumberScheduled", 1)) or 1
    return int(workload["spec"].get("replicas", 1))


def replicas_from_zero(target: Object, primary: Object | None, scaler: Object | None) -> int:
    """Return how many replicas the target gets for an analysis.

    Its own number where it has one; else what its HPA or ScaledObject starts from or, where there is neither, what the
    primary has; at least one.
    """
    own = wanted_replicas(target)
    if own > 0:
        return own
    if scaler is not None:
        return _minimum(scaler) or 1
    return wanted_replicas(primary) or 1 if primary is not None else 1


def full_size(target: Object, primary: Object | None) -> int:
    """Return how many replicas the target needs to carry what the primary carries.

    A DaemonSet has as many as there are nodes for it.
    """
    if target["kind"] == "DaemonSet" or primary is None:
        return wanted_replicas(target) or 1
    return wanted_replicas(primary) or 1


def size_limit(target: Object, scaler: Object | None) -> int | None:
    """Return how many replicas the target's scaler allows, None where nothing limits them."""
    return None if scaler is None or target["kind"] == "DaemonSet" else _maximum(scaler)


def primary_size_limit(canary: Canary, scaler: Object | None) -> int | None:
    """Return how many replicas the primary's copy of the scaler allows, None where there is none to scale it."""
    reference = canary.spec.autoscaler_ref
    if reference is None or scaler is None:
        return None
    bounds = reference.primary_scaler_replicas
    given = bounds.max_replicas if bounds is not None else None
    return given or _maximum(scaler) or KEDAS_MAXIMUM


def scale_patch(target: Object, replicas: int, *, config_hash: str = "") -> list[Operation]:
    """Patch the target, as it was read, to `replicas`; no operations when it has them.

    The patch is refused when the target's spec has been changed since. A DaemonSet knows only none and some. Pods that
    come up are annotated with what they are configured by.
    """
    if target["kind"] == "DaemonSet":
        operations = _node_selector_patch(target, is_scaled_to_zero=replicas == 0)
    elif target["spec"].get("replicas", 1) == replicas:
        operations = []
    else:
        operations = [put("/spec/replicas", replicas)]
    if operations and replicas > 0:
        operations += _annotate(target, config_hash)
    return [*same_spec(target), *operations] if operations else []


def is_configured_by(target: Object, config_hash: str) -> bool:
    """Return whether the target's pods, if any, started with this configuration: env is read once, at the start."""
    return wanted_replicas(target) == 0 or not _annotate(target, config_hash)


def restart_patch(target: Object, config_hash: str) -> list[Operation]:
    """Roll the pods of the target, as it was read, so that they start with the present configuration."""
    return [*same_spec(target), *_annotate(target, config_hash)]


def _annotate(target: Object, config_hash: str) -> list[Operation]:
    annotations = target["spec"]["template"]["metadata"].get("annotations") or {}
    if config_hash:
        return put_entries(target, _POD_ANNOTATIONS, {CONFIG_ANNOTATION: config_hash})
    return [remove(pointer(*_POD_ANNOTATIONS, CONFIG_ANNOTATION))] if CONFIG_ANNOTATION in annotations else []


def _minimum(scaler: Object) -> int:
    field = "minReplicaCount" if scaler["kind"] == SCALED_OBJECT else "minReplicas"
    return int(scaler["spec"].get(field) or 0)


def _maximum(scaler: Object) -> int | None:
    field = "maxReplicaCount" if scaler["kind"] == SCALED_OBJECT else "maxReplicas"
    written = scaler["spec"].get(field)
    return None if written is None else int(written)


def _node_selector_patch(target: Object, *, is_scaled_to_zero: bool) -> list[Operation]:
    if is_scaled_to_zero:
        return put_entries(target, _NODE_SELECTOR, {SCALE_TO_ZERO_LABEL: "true"})
    if wanted_replicas(target) == 0:
        return [remove(pointer(*_NODE_SELECTOR, SCALE_TO_ZERO_LABEL))]
    return []
