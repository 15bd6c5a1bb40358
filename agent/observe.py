"""Observing: what the caches show of one canary, as plain values for `decide`. No request is sent here."""

from typing import Any

from agent.blockers import find_blockers
from agent.caches import Caches
from agent.canary_patch import has_finalizer
from agent.configs import are_copied, config_copies, target_revision
from agent.managed import ManagedObjects
from agent.providers.routing.port import Routing
from agent.release import unreleased_objects
from agent.resources import CANARIES
from canary.api.canary import Canary
from canary.run.managed import ManagedObject
from canary.run.mark import Mark
from canary.run.observation import Observation, Primary, Target
from canary.run.readiness import Readiness, daemonset_readiness, deployment_readiness
from canary.run.request import ANNOTATION
from canary.run.revision import plain_template, template_part
from canary.run.state import Blocker, TargetIdentity
from kube.resource import Object
from render.objects import UnusableObjectError
from render.rollout import is_rolling, keeps_a_pod, keeps_a_pod_when_promoted
from render.scale import full_size, replicas_from_zero, wanted_replicas
from render.workload import REVISION_ANNOTATION, is_primary_template, primary_workload


def observe(
    canary: Canary,
    caches: Caches,
    parts: ManagedObjects,
    routing: Routing,
    now_s: float,
    failed_objects: frozenset[ManagedObject],
    *,
    is_foreign: bool,
) -> Observation:
    """Gather the facts of a tick. `now_s` is seconds since the epoch; `failed_objects` are not tried again yet.

    `is_foreign`: another controller wrote the status, so that no more is known of the primary than its template.
    """
    target, primary = caches.target(canary), caches.primary(canary)
    blockers = find_blockers(canary, target, caches, parts)
    due: frozenset[ManagedObject] = frozenset()
    if target is not None and not blockers:
        try:
            due = parts.due(canary, target)
        except UnusableObjectError as error:
            blockers.append(Blocker(error.reason, str(error)))
    return Observation(
        now_s=now_s,
        target=None if target is None else _target(canary, target, caches),
        primary=None if primary is None else _primary(canary, primary, target, caches, is_foreign=is_foreign),
        route=routing.observe(canary, now_s),
        due_objects=due - failed_objects,
        failed_objects=due & failed_objects,
        scale_to=1 if target is None else replicas_from_zero(target, primary, parts.scaler(canary)),
        full_size=1 if target is None else full_size(target, primary, parts.scaler(canary)),
        blockers=tuple(blockers),
        **_about_the_canary(canary, target, caches),
    )


def _about_the_canary(canary: Canary, target: Object | None, caches: Caches) -> dict[str, Any]:
    """Return what the Canary itself asks for: a request, or its deletion."""
    obj = caches.of(CANARIES).get(canary.namespace, canary.name)
    if obj is None:
        return {}
    is_deleted = "deletionTimestamp" in obj["metadata"]
    return {
        "request": (obj["metadata"].get("annotations") or {}).get(ANNOTATION, ""),
        "is_deleted": is_deleted,
        "has_finalizer": has_finalizer(obj),
        "unreleased_objects": unreleased_objects(canary, target, caches) if is_deleted and target else frozenset(),
    }


def _target(canary: Canary, target: Object, caches: Caches) -> Target:
    metadata = target["metadata"]
    seen = TargetIdentity(metadata["uid"], int(metadata["generation"]), *target_revision(canary, target, caches))
    mark = Mark.read(metadata.get("annotations"))
    if mark is not None and mark.revision != template_part(seen.revision):
        mark = None
    return Target(seen, wanted_replicas(target), _readiness(target, canary.canary_ready_threshold), mark)


def _primary(canary: Canary, primary: Object, target: Object | None, caches: Caches, *, is_foreign: bool) -> Primary:
    annotations = primary["metadata"].get("annotations") or {}
    return Primary(
        annotations.get(REVISION_ANNOTATION, ""),
        _readiness(primary, canary.primary_ready_threshold),
        runs_target=is_foreign and target is not None and _runs_target(canary, primary, target, caches),
        rolls_without_gap=target is None or keeps_a_pod_when_promoted(canary, primary, target),
        is_lasting=not is_rolling(primary) or keeps_a_pod(primary, wanted_replicas(primary)),
    )


def _runs_target(canary: Canary, primary: Object, target: Object, caches: Caches) -> bool:
    """Is the primary, which another controller made, as a promotion of the target would make it?"""
    template = plain_template(target["spec"]["template"])
    copies = config_copies(canary, target, template, caches)
    try:
        rendered = primary_workload(canary, target, template, revision="", replicas=None, config_copies=copies)
    except UnusableObjectError:
        return False
    return is_primary_template(primary, rendered) and are_copied(canary, target, template, caches)


def _readiness(workload: Object, threshold_percent: int) -> Readiness:
    if workload["kind"] == "DaemonSet":
        return daemonset_readiness(workload, threshold_percent)
    return deployment_readiness(workload, threshold_percent)
