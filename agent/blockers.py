"""What stands in a canary's way: each a reason, and a sentence with object, path, found and allowed."""

from collections.abc import Iterator

from agent.caches import SCALERS, WORKLOADS, Caches
from agent.managed_objects import ManagedObjects
from agent.resources import ROUTE_TABLES
from canary.api.canary import Canary
from canary.rules.target_port import check_target_port, port_names
from canary.run.state import Blocker
from kube.resource import Object
from render.names import Names


def find_blockers(canary: Canary, target: Object | None, caches: Caches, managed: ManagedObjects) -> list[Blocker]:
    """Return everything that is in the way, the most basic first; nothing is in the way of a sound canary."""
    name = f"Canary {canary.namespace}/{canary.name}"
    found = [
        *_target(canary, target),
        *_ports(canary, target, caches),
        *_scaler(canary, managed),
        *_others(canary, caches),
    ]
    return [Blocker(reason, f"{name} {text}") for reason, text in found]


def _target(canary: Canary, target: Object | None) -> Iterator[tuple[str, str]]:
    reference = canary.spec.target_ref
    kind = reference.kind or "Deployment"
    if kind not in WORKLOADS:
        yield "TargetKindUnsupported", f"spec.targetRef.kind: found {kind!r}; allowed: {', '.join(WORKLOADS)}"
    elif target is None:
        allowed = f"the name of a {kind} in namespace {canary.namespace}, and there is none of this name"
        yield "TargetNotFound", f"spec.targetRef.name: found {reference.name!r}; allowed: {allowed}"


def _ports(canary: Canary, target: Object | None, caches: Caches) -> Iterator[tuple[str, str]]:
    """See that the Services find their port on both sides, or the side without it answers nobody."""
    for workload in (target, caches.primary(canary)) if target is not None else ():
        if workload is not None:
            for problem in check_target_port(canary, workload["metadata"]["name"], port_names(workload)):
                yield "TargetPortNotFound", str(problem)


def _scaler(canary: Canary, managed: ManagedObjects) -> Iterator[tuple[str, str]]:
    scaler = canary.spec.autoscaler_ref
    if scaler is None:
        return
    if scaler.kind not in SCALERS:
        yield "ScalerKindUnsupported", f"spec.autoscalerRef.kind: found {scaler.kind!r}; allowed: {', '.join(SCALERS)}"
    elif managed.scaler(canary) is None:
        allowed = f"the name of a {scaler.kind} in namespace {canary.namespace}, and there is none of this name"
        yield "ScalerNotFound", f"spec.autoscalerRef.name: found {scaler.name!r}; allowed: {allowed}"


def _others(canary: Canary, caches: Caches) -> Iterator[tuple[str, str]]:
    """Find another canary's objects under our names: of one that shares the target, or of one that was deleted."""
    by_target, table = "spec.targetRef.name", Names.of(canary).route_table
    by_apex = "spec.service.name" if canary.spec.service.name else by_target
    found = (by_target, caches.primary(canary)), (by_apex, caches.of(ROUTE_TABLES).get(canary.namespace, table))
    for path, obj in found:
        for owner in (obj or {}).get("metadata", {}).get("ownerReferences") or ():
            if owner.get("kind") == "Canary" and owner.get("controller") and owner.get("uid") != canary.uid:
                assert obj is not None
                what = f"{obj.get('kind', 'object')} {obj['metadata']['name']} of Canary {owner['name']}"
                allowed = "a target and a service.name that no other Canary has (or had: its objects are still going)"
                yield "OwnedByOther", f"{path}: found {what}, uid {owner['uid']}; allowed: {allowed}"
