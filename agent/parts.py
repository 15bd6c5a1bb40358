"""The generated objects of a canary: which are due, and how each is made."""

from collections.abc import Callable

from agent.applied import AppliedObjects
from agent.caches import Caches
from agent.providers.routing.port import ROUTING_PARTS, Routing
from canary.model.canary import Canary
from canary.observation import Part
from kube.resource import HPAS, SERVICES, Object, Resource
from render.names import Names, Side
from render.scaler import primary_scaler
from render.services import apex_service, side_service


class Parts:
    """Renders the parts of a canary and compares them with the caches; the route's are behind the routing port."""

    def __init__(self, caches: Caches, applied: AppliedObjects, routing: Routing) -> None:
        self._caches = caches
        self._applied = applied
        self._routing = routing

    def due(self, canary: Canary, target: Object) -> frozenset[Part]:
        """Those parts that are missing or not as rendered.

        Raises:
            render.objects.UnusableObjectError: nothing can be rendered from the target.
        """
        due = set(self._routing.due_parts(canary, target))
        for part, (resource, render) in self._renderers(canary, target).items():
            if self._applied.is_due(resource, render()):
                due.add(part)
        return frozenset(due)

    async def apply(self, canary: Canary, target: Object, part: Part) -> None:
        """Make one part as rendered."""
        if part in ROUTING_PARTS:
            await self._routing.apply(canary, target, part)
            return
        resource, render = self._renderers(canary, target)[part]
        await self._applied.apply(resource, render())

    def _renderers(self, canary: Canary, target: Object) -> dict[Part, tuple[Resource, Callable[[], Object]]]:
        names = Names.of(canary)
        services = self._caches.of(SERVICES)

        def existing(name: str) -> Object | None:
            return services.get(canary.namespace, name)

        found: dict[Part, tuple[Resource, Callable[[], Object]]] = {
            Part.APEX_SERVICE: (SERVICES, lambda: apex_service(canary, target, existing(names.apex))),
            Part.PRIMARY_SERVICE: (
                SERVICES,
                lambda: side_service(canary, target, Side.PRIMARY, existing(names.primary_service)),
            ),
            Part.CANARY_SERVICE: (
                SERVICES,
                lambda: side_service(canary, target, Side.CANARY, existing(names.canary_service)),
            ),
        }
        scaler = self.scaler(canary)
        if scaler is not None:
            found[Part.PRIMARY_SCALER] = (HPAS, lambda: primary_scaler(canary, scaler))
        return found

    def scaler(self, canary: Canary) -> Object | None:
        """The target's own HPA, None when the canary names none or it does not exist."""
        reference = canary.spec.autoscaler_ref
        return None if reference is None else self._caches.of(HPAS).get(canary.namespace, reference.name)
