"""Is a workload ready? Read from the Deployment's or DaemonSet's own status, in Flagger's words.

Source: Flagger 1.44, `pkg/canary/deployment_ready.go` and `daemonset_ready.go`. Unlike there, the progress deadline is
not judged here: it runs on the agent's own clock, from the canary's stored state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a workload's status says of its rollout.

    `is_ready`: every replica runs the newest template and enough of them are available.
    `has_available`: at least one replica, of whatever template, is available.
    `explanation`: why it is not ready, empty when it is.
    """

    is_ready: bool
    has_available: bool
    explanation: str = ""


def deployment_readiness(deployment: Mapping[str, Any], threshold_percent: int) -> Readiness:
    """Judge a Deployment; `threshold_percent` of its replicas must be available (0 to 100)."""
    spec, status = deployment.get("spec", {}), deployment.get("status", {})
    wanted = int(spec.get("replicas", 1))
    updated, available = int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0))
    total = int(status.get("replicas", 0))

    def waiting(reason: str) -> Readiness:
        return Readiness(
            is_ready=False, has_available=available > 0, explanation=f"waiting for rollout to finish: {reason}"
        )

    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return waiting("observed deployment generation less than desired generation")
    if wanted == 0:
        return waiting("it is scaled to zero")
    if updated < wanted:
        return waiting(f"{updated} out of {wanted} new replicas have been updated")
    if total > updated:
        return waiting(f"{total - updated} old replicas are pending termination")
    needed = _share(updated, threshold_percent)
    if available < needed:
        return waiting(f"{available} of {needed} (readyThreshold {threshold_percent}%) updated replicas are available")
    return Readiness(is_ready=True, has_available=available > 0)


def daemonset_readiness(daemonset: Mapping[str, Any], threshold_percent: int) -> Readiness:
    """Judge a DaemonSet; `threshold_percent` of the nodes that should run it must have an available pod."""
    status = daemonset.get("status", {})
    wanted = int(status.get("desiredNumberScheduled", 0))
    updated, available = int(status.get("updatedNumberScheduled", 0)), int(status.get("numberAvailable", 0))

    def waiting(reason: str) -> Readiness:
        return Readiness(
            is_ready=False, has_available=available > 0, explanation=f"waiting for rollout to finish: {reason}"
        )

    if int(status.get("observedGeneration", 0)) < int(daemonset["metadata"].get("generation", 0)):
        return waiting("observed daemonset generation less than desired generation")
    if wanted == 0:
        return waiting("no node is to run it")
    if updated < wanted:
        return waiting(f"{updated} out of {wanted} new pods have been updated")
    needed = _share(wanted, threshold_percent)
    if available < needed:
        return waiting(f"{available} of {needed} (readyThreshold {threshold_percent}%) updated pods are available")
    return Readiness(is_ready=True, has_available=available > 0)


def _share(replicas: int, threshold_percent: int) -> int:
    """Return `threshold_percent` of `replicas`, rounded down as Flagger does, but never none of some."""
    return max(replicas * threshold_percent // 100, 1 if replicas and threshold_percent else 0)
