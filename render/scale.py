"""Scaling the target between zero and some. Its HPA is left alone: Kubernetes disables it at zero replicas.

Source: Flagger 1.44, `ScaleToZero` and `ScaleFromZero` of its Deployment and DaemonSet controllers.
"""

from canary.revision import SCALE_TO_ZERO
from render.json_patch import Operation, pointer, put, put_entries, remove, same_spec
from render.objects import Object

_NODE_SELECTOR = ("spec", "template", "spec", "nodeSelector")


def wanted_replicas(workload: Object) -> int:
    """How many replicas the spec of a Deployment wants, or a DaemonSet on its nodes; 0 when it is scaled to zero."""
    if workload["kind"] == "DaemonSet":
        if SCALE_TO_ZERO in (workload["spec"]["template"]["spec"].get("nodeSelector") or {}):
            return 0
        return int((workload.get("status") or {}).get("desiredNumberScheduled", 1)) or 1
    return int(workload["spec"].get("replicas", 1))


def replicas_from_zero(target: Object, primary: Object | None, scaler: Object | None) -> int:
    """How many replicas the target gets for an analysis.

    Its own number where it has one; else what its HPA starts from or, where there is no HPA, what the primary has; at
    least one.
    """
    own = wanted_replicas(target)
    if own > 0:
        return own
    if scaler is not None:
        return int(scaler["spec"].get("minReplicas") or 1)
    return wanted_replicas(primary) or 1 if primary is not None else 1


def scale_patch(target: Object, replicas: int) -> list[Operation]:
    """Patch the target, as it was read, to `replicas`; no operations when it has them.

    The patch is refused when the target's spec has been changed since. A DaemonSet knows only none and some.
    """
    if target["kind"] == "DaemonSet":
        operations = _node_selector_patch(target, is_scaled_to_zero=replicas == 0)
    elif target["spec"].get("replicas", 1) == replicas:
        operations = []
    else:
        operations = [put("/spec/replicas", replicas)]
    return [*same_spec(target), *operations] if operations else []


def _node_selector_patch(target: Object, *, is_scaled_to_zero: bool) -> list[Operation]:
    if is_scaled_to_zero:
        return put_entries(target, _NODE_SELECTOR, {SCALE_TO_ZERO: "true"})
    if wanted_replicas(target) == 0:
        return [remove(pointer(*_NODE_SELECTOR, SCALE_TO_ZERO))]
    return []
