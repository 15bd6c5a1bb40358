"""The port to whatever splits the traffic. Gloo's RouteTable is behind it today; an HTTPRoute could be tomorrow."""

from typing import Final, Protocol

from canary.api.canary import Canary
from canary.run.action import SetTraffic
from canary.run.managed import ManagedObject
from canary.run.observation import Route
from kube.resource import Object

ROUTING_OBJECTS: Final = frozenset({ManagedObject.PRIMARY_UPSTREAM, ManagedObject.CANARY_UPSTREAM, ManagedObject.ROUTE})


class Routing(Protocol):
    """Weights are percent. Errors of the cluster come through as `kube.errors.KubeError`."""

    def observe(self, canary: Canary, now_s: float) -> Route | None:
        """Return the route as it stands and what the gateway says of it; None while there is none.

        A route is settled only when the gateway has acknowledged it; how long that takes says nothing.

        In an A/B test the weights are those of the requests that match, and all others go to the primary, unless the
        route is for everyone. Where any requests reach the canary side that should not, the weights show it.
        """

    def unaccepted(self, canary: Canary) -> str:
        """Say what of the objects that a route will send to is not known to the gateway, empty when all is."""

    def due_objects(self, canary: Canary, target: Object) -> frozenset[ManagedObject]:
        """Return those of ROUTING_OBJECTS that are missing or not as rendered.

        Raises:
            render.objects.UnusableObjectError: something that the canary refers to is missing or can't be used.
        """

    def kept_port(self, canary: Canary) -> int | None:
        """Return the port that requests still come in by though the spec has another one; None without one."""

    def look_again_after_s(self, canary: Canary) -> float | None:
        """Return when to look again though no event comes, None where events tell of every change."""

    async def apply(self, canary: Canary, target: Object, managed: ManagedObject) -> None:
        """Make one of ROUTING_OBJECTS as rendered. A new route sends all to the primary; others keep their split.

        Raises:
            kube.errors.Conflict: it is not the time yet; observe again.
        """

    async def repeat(self, canary: Canary) -> None:
        """Write the present split in other numbers: the gateway acknowledges no routes that it has already.

        Raises:
            kube.errors.Conflict: somebody wrote the route since; observe again.
        """

    async def set_traffic(self, canary: Canary, wanted: SetTraffic) -> None:
        """Change the split, only if the route still is what the last observation showed, its transition included.

        Raises:
            kube.errors.Conflict: it is not; observe again.
            kube.errors.PermanentError: a mirror is wanted, and the route has one of the user's.
        """
