"""Observing: what the caches show of one canary, as plain values for `decide`. No request is sent here."""

from agent.caches import WORKLOADS, Caches
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

_HPA_KIND = "HorizontalPodAutoscaler"


def observe(canary: Canary, caches: Caches, parts: Parts, routing: Routing, now_s: float) -> Observation:
    """Gather the facts of a tick. `now_s` is seconds since the epoch."""
    target, primary = caches.target(canary), caches.primary(canary)
    obstacles = list(_obstacles(canary, target, parts))
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
        due_parts=due,
        scale_to=1 if target is None else replicas_from_zero(target, primary, parts.scaler(canary)),
        obstacles=tuple(obstacles),
    )


def _obstacles(canary: Canary, target: Object | None, parts: Parts) -> list[Blocked]:
    found = []
    name, reference = f"Canary {canary.namespace}/{canary.name}", canary.spec.target_ref
    kind = reference.kind or "Deployment"
    if kind not in WORKLOADS:
        text = f"{name} spec.targetRef.kind: found {kind!r}; allowed: {', '.join(WORKLOADS)}"
        found.append(Blocked("TargetKindUnsupported", text))
    elif target is None:
        text = (
            f"{name} spec.targetRef.name: found {reference.name!r}; allowed: the name of a {kind} "
            f"in namespace {canary.namespace}, and there is none of this name"
        )
        found.append(Blocked("TargetNotFound", text))
    scaler = canary.spec.autoscaler_ref
    if scaler is not None and scaler.kind != _HPA_KIND:
        text = f"{name} spec.autoscalerRef.kind: found {scaler.kind!r}; allowed: {_HPA_KIND}"
        found.append(Blocked("ScalerKindUnsupported", text))
    elif scaler is not None and parts.scaler(canary) is None:
        text = (
            f"{name} spec.autoscalerRef.name: found {scaler.name!r}; allowed: the name of a {_HPA_KIND} "
            f"in namespace {canary.namespace}, and there is none of this name"
        )
        found.append(Blocked("ScalerNotFound", text))
    return found


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
