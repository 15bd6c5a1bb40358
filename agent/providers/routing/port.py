"""The port to whatever splits the traffic. Gloo's RouteTable is behind it today; an HTTPRoute could be tomorrow."""

from typing import Final, Protocol

from canary.action import SetWeights
from canary.model.canary import Canary
from canary.observation import Part, Route
from kube.resource import Object

ROUTING_PARTS: Final = frozenset({Part.PRIMARY_UPSTREAM, Part.CANARY_UPSTREAM, Part.ROUTE})


class Routing(Protocol):
    """Weights are percent. Errors of the cluster come through as `kube.errors.KubeError`."""

    def observe(self, canary: Canary, now_s: float) -> Route | None:
        """The route as it stands and what the gateway says of it; None while there is none."""

    def due_parts(self, canary: Canary, target: Object) -> frozenset[Part]:
        """Those of ROUTING_PARTS that are missing or not as rendered."""

    async def apply(self, canary: Canary, target: Object, part: Part) -> None:
        """Make one of ROUTING_PARTS as rendered; a new route sends everything to the primary."""

    async def set_weights(self, canary: Canary, wanted: SetWeights) -> None:
        """Change the weights, only if the route still is what the last observation showed, its move included.

        Raises:
            kube.errors.Conflict: it is not; observe again.
        """
