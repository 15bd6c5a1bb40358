"""Watching for a Flagger in this cluster: two controllers would undo each other's writes.

Its leader's Lease shows it. Without leader election, which is how its chart installs it, there is no Lease, and its
pods show it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.flagger_pods import CachePods, FlaggerPods, runs_flagger
from kube.cache import Cache
from kube.resource import Object
from kube.store import Change, Key

_log = logging.getLogger(__name__)

FLAGGERS_LEASE: Final = "metadata.name=flagger-leader-election"
"""The field selector of the Lease, in whatever namespace Flagger runs."""

# client-go's default, for a Lease that says nothing.
_DURATION_S: Final = 15.0

# Flagger's own is 60 s. Whoever means to work on renews it long before.
_LONGEST_DURATION_S: Final = 300.0

# Namespaces that are told of.
_MOST_WARNINGS: Final = 100


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A renewal by its stamp, and until when it holds by this process's own clock."""

    stamp: str
    holds_until_s: float


class FlaggerWatch:
    """Follows Flagger's Lease, and the pods of the Deployments that run Flagger's image, in the `trusted` namespaces.

    Whoever may write a Lease or a Deployment in some other namespace must not stop everybody's canaries: what looks
    like a Flagger there is logged, once, and is nothing else.

    `run` calls `on_change` whenever a Flagger comes or goes.
    A Lease is held for its duration, five minutes at most, from a renewal that this process observed, for clocks
    differ; from one that was made before, for what its stamp leaves of that: a stamp of the future leaves one duration
    from when it was first seen. One whose holder is empty was released. `now_s` returns seconds since the epoch,
    `clock` monotonic seconds.
    """

    def __init__(
        self,
        leases: Cache,
        deployments: Cache,
        cache_pods: CachePods,
        *,
        trusted: Collection[str],
        now_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._deployments = deployments
        self._trusted = frozenset(trusted)
        self._pods = FlaggerPods(deployments, cache_pods, self._trusted)
        self._distrusted: set[str] = set()
        self._now_s = now_s
        self._clock = clock
        self._renewals: dict[Key, _Renewal] = {}
        self._changed = asyncio.Event()

    def at_work(self) -> str:
        """Return which Flagger holds its Lease or runs, and where; empty when none does."""
        held = [lease for lease in self._trusted_leases() if self._held_until_s(lease) > self._clock()]
        if held:
            metadata, spec = held[0]["metadata"], held[0]["spec"]
            return f"Lease {metadata['namespace']}/{metadata['name']}: held by {spec['holderIdentity']!r}"
        return self._pods.at_work()

    async def run(self, on_change: Callable[[], None]) -> None:
        """Watch until cancelled."""
        unsubscribes = (
            self._leases.subscribe(self._on_lease),
            self._deployments.subscribe(self._on_deployment),
        )
        for lease in self._leases.items():
            self._warn_of_distrusted("Lease", lease)
        for deployment in filter(runs_flagger, self._deployments.items()):
            self._warn_of_distrusted("Deployment", deployment)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pods.follow(self._changed.set), name="pods of Flagger")
                await self._report_changes(on_change)
        finally:
            for unsubscribe in unsubscribes:
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
        ends_s = [until_s for lease in self._trusted_leases() if (until_s := self._held_until_s(lease)) > now_s]
        self._changed.clear()
        try:
            async with asyncio.timeout(min(ends_s) - now_s if ends_s else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _trusted_leases(self) -> list[Object]:
        return [lease for lease in self._leases.items() if lease["metadata"]["namespace"] in self._trusted]

    def _on_deployment(self, change: Change) -> None:
        if change.new is not None and runs_flagger(change.new):
            self._warn_of_distrusted("Deployment", change.new)

    def _warn_of_distrusted(self, kind: str, obj: Object) -> None:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        if namespace in self._trusted or namespace in self._distrusted or len(self._distrusted) >= _MOST_WARNINGS:
            return
        self._distrusted.add(namespace)
        _log.warning(
            "%s %s/%s looks like a Flagger's, and holds nothing up: found namespace %s; allowed: %s. If a Flagger "
            "works there, start the agent with --flagger-namespace=%s",
            *(kind, namespace, name, namespace, ", ".join(sorted(self._trusted)), namespace),
        )

    def _on_lease(self, change: Change) -> None:
        if change.key.namespace not in self._trusted:
            if change.new is not None:
                self._warn_of_distrusted("Lease", change.new)
            return
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
    said_s = (lease.get("spec") or {}).get("leaseDurationSeconds") or _DURATION_S
    return min(float(said_s), _LONGEST_DURATION_S)
