"""When what became true: a watch of all canaries and of their workloads, with the moments on this machine's clock."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from agent.resources import CANARIES
from benchmarks.scale.objects import NAMESPACE
from kube.client import Client
from kube.errors import KubeError
from kube.resource import DEPLOYMENTS, Object, Resource

_WATCH_S = 3600.0
_LOOK_EVERY_S = 0.1


@dataclass
class Moments:
    """What has been seen of one canary in this run, each the first time, by time.monotonic()."""

    detected_at_s: float = 0.0
    available_at_s: float = 0.0
    weighted_at_s: float = 0.0
    ended_at_s: float = 0.0


@dataclass
class Follower:
    """Follows the canaries; `begin` forgets what was seen of the run before."""

    phases: dict[str, str] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    image: str = ""

    def begin(self, image: str) -> None:
        """From now on all moments are of the run to this image."""
        self.moments, self.image = {}, image

    def counts(self) -> dict[str, int]:
        """Return how many canaries are in each phase."""
        return dict(Counter(self.phases.values()))

    def of(self, name: str) -> Moments:
        """Return what was seen of one canary."""
        return self.moments.setdefault(name, Moments())

    async def until_all_are(self, phase: str, count: int, within_s: float) -> bool:
        """Wait until so many canaries are in a phase; False if they are not in time."""
        return await self.until(lambda: self.counts().get(phase, 0) >= count, within_s)

    async def until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until it is so; False if it is not in time."""
        give_up_at_s = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > give_up_at_s:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        return True

    def take_canary(self, obj: Object) -> None:
        """Take note of a canary's status."""
        status = obj.get("status") or {}
        name, phase = obj["metadata"]["name"], status.get("phase", "")
        self.phases[name] = phase
        if not self.image:
            return
        now_s, seen = time.monotonic(), self.of(name)
        if phase in {"Progressing", "Promoting", "Finalising"} and not seen.detected_at_s:
            seen.detected_at_s = now_s
        if seen.detected_at_s and status.get("canaryWeight") and not seen.weighted_at_s:
            seen.weighted_at_s = now_s
        if seen.detected_at_s and phase in {"Succeeded", "Failed"} and not seen.ended_at_s:
            seen.ended_at_s = now_s

    def take_deployment(self, obj: Object) -> None:
        """Take note of a canary side that is Available with the new image: its own controller says so."""
        name, status = obj["metadata"]["name"], obj.get("status") or {}
        image = obj["spec"]["template"]["spec"]["containers"][0]["image"]
        if not self.image or name.endswith("-primary") or image != self.image:
            return
        is_current = status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
        updated = status.get("updatedReplicas", 0)
        if is_current and updated and status.get("availableReplicas", 0) == updated == status.get("replicas", 0):
            seen = self.of(name)
            seen.available_at_s = seen.available_at_s or time.monotonic()


@asynccontextmanager
async def following(client: Client) -> AsyncIterator[Follower]:
    """Follow canaries and workloads for the length of the block."""
    follower = Follower()
    tasks = [
        asyncio.create_task(_follow(client, CANARIES, follower.take_canary)),
        asyncio.create_task(_follow(client, DEPLOYMENTS, follower.take_deployment)),
    ]
    try:
        yield follower
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(client: Client, resource: Resource, take: Callable[[Object], None]) -> None:
    """Take what there is and what comes; a watch that breaks off is begun again with a list."""
    while True:
        try:
            version = ""
            async with aclosing(client.pages(resource, NAMESPACE)) as pages:
                async for page in pages:
                    version = page.resource_version
                    for obj in page.items:
                        take(obj)
            watch = client.watch(resource, NAMESPACE, resource_version=version, timeout_s=_WATCH_S)
            async with aclosing(watch) as events:
                async for event in events:
                    if event.type in {"ADDED", "MODIFIED"}:
                        take(event.object)
        except KubeError:
            await asyncio.sleep(_LOOK_EVERY_S)
