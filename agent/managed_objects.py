"""The generated objects of a canary: which are due, and how each is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.concerns import SCALERS
from agent.configs import is_started_otherwise
from agent.copy_upkeep import find_upkeep
from agent.providers.routing.port import ROUTING_OBJECTS, Routing
from agent.revision_detection import replicas_manager
from agent.settings import FIELD_MANAGER
from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.managed import ManagedObject
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import SERVICES, Object, Resource
from render.ownership import is_owned_by
from render.scale import wanted_replicas
from render.scaled_object import SCALED_OBJECT, is_idle_at_zero, primary_scaled_object
from render.scaler import primary_scaler
from render.services import address_problem, apex_service, side_service

# Who sets the primary's size as we do (Flagger did before a takeover), and who does it for an HPA: that is looked for.
_SCALED_AS_OURS: Final = frozenset({"", FIELD_MANAGER, "flagger", "kube-controller-manager"})


@dataclass(frozen=True, slots=True)
class _Rendering:
    """How an object is rendered."""

    resource: Resource
    render: Callable[[], Object]


@dataclass(frozen=True, slots=True)
class _Sources:
    """What the objects of a canary are rendered from, beside its spec: all as it is written, see `Memo.written`."""

    target: Object
    primary: Object | None
    services: tuple[Object | None, ...]
    kept_port: int | None
    scaler: Object | None
    floor: int

    @property
    def inputs(self) -> tuple[object, ...]:
        """Return what a rendering depends on, as inputs of a `Memo`."""
        return (self.target, self.primary, *self.services, self.kept_port, self.scaler, self.floor)


class ManagedObjects:
    """Renders the objects of a canary and compares them with the caches; the route's are behind the routing port."""

    def __init__(self, caches: Caches, applied: AppliedObjects, routing: Routing) -> None:
        self._caches = caches
        self._applied = applied
        self._routing = routing

    def due(self, canary: Canary, target: Object) -> frozenset[ManagedObject]:
        """Return the objects that are missing or not as rendered.

        Raises:
            render.objects.UnusableObjectError: nothing can be rendered from the target.
        """
        due = set(self._routing.due_objects(canary, target))
        sources = self._sources(canary, target)
        inputs = (canary, *sources.inputs, *self._compared(canary))
        due |= self._caches.memo(canary).of("rendered", inputs, partial(self._due_rendered, canary, sources))
        scaler = self.scaler(canary)
        if scaler is not None and wanted_replicas(target) == 0 and not is_idle_at_zero(scaler):
            due.add(ManagedObject.TARGET_SCALER)
        if self._former_scalers(canary):
            due.add(ManagedObject.FORMER_SCALER)
        if is_started_otherwise(canary, target, self._caches):
            due.add(ManagedObject.CANARY_CONFIG)
        if find_upkeep(canary, target, self._caches).is_needed:
            due.add(ManagedObject.PRIMARY_CONFIG)
        return frozenset(due)

    def _due_rendered(self, canary: Canary, sources: _Sources) -> frozenset[ManagedObject]:
        rendered = ((managed, one.resource, one.render()) for managed, one in self._renderers(canary, sources).items())
        return frozenset(managed for managed, resource, made in rendered if self._applied.is_due(resource, made))

    def _compared(self, canary: Canary) -> Iterator[object]:
        """Name what the renderings are compared with, beside the Services, which they are rendered from, too."""
        names = self._caches.sight(canary).names
        for name in names.services:
            yield self._applied.left_behind(SERVICES, names.namespace, name)
        reference = canary.spec.autoscaler_ref
        if reference is not None and reference.kind in SCALERS and names.primary_scaler is not None:
            resource, memo = SCALERS[reference.kind], self._caches.memo(canary)
            yield memo.written(self._caches.of(resource).get(canary.namespace, names.primary_scaler))
            yield self._applied.left_behind(resource, canary.namespace, names.primary_scaler)

    def problems(self, canary: Canary) -> tuple[str, ...]:
        """Return what of the spec the generated objects can't follow. It holds nothing up, but users should know."""
        sight = self._caches.sight(canary)
        services = sight.services

        def find() -> tuple[str, ...]:
            return tuple(problem for service in services if (problem := address_problem(canary, service)))

        return sight.memo.of("problems", (canary, *services), find)

    async def apply(self, canary: Canary, target: Object, managed: ManagedObject) -> None:
        """Create or update one object as rendered; for those that are not, see `Applier`."""
        if managed in ROUTING_OBJECTS:
            await self._routing.apply(canary, target, managed)
            return
        if managed is ManagedObject.FORMER_SCALER:
            for resource, scaler in self._former_scalers(canary):
                await self._applied.delete(resource, scaler)
            return
        rendering = self._renderers(canary, self._sources(canary, target))[managed]
        await self._applied.apply(rendering.resource, rendering.render())

    def _sources(self, canary: Canary, target: Object) -> _Sources:
        sight = self._caches.sight(canary)
        return _Sources(
            sight.memo.written(target),
            sight.written_primary,
            sight.written_services,
            self._routing.kept_port(canary),
            sight.memo.written(sight.scaler),
            self._primary_floor(canary),
        )

    def _renderers(self, canary: Canary, sources: _Sources) -> dict[ManagedObject, _Rendering]:
        renders: dict[ManagedObject, Callable[..., Object]] = {
            ManagedObject.APEX_SERVICE: apex_service,
            ManagedObject.PRIMARY_SERVICE: partial(side_service, side=Side.PRIMARY),
            ManagedObject.CANARY_SERVICE: partial(side_service, side=Side.CANARY),
        }
        found: dict[ManagedObject, _Rendering] = {}
        for (managed, render), existing in zip(renders.items(), sources.services, strict=True):
            rendered = partial(
                render,
                canary,
                sources.target,
                existing=existing,
                kept_port=sources.kept_port,
                primary=sources.primary,
                settings=self._caches.labels,
            )
            found[managed] = _Rendering(SERVICES, rendered)
        scaler = sources.scaler
        if scaler is not None and Names.of(canary).primary_scaler is not None:
            render_scaler = primary_scaled_object if scaler["kind"] == SCALED_OBJECT else primary_scaler
            rendering = _Rendering(SCALERS[scaler["kind"]], partial(render_scaler, canary, scaler, sources.floor))
            found[ManagedObject.PRIMARY_SCALER] = rendering
        return found

    def _primary_floor(self, canary: Canary) -> int:
        """Return what the stored intent says of the primary's size: how many replicas it must not fall below."""
        obj = self._caches.sight(canary).stored or {}
        ours = (obj.get("status") or {}).get(SERIN_STATUS) or {}
        return int(ours.get(StatusKey.PRIMARY_FLOOR, 0))

    def is_scaled_by_others(self, canary: Canary, primary: Object) -> bool:
        """Return whether somebody else decides of the primary's size: a scaler of the users' own, or whoever set it."""
        if replicas_manager(primary) not in _SCALED_AS_OURS:
            return True
        metadata = primary["metadata"]
        return any(
            (scaler["spec"].get("scaleTargetRef") or {}).get("name") == metadata["name"]
            for resource in SCALERS.values()
            for scaler in self._caches.of(resource).outlines(canary.namespace)
        )

    def _former_scalers(self, canary: Canary) -> list[tuple[Resource, Object]]:
        """Find copies of scalers that the spec names no longer: beside another one they scale the primary.

        With two of them Kubernetes scales it no more (AmbiguousSelector), and without one it is to keep its size.
        """
        names, reference = Names.of(canary), canary.spec.autoscaler_ref
        wanted = (None if reference is None else reference.kind, names.primary_scaler)
        found = []
        for kind, resource in SCALERS.items():
            for scaler in self._caches.of(resource).outlines(canary.namespace):
                is_wanted = (kind, scaler["metadata"]["name"]) == wanted
                if not is_wanted and is_owned_by(scaler, canary) and _scales(scaler, names.primary_workload):
                    found.append((resource, scaler))
        return found

    def scaler(self, canary: Canary) -> Object | None:
        """Return the target's own HPA or ScaledObject, None when the canary names none or it does not exist."""
        return self._caches.sight(canary).scaler


def _scales(scaler: Object, workload: str) -> bool:
    is_going = "deletionTimestamp" in scaler["metadata"]
    return not is_going and (scaler["spec"].get("scaleTargetRef") or {}).get("name") == workload
