"""Observing: what the caches show of one canary, as plain values for `decide`. No request is sent here."""

from agent.caches import Caches
from agent.obstacles import find_obstacles
from agent.parts import Parts
from agent.providers.routing.port import Routing
from canary.model.canary import Canary
from canary.observation import Observation, Part, Primary, Target
from canary.readiness import Readiness, daemonset_readiness, deployment_readiness
from canary.revision import revision_of
from canary.state import Blocked, Seen
from kube.resource import Object
from render.objects import UnusableObjectError
from render.scale import replicas_from_zero, wanted_replicas
from render.workload import REVISION_ANNOTATION


def observe(
    canary: Canary, caches: Caches, parts: Parts, routing: Routing, now_s: float, failed_parts: frozenset[Part]
) -> Observation:
    """Gather the facts of a tick. `now_s` is seconds since the epoch; `failed_parts` are not tried again yet."""
    target, primary = caches.target(canary), caches.primary(canary)
    obstacles = find_obstacles(canary, target, caches, parts)
    due: frozenset[Part] = frozenset()
    if target is not None and not obstacles:
        try:
            due = parts.due(canary, target)
        except UnusableObjectError as error:
            obstacles.append(Blocked("TargetUnusable", str(error)))
    return Observation(
        now_s=now_s,
        target=None if target is None else _target(canary, target),
        primary=None if primary is None else _primary(canary, primary),
        route=routing.observe(canary, now_s),
        due_parts=due - failed_parts,
        failed_parts=due & failed_parts,
        scale_to=1 if target is None else replicas_from_zero(target, primary, parts.scaler(canary)),
        obstacles=tuple(obstacles),
    )


def _target(canary: Canary, target: Object) -> Target:
    metadata = target["metadata"]
    seen = Seen(metadata["uid"], int(metadata["generation"]), revision_of(target["spec"]["template"]))
    return Target(seen, wanted_replicas(target), _readiness(target, canary.canary_ready_threshold))


def _primary(canary: Canary, primary: Object) -> Primary:
    annotations = primary["metadata"].get("annotations") or {}
    return Primary(annotations.get(REVISION_ANNOTATION, ""), _readiness(primary, canary.primary_ready_threshold))


def _readiness(workload: Object, threshold_percent: int) -> Readiness:
    if workload["kind"] == "DaemonSet":
        return daemonset_readiness(workload, threshold_percent)
    return deployment_readiness(workload, threshold_percent)
