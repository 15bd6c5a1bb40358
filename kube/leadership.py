"""Who leads, and what to do about it: the rules of leader election over a Lease. Pure: time comes in as a parameter.

Clocks of different machines are never compared. Each candidate notes on its own monotonic clock when it saw the Lease
change; a holder that has not changed it for `duration_s` since is gone. A leader stops calling itself one
`renew_within_s` after the *start* of its last successful renewal, before anybody else's `duration_s` can be over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from kube.resource import Object


@dataclass(frozen=True, slots=True)
class Timing:
    """client-go's usual figures. Raises ValueError unless retry_s < renew_within_s < duration_s."""

    duration_s: float = 15.0
    renew_within_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_s < self.renew_within_s < self.duration_s:
            raise ValueError(f"{self}: allowed is 0 < retry_s < renew_within_s < duration_s")


class Sighting(NamedTuple):
    """The Lease's resourceVersion, and when on our own clock it was first seen."""

    resource_version: str
    at_s: float


class Move(Enum):
    """What a candidate does next."""

    CREATE = "there is no Lease: make one that is ours"
    TAKE = "nobody holds it, or its holder is gone: make it ours"
    RENEW = "it is ours: say that we are still here"
    WAIT = "somebody else holds it"


def sight(lease: Object | None, last: Sighting | None, now_s: float) -> Sighting | None:
    """The sighting to remember, now that `lease` was read: a new one when it changed since `last`."""
    if lease is None:
        return None
    version = lease["metadata"]["resourceVersion"]
    return last if last is not None and last.resource_version == version else Sighting(version, now_s)


def decide(lease: Object | None, sighting: Sighting | None, identity: str, now_s: float, duration_s: float) -> Move:
    """`sighting` is that of this very `lease`. A holder's own duration counts where it is longer than ours."""
    if lease is None or sighting is None:
        return Move.CREATE
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity")
    if holder == identity:
        return Move.RENEW
    held_for_s = max(duration_s, float(spec.get("leaseDurationSeconds") or 0))
    if not holder or now_s >= sighting.at_s + held_for_s:
        return Move.TAKE
    return Move.WAIT


def claimed(lease: Object, identity: str, now: datetime, timing: Timing) -> Object:
    """`lease` as ours, renewed at `now`; its resourceVersion stays, so that only one of two claims is stored."""
    spec: dict[str, Any] = dict(lease.get("spec") or {})
    if spec.get("holderIdentity") != identity:
        spec["acquireTime"] = micro_time(now)
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + ("holderIdentity" in spec)
    spec |= {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(timing.duration_s),
        "renewTime": micro_time(now),
    }
    return {**lease, "spec": spec}


def released(lease: Object, now: datetime) -> Object:
    """`lease` as nobody's, so that the next leader need not wait; the count of transitions is kept."""
    spec = dict(lease.get("spec") or {})
    return {**lease, "spec": spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_time(now)}}


def micro_time(at: datetime) -> str:
    """A `MicroTime` of the API: UTC, with six digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
