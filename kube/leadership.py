"""The rules of leader election over a Lease, as client-go's. Pure: time is a parameter.

Clocks of different machines are never compared. Each candidate records on its own monotonic clock when it observed the
Lease change; a holder that has not renewed it for `duration_s` since then is gone. A leader steps down
`renew_within_s` after the *start* of its last successful renewal, before any other candidate's `duration_s` can be
over.
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
    """client-go's LeaseDuration, RenewDeadline and RetryPeriod, and the pause between two looks at another's Lease.

    Whoever was looking on takes over a Lease that is given back after `look_s` at most, and that of a holder that is
    gone after `duration_s + look_s`: 13 s by default, where client-go's 15, 10 and 2 s make up to 17.

    Raises:
        ValueError: not retry_s < renew_within_s < duration_s, or no look_s.
    """

    duration_s: float = 12.0
    renew_within_s: float = 9.0
    retry_s: float = 2.0
    look_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_s < self.renew_within_s < self.duration_s or self.look_s <= 0:
            raise ValueError(f"{self}: allowed is 0 < retry_s < renew_within_s < duration_s, and 0 < look_s")


class ObservedLease(NamedTuple):
    """The Lease's resourceVersion, and when on our own clock it was first observed."""

    resource_version: str
    observed_at_s: float


class Step(Enum):
    """What a candidate does next."""

    CREATE = "there is no Lease: create one that is ours"
    ACQUIRE = "nobody holds it, or its holder is gone: make it ours"
    RENEW = "it is ours: renew it"
    WAIT = "somebody else holds it"


def observe(lease: Object | None, last: ObservedLease | None, now_s: float) -> ObservedLease | None:
    """Return what to remember of the `lease` that was read: `last` unless it changed since."""
    if lease is None:
        return None
    version = lease["metadata"]["resourceVersion"]
    return last if last is not None and last.resource_version == version else ObservedLease(version, now_s)


def decide(
    lease: Object | None, observed: ObservedLease | None, identity: str, now_s: float, duration_s: float
) -> Step:
    """Return what to do next; `observed` is that of this very `lease`."""
    if lease is None or observed is None:
        return Step.CREATE
    if holder_of(lease) == identity:
        return Step.RENEW
    return Step.ACQUIRE if now_s >= free_at_s(lease, observed, duration_s) else Step.WAIT


def holder_of(lease: Object | None) -> str:
    """Return who holds a Lease by what is stored of it, or held it to the last; empty where nobody does."""
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def free_at_s(lease: Object, observed: ObservedLease, duration_s: float) -> float:
    """Return when on our own clock others may take the Lease; a holder's longer duration is respected."""
    if not holder_of(lease):
        return observed.observed_at_s
    spec = lease.get("spec") or {}
    return observed.observed_at_s + max(duration_s, float(spec.get("leaseDurationSeconds") or 0))


def claimed(lease: Object, identity: str, now: datetime, timing: Timing) -> Object:
    """Return `lease` as ours, renewed at `now`; its resourceVersion stays, so that only one of two claims is stored."""
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
    """Return `lease` without a holder, so that the next leader need not wait; the count of transitions is kept."""
    spec = dict(lease.get("spec") or {})
    return {**lease, "spec": spec | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_time(now)}}


def micro_time(at: datetime) -> str:
    """Return a `MicroTime` of the API: UTC, with six digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
