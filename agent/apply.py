"""Applying: the actions of a decision, carried out one after the other."""

from collections.abc import Callable
from typing import Final

from agent.caches import Caches
from agent.canary_patch import canary_patch, lost_of_patch
from agent.concerns import SCALERS, WORKLOADS
from agent.config_copies import ConfigCopies
from agent.configs import target_revision
from agent.managed_objects import ManagedObjects
from agent.providers.routing.port import Routing
from agent.release_objects import release_object
from agent.resources import CANARIES
from agent.revision_templates import read_template
from agent.settings import FIELD_MANAGER
from canary.api.canary import Canary
from canary.run.action import (
    Action,
    ApplyObject,
    ClaimRequest,
    DropRequest,
    Promote,
    ReleaseObject,
    RepeatRoute,
    ScaleTarget,
    SetFinalizer,
    SetTraffic,
)
from canary.run.managed import ManagedObject
from canary.run.revision import config_part, revision_of
from canary.run.traffic import TOTAL_PERCENT
from canary.run.wire import REVISION_ANNOTATION
from kube.client import Client
from kube.errors import Conflict, Lost
from kube.resource import Object, Resource
from render.json_patch import Operation
from render.scale import restart_patch, scale_patch, wanted_replicas
from render.scaled_object import SCALED_OBJECT, pause_patch
from render.workload import bootstrap_replicas, primary_workload, promoted_replicas, promotion_patch

_PATCHED: Final = WORKLOADS | SCALERS


class Applier:
    """Carries out actions. Each can be repeated; each is refused when the world is not what was observed."""

    def __init__(self, client: Client, caches: Caches, managed: ManagedObjects, routing: Routing) -> None:
        self._client = client
        self._caches = caches
        self._managed = managed
        self._routing = routing
        self._configs = ConfigCopies(client, caches)

    async def apply(self, canary: Canary, action: Action) -> None:
        """Carry out one action.

        Raises:
            kube.errors.KubeError: it was not done; a Conflict asks for another look.
            agent.revision_templates.TemplateLost: there is nothing to promote, or nothing to configure it with.
        """
        if isinstance(action, ClaimRequest | DropRequest | SetFinalizer):
            await self._patch_canary(canary, action)
            return
        target = self._caches.target(canary)
        if isinstance(action, SetTraffic):
            # Without a target too: its traffic must be pulled above all.
            if target is not None and action.traffic.canary_percent == TOTAL_PERCENT:
                await self._refuse_old(WORKLOADS[target["kind"]], target, _is_same_target)
            await self._routing.set_traffic(canary, action)
            return
        if isinstance(action, RepeatRoute):
            await self._routing.repeat(canary)
            return
        if target is None:
            return
        match action:
            case ReleaseObject(wanted):
                await release_object(self._client, self._caches, canary, target, wanted)
            case ApplyObject(wanted):
                await self._apply_object(canary, target, wanted)
            case ScaleTarget(replicas):
                await self._scale(canary, target, replicas)
            case Promote(revision):
                await self._promote(canary, target, revision)

    async def _scale(self, canary: Canary, target: Object, replicas: int) -> None:
        await self._pause_scaler(canary, is_paused=replicas == 0)
        config_hash = self._config_hash(canary, target)
        scaled = await self._patch(target, scale_patch(target, replicas, config_hash=config_hash))
        if (replicas == 0) != (wanted_replicas(scaled) == 0):
            _check(scaled, "spec.replicas", wanted_replicas(scaled), replicas)

    async def _apply_object(self, canary: Canary, target: Object, wanted: ManagedObject) -> None:
        match wanted:
            case ManagedObject.TARGET_SCALER:
                await self._pause_scaler(canary, is_paused=True)
            case ManagedObject.CANARY_CONFIG:
                await self._patch(target, restart_patch(target, self._config_hash(canary, target)))
            case ManagedObject.PRIMARY_CONFIG:
                await self._configs.keep(canary, target)
            case _:
                await self._managed.apply(canary, target, wanted)

    async def _patch_canary(self, canary: Canary, action: ClaimRequest | DropRequest | SetFinalizer) -> None:
        cache = self._caches.of(CANARIES)
        obj = cache.get(canary.namespace, canary.name)
        operations = [] if obj is None else canary_patch(obj, action)
        if operations:
            answer = await self._client.json_patch(
                CANARIES, canary.name, canary.namespace, operations, field_manager=FIELD_MANAGER
            )
            cache.remember(answer)
            lost = lost_of_patch(answer, action)
            if lost:
                raise Lost(
                    f"{lost} was written, and somebody changed it back at once: is there a webhook on Canaries?",
                    resource=CANARIES,
                    namespace=canary.namespace,
                    name=canary.name,
                )

    async def _promote(self, canary: Canary, target: Object, revision: str) -> None:
        primary, obj = self._caches.primary(canary), self._caches.of(CANARIES).get(canary.namespace, canary.name)
        if obj is not None:
            # The route's fence against an agent with an old status is not there in a run that never wrote the route.
            await self._refuse_old(CANARIES, obj, _is_same_version)
        if primary is not None:
            await self._refuse_old(WORKLOADS[target["kind"]], target, _is_same_target)
        template = await read_template(self._client, target, revision)
        copies = await self._configs.promote(canary, target, template, revision)
        replicas: int | None = bootstrap_replicas(target)
        if primary is not None:
            is_scaled_by_others = self._managed.is_scaled_by_others(canary, primary)
            replicas = promoted_replicas(canary, target, is_scaled_by_others=is_scaled_by_others)
        rendered = primary_workload(
            canary,
            target,
            template,
            revision=revision,
            replicas=replicas,
            config_copies=copies,
            primary=primary,
            settings=self._caches.labels,
        )
        if primary is not None:
            promoted = await self._patch(primary, promotion_patch(primary, rendered, self._caches.labels))
            found = (promoted["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION)
            _check(promoted, f"metadata.annotations[{REVISION_ANNOTATION}]", found, revision)
            return
        resource = WORKLOADS[target["kind"]]
        # Not applied: server-side apply refuses templates that the API takes otherwise (two env entries of a name).
        self._caches.of(resource).remember(await self._client.create(resource, rendered))

    async def _refuse_old(self, resource: Resource, seen: Object, is_same: Callable[[Object, Object], bool]) -> None:
        """Read an object past the cache, before what no precondition of the write itself would keep from happening.

        Raises:
            kube.errors.KubeError: it can't be read; a Conflict: it has changed, and the cache shows it from now on.
        """
        namespace, name = seen["metadata"]["namespace"], seen["metadata"]["name"]
        # A list of one is as fresh and as cheap as a get, and the role allows it already.
        found = await self._client.list(resource, namespace, field_selector=f"metadata.name={name}")
        if any(is_same(seen, now) for now in found):
            return
        cache = self._caches.of(resource)
        for now in found:
            cache.remember(now)
        if not found:
            cache.forget(seen)
        raise Conflict("it changed, or went, since it was seen", resource=resource, namespace=namespace, name=name)

    def _config_hash(self, canary: Canary, target: Object) -> str:
        return config_part(target_revision(canary, target, self._caches)[0])

    async def _pause_scaler(self, canary: Canary, *, is_paused: bool) -> None:
        """Keep KEDA from scaling the target while it is at zero; first of all, or it would undo the scaling."""
        scaler = self._managed.scaler(canary)
        if scaler is not None and scaler["kind"] == SCALED_OBJECT:
            await self._patch(scaler, pause_patch(scaler, is_paused=is_paused))

    async def _patch(self, obj: Object, operations: list[Operation]) -> Object:
        """Patch an object as it was read, and return it as it is stored."""
        if not operations:
            return obj
        resource, metadata = _PATCHED[obj["kind"]], obj["metadata"]
        answer = await self._client.json_patch(
            resource, metadata["name"], metadata["namespace"], operations, field_manager=FIELD_MANAGER
        )
        self._caches.of(resource).remember(answer)
        return answer


def _is_same_version(seen: Object, now: Object) -> bool:
    """Return whether nobody wrote an object since it was seen."""
    return bool(seen["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"])


def _is_same_target(seen: Object, now: Object) -> bool:
    """Return whether a workload that was seen is there still, and its pods are of the same template.

    A cache that fell behind does not show that they roll to a revision that nobody analysed: all that serves, perhaps.
    """
    is_same = now["metadata"]["uid"] == seen["metadata"]["uid"] and "deletionTimestamp" not in now["metadata"]
    return bool(is_same) and revision_of(now["spec"]["template"]) == revision_of(seen["spec"]["template"])


def _check(answer: Object, path: str, found: object, written: object) -> None:
    """Compare what was written with what is stored of it.

    Raises:
        kube.errors.Lost: it is not there.
    """
    if found != written:
        kind, metadata = answer.get("kind", ""), answer["metadata"]
        raise Lost(
            f"{path}: found {found!r} after {written!r} was written: is there a webhook that changes it?",
            resource=_PATCHED.get(kind),
            namespace=metadata["namespace"],
            name=metadata["name"],
        )
