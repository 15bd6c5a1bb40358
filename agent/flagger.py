"""Watching for a Flagger in this cluster: two controllers would undo each other's writes.

Its leader's Lease shows it. Without leader election, which is how its chart installs it, there is no Lease, and its
pods show it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.flagger_pods import CachePods, FlaggerPods
from kube.cache import Cache
from kube.resource import Object
from kube.store import Change, Key

FLAGGERS_LEASE: Final = "metadata.name=flagger-leader-election"
"""The field selector of the Lease, in whatever namespace Flagger runs."""

# client-go's default, for a Lease that says nothing.
_DURATION_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A renewal by its stamp, and until when it holds by this process's own clock."""

    stamp: str
    holds_until_s: float


class FlaggerWatch:
    """Follows Flagger's Lease in every namespace, and the pods of the Deployments that run Flagger's image.

    `run` calls `on_change` whenever a Flagger comes or goes.
    A Lease is held for its duration from a renewal that this process observed, for clocks differ; from one that was
    made before, for what its stamp leaves of that. One whose holder is empty was released. `now_s` returns seconds
    since the epoch, `clock` monotonic seconds.
    """

    def __init__(
        self,
        leases: Cache,
        deployments: Cache,
        cache_pods: CachePods,
        *,
        now_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._pods = FlaggerPods(deployments, cache_pods)
        self._now_s = now_s
        self._clock = clock
        self._renewals: dict[Key, _Renewal] = {}
        self._changed = asyncio.Event()

    def at_work(self) -> str:
        """Return which Flagger holds its Lease or runs, and where; empty when none does."""
        held = [lease for lease in self._leases.items() if self._held_until_s(lease) > self._clock()]
        if held:
            metadata, spec = held[0]["metadata"], held[0]["spec"]
            return f"Lease {metadata['namespace']}/{metadata['name']}: held by {spec['holderIdentity']!r}"
        return self._pods.at_work()

    async def run(self, on_change: Callable[[], None]) -> None:
        """Watch until cancelled."""
        unsubscribe = self._leases.subscribe(self._on_lease)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pods.follow(self._changed.set), name="pods of Flagger")
                await self._report_changes(on_change)
        finally:
            unsubscribe()

    async def _report_changes(self, on_change: Callable[[], None]) -> None:
        was_at_work = self.at_work()
        while True:
            await self._until_it_may_have_changed()
            if (now := self.at_work()) != was_at_work:
                was_at_work = now
                on_change()

    async def _until_it_may_have_changed(self) -> None:
        now_s = self._clock()
        ends_s = [until_s for lease in self._leases.items() if (until_s := self._held_until_s(lease)) > now_s]
        self._changed.clear()
        try:
            async with asyncio.timeout(min(ends_s) - now_s if ends_s else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _on_lease(self, change: Change) -> None:
        if change.new is None:
            self._renewals.pop(change.key, None)
        elif change.old is not None and _renewed_at(change.old) != _renewed_at(change.new):
            until_s = self._clock() + _duration_s(change.new)
            self._renewals[change.key] = _Renewal(_renewed_at(change.new), until_s)
        self._changed.set()

    def _held_until_s(self, lease: Object) -> float:
        """Return until when a Lease is held, by this process's own clock; the past where it is not."""
        stamp = _renewed_at(lease)
        if not (lease.get("spec") or {}).get("holderIdentity") or not stamp:
            return 0.0
        key = Key(lease["metadata"]["namespace"], lease["metadata"]["name"])
        known = self._renewals.get(key)
        if known is None or known.stamp != stamp:
            left_s = datetime.fromisoformat(stamp).timestamp() + _duration_s(lease) - self._now_s()
            known = self._renewals[key] = _Renewal(stamp, self._clock() + min(left_s, _duration_s(lease)))
        return known.holds_until_s


def _renewed_at(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("renewTime") or "")


def _duration_s(lease: Object) -> float:
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or _DURATION_S)
