"""What a rollout does to the pods of a workload: is there one left that serves, at every moment of it?

Source: Kubernetes 1.36, `ResolveFenceposts` and `MaxUnavailable` of the Deployment controller, and
`updatedDesiredNodeCounts` of the DaemonSet controller.
"""

from typing import Any, Final

from canary.api.canary import Canary
from render.objects import Object
from render.scale import wanted_replicas
from render.workload import promoted_replicas

_ALL_PERCENT: Final = 100
_DEPLOYMENT_DEFAULT: Final = "25%"


def keeps_a_pod(workload: Object, replicas: int) -> bool:
    """Return whether a rollout of the workload's strategy keeps at least one of so many pods available."""
    if workload["kind"] == "DaemonSet":
        return replicas > _daemonset_unavailable(workload["spec"].get("updateStrategy") or {}, replicas)
    strategy = workload["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return False
    return replicas > _deployment_unavailable(strategy.get("rollingUpdate") or {}, replicas)


def keeps_a_pod_when_promoted(
    canary: Canary, primary: Object, target: Object, *, is_scaled_by_others: bool = False
) -> bool:
    """Return whether a promotion, which copies strategy and number of the target, keeps a primary's pod available."""
    pods = wanted_replicas(primary)
    if target["kind"] == "DaemonSet":
        # The new template may ask for fewer nodes.
        return keeps_a_pod(target, min(pods, wanted_replicas(target) or pods))
    replicas = promoted_replicas(canary, target, is_scaled_by_others=is_scaled_by_others)
    return keeps_a_pod(target, replicas or pods)


def is_rolling(workload: Object) -> bool:
    """Return whether the workload still has pods of an older template, or its controller has not seen the newest."""
    status = workload.get("status") or {}
    if int(status.get("observedGeneration", 0)) < int(workload["metadata"].get("generation", 0)):
        return True
    if workload["kind"] == "DaemonSet":
        return int(status.get("updatedNumberScheduled", 0)) < int(status.get("desiredNumberScheduled", 0))
    return int(status.get("updatedReplicas", 0)) < int(status.get("replicas", 0))


def _deployment_unavailable(rolling_update: dict[str, Any], replicas: int) -> int:
    surge = _share(rolling_update.get("maxSurge", _DEPLOYMENT_DEFAULT), replicas, is_rounded_up=True)
    unavailable = _share(rolling_update.get("maxUnavailable", _DEPLOYMENT_DEFAULT), replicas, is_rounded_up=False)
    # With neither the rollout could not begin, so the controller takes one pod away.
    return unavailable if surge or unavailable else 1


def _daemonset_unavailable(strategy: dict[str, Any], nodes: int) -> int:
    rolling_update = strategy.get("rollingUpdate") or {}
    surge = _share(rolling_update.get("maxSurge", 0), nodes, is_rounded_up=True)
    unavailable = _share(rolling_update.get("maxUnavailable", 1), nodes, is_rounded_up=True)
    return unavailable if surge or unavailable else 1


def _share(written: int | str, pods: int, *, is_rounded_up: bool) -> int:
    """Return how many of so many pods a number or a percentage (`25%`) is."""
    if isinstance(written, int):
        return written
    share = int(written.removesuffix("%")) * pods
    return -(-share // _ALL_PERCENT) if is_rounded_up else share // _ALL_PERCENT
