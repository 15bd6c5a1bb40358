"""Watching for a Flagger in this cluster: two controllers would undo each other's writes.

Its leader's Lease shows it. Without leader election, which is how its chart installs it, there is no Lease, and its
Deployment shows it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from canary.api.image import parse_image
from kube.cache import Cache
from kube.resource import Object
from kube.store import Change, Key, key_of

FLAGGERS_LEASE: Final = "metadata.name=flagger-leader-election"
"""The field selector of the Lease, in whatever namespace Flagger runs."""

_IMAGE: Final = "flagger"

# client-go's default, for a Lease that says nothing.
_DURATION_S: Final = 15.0


class FlaggerWatch:
    """Follows Flagger's Lease in every namespace, and the Deployments that run Flagger's image.

    `run` calls `on_change` whenever a Flagger comes or goes.

    A Lease is held until its last renewal is older than its duration, by the stamp in it; and for as long after a
    renewal that this process observed, for clocks differ. One whose holder is empty was released.
    """

    def __init__(self, leases: Cache, deployments: Cache, *, now_s: Callable[[], float] = time.time) -> None:
        self._leases = leases
        self._running = {key_of(found) for found in deployments.items() if _runs_flagger(found)}
        self._now_s = now_s
        self._observed_until_s: dict[Key, float] = {}
        self._changed = asyncio.Event()
        deployments.subscribe(self._on_deployment)

    def at_work(self) -> str:
        """Return which Flagger holds its Lease or runs, and where; empty when none does."""
        held = [lease for lease in self._leases.items() if self._held_until_s(lease) > self._now_s()]
        if held:
            metadata, spec = held[0]["metadata"], held[0]["spec"]
            return f"Lease {metadata['namespace']}/{metadata['name']}: held by {spec['holderIdentity']!r}"
        return f"Deployment {'/'.join(min(self._running))}: has pods that run Flagger" if self._running else ""

    async def run(self, on_change: Callable[[], None]) -> None:
        """Watch until cancelled."""
        unsubscribe = self._leases.subscribe(self._on_lease)
        try:
            was_at_work = self.at_work()
            while True:
                await self._until_it_may_have_changed()
                if (now := self.at_work()) != was_at_work:
                    was_at_work = now
                    on_change()
        finally:
            unsubscribe()

    async def _until_it_may_have_changed(self) -> None:
        now_s = self._now_s()
        ends_s = [until_s for lease in self._leases.items() if (until_s := self._held_until_s(lease)) > now_s]
        self._changed.clear()
        try:
            async with asyncio.timeout(min(ends_s) - now_s if ends_s else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _on_lease(self, change: Change) -> None:
        if change.new is None:
            self._observed_until_s.pop(change.key, None)
        elif change.old is not None and _renewed_at(change.old) != _renewed_at(change.new):
            self._observed_until_s[change.key] = self._now_s() + _duration_s(change.new)
        self._changed.set()

    def _on_deployment(self, change: Change) -> None:
        is_running = change.new is not None and _runs_flagger(change.new)
        if is_running == (change.key in self._running):
            return
        self._running ^= {change.key}
        self._changed.set()

    def _held_until_s(self, lease: Object) -> float:
        if not (lease.get("spec") or {}).get("holderIdentity"):
            return 0.0
        renewed = _renewed_at(lease)
        stamped_s = datetime.fromisoformat(renewed).timestamp() + _duration_s(lease) if renewed else 0.0
        key = Key(lease["metadata"]["namespace"], lease["metadata"]["name"])
        return max(stamped_s, self._observed_until_s.get(key, 0.0))


def _runs_flagger(deployment: Object) -> bool:
    """Return whether it has pods of an image that is named `flagger`, in whatever registry."""
    if not (deployment.get("status") or {}).get("replicas"):
        return False
    containers = deployment["spec"]["template"]["spec"].get("containers") or ()
    images = [parse_image(container.get("image") or "") for container in containers]
    return any(image.repository.rpartition("/")[2] == _IMAGE for image in images)


def _renewed_at(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("renewTime") or "")


def _duration_s(lease: Object) -> float:
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or _DURATION_S)
