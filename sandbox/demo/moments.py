"""What is seen of the cluster, each with its moment: shown in the timeline, judged by the verdict and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Moment:
    """`at_s` is on the monotonic clock, taken as the watch brought the news."""

    at_s: float


@dataclass(frozen=True)
class EventSeen(Moment):
    """An Event about the canary, or one more of the same."""

    text: str
    is_warning: bool


@dataclass(frozen=True)
class WeightSeen(Moment):
    """The RouteTable gives the canary another share of the traffic."""

    weight_percent: int


@dataclass(frozen=True)
class PhaseSeen(Moment):
    """The canary has another `status.phase`."""

    phase: str


@dataclass(frozen=True)
class AvailableSeen(Moment):
    """A Deployment has become available: all that its spec wants, of its newest template."""

    deployment: str
    replicas: int


@dataclass(frozen=True)
class ImageSet(Moment):
    """The moment before the user's `kubectl set image` is run."""

    image: str


def event_texts(moments: Sequence[Moment]) -> tuple[str, ...]:
    """The texts of the events, repeated ones as often as they came."""
    return tuple(moment.text for moment in moments if isinstance(moment, EventSeen))


def weights(moments: Sequence[Moment]) -> tuple[int, ...]:
    """The canary's weights, in percent."""
    return tuple(moment.weight_percent for moment in moments if isinstance(moment, WeightSeen))


def canary_weight(route_table: dict[str, Any]) -> int | None:
    """The canary Upstream's weight, None while there is no route to it. An omitted weight is 0, as Gloo reads it."""
    for route in (route_table.get("spec") or {}).get("routes") or ():
        for destination in ((route.get("routeAction") or {}).get("multi") or {}).get("destinations") or ():
            upstream = (destination.get("destination") or {}).get("upstream") or {}
            if "-canaryupstream-" in upstream.get("name", ""):
                return int(destination.get("weight") or 0)
    return None


def available_replicas(deployment: dict[str, Any]) -> int | None:
    """How many replicas are available when that is all that the newest spec wants, and none is of an older one."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = {int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return wanted if wanted > 0 and is_current and counts == {wanted} else None
