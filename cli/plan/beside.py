"""A timetable with what the input says of the workload beside the canary."""

from typing import Any

from canary.api.canary import Canary
from cli.lint.input_cluster import InputCluster
from cli.plan.timetable import Timetable, timetable
from render.rollout import keeps_a_pod
from render.scale import replicas_from_zero


def played(canary: Canary, cluster: InputCluster) -> Timetable:
    """Return the timetable; a target that is not in the input, or of another shape, is taken to roll without a gap."""
    found = cluster.get(canary.target_kind, canary.namespace, canary.spec.target_ref.name)
    if found is None:
        return timetable(canary)
    try:
        replicas = _replicas(canary, dict(found), cluster)
        rolls_without_gap = keeps_a_pod(dict(found), replicas)
    except (AttributeError, KeyError, TypeError, ValueError):
        return timetable(canary)
    return timetable(canary, rolls_without_gap=rolls_without_gap, replicas=replicas)


def _replicas(canary: Canary, target: dict[str, Any], cluster: InputCluster) -> int:
    reference = canary.spec.autoscaler_ref
    scaler = None if reference is None else cluster.get(reference.kind, canary.namespace, reference.name)
    return replicas_from_zero(target, None, None if scaler is None else dict(scaler))
