"""The route of a simulated cluster, and what its gateway serves of it."""

from dataclasses import dataclass, field, replace

from agent.providers.routing.served import ServedSince
from canary.run.action import RepeatRoute, SetTraffic
from canary.run.observation import Route, RouteState
from canary.run.traffic import Traffic


@dataclass(kw_only=True)
class SimulatedRoute:
    """`history` collects the weights that the route ever had.

    `served`: the shares that the gateway serves; it follows the route as long as `route_state` says that it does.
    `unaccepted`: what the gateway does not know yet of what the route sends to.
    """

    weights: tuple[int, int] | None = None
    mirror_percent: int = 0
    cookie: str = ""
    route_sequence: int = 0
    includes_unmatched: bool = False
    route_state: RouteState = RouteState.SETTLED
    may_be_known: bool = False
    unaccepted: str = ""
    served: tuple[int, int] | None = None
    history: list[tuple[int, int]] = field(default_factory=list)
    served_since: ServedSince = field(default_factory=ServedSince, compare=False)

    def follow_route(self, shares: tuple[int, int]) -> None:
        """Let the gateway serve the route as it stands, unless it is silent or refuses it."""
        if self.weights is not None and self.route_state in {RouteState.SETTLED, RouteState.WARNED}:
            self.served = shares

    def route(self, now_s: float) -> Route | None:
        """Read the route back; the agent remembers since when it is served."""
        if self.weights is None:
            return None
        said = "the gateway's reason"
        route = Route(
            Traffic(
                100 * self.weights[1] // sum(self.weights), self.mirror_percent, self.cookie, self.includes_unmatched
            ),
            self.route_sequence,
            self.route_state,
            said,
            is_exact=sum(self.weights) == 100,
            may_be_known=self.may_be_known,
        )
        return self.served_since.note(route, now_s)

    def write_route(self, wanted: SetTraffic | RepeatRoute) -> None:
        """Set the split, or write the present one in other numbers."""
        if isinstance(wanted, RepeatRoute):
            assert self.weights is not None
            assert sum(self.weights) == 100, "it was repeated, and waits for the answer to that"
            self.weights, self.may_be_known = (2 * self.weights[0], 2 * self.weights[1]), False
            return
        traffic = wanted.traffic
        self.weights, self.route_sequence = (traffic.primary_percent, traffic.canary_percent), wanted.sequence
        self.mirror_percent, self.cookie = traffic.mirror_percent, traffic.cookie
        self.includes_unmatched = traffic.includes_unmatched
        self.history.append(self.weights)


def is_same_write(seen: Route, now: Route) -> bool:
    """Return whether nobody wrote the route since it was seen; what the gateway says of it is no write."""
    said = replace(seen, state=now.state, explanation=now.explanation, may_be_known=now.may_be_known)
    return replace(said, served_since_s=now.served_since_s) == now
