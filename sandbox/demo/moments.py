"""What is seen of the cluster, each with its moment: shown in the timeline, judged by the verdict and the figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """The canary has another `status.phase`; `decided_s` is the time of the last decisive check, on the same clock."""

    phase: str
    decided_s: float | None = None


@dataclass(frozen=True)
class AvailableSeen(Moment):
    """A Deployment has become available: all that its spec wants, of its newest template."""

    deployment: str
    replicas: int


@dataclass(frozen=True)
class ImageSet(Moment):
    """The moment before the user's `kubectl set image` is run."""

    image: str


@dataclass(frozen=True)
class LoadBegan(Moment):
    """A load has got its first expected answer from a URL; from then on every request counts."""

    url: str
    per_second: float


@dataclass(frozen=True)
class RequestFailed(Moment):
    """A request that took `took_s` got another answer than the expected one, or none."""

    url: str
    why: str
    took_s: float


@dataclass(frozen=True)
class LoadEnded(Moment):
    """A load was ended: each URL's answers, and how often each came."""

    answers: Mapping[str, Mapping[str, int]]


def event_texts(moments: Sequence[Moment]) -> tuple[str, ...]:
    """The texts of the events, repeated ones as often as they came."""
    return tuple(moment.text for moment in moments if isinstance(moment, EventSeen))


def weights(moments: Sequence[Moment]) -> tuple[int, ...]:
    """The canary's weights, in percent."""
    return tuple(moment.weight_percent for moment in moments if isinstance(moment, WeightSeen))


def decided_at_s(canary: Mapping[str, Any], *, epoch_s: float) -> float | None:
    """When the last decisive check of a Canary was in; `epoch_s` is the beginning of the epoch on the clock wanted."""
    text = ((canary.get("status") or {}).get("serin") or {}).get("lastDecisiveAt")
    return None if text is None else epoch_s + datetime.fromisoformat(text).timestamp()


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
