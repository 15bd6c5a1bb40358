"""The pods of the Deployments that run Flagger: which of them have a container of it that runs.

A Deployment tells less. It counts no pod that is being terminated, though Flagger works until its container ends; and
it counts one whose image can't be pulled.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from canary.api.image import is_flaggers
from kube.cache import Cache
from kube.client import Client
from kube.label_selector import selector_text
from kube.resource import PODS, Object
from kube.store import Change, Key, key_of

CachePods = Callable[[str, str], Cache]
"""Makes a cache of the pods of a namespace that a label selector selects."""


def cache_pods(client: Client, namespace: str, selector: str) -> Cache:
    """Make a cache of a namespace's pods that a label selector selects."""
    return Cache(client, PODS, namespace=namespace, label_selector=selector)


class FlaggerPods:
    """Follows the pods of Flagger's Deployments in some namespaces, those of one that was deleted as long as they run.

    `follow` starts and ends what is needed for that; until the pods of a Deployment are known its own count decides.
    """

    def __init__(self, deployments: Cache, cache_pods: CachePods, namespaces: Collection[str]) -> None:
        self._cache_pods = cache_pods
        self._namespaces = namespaces
        self._deployments = {
            key_of(found): found
            for found in deployments.items()
            if key_of(found).namespace in namespaces and runs_flagger(found)
        }
        self._pods: dict[Key, Cache] = {}
        self._changed = asyncio.Event()
        deployments.subscribe(self._on_deployment)

    def at_work(self) -> str:
        """Return which Flagger runs, and where; empty when none does."""
        pods = min(
            (key_of(pod) for cache in self._pods.values() for pod in cache.items() if _is_at_work(pod)), default=None
        )
        if pods is not None:
            return f"Pod {'/'.join(pods)}: runs Flagger"
        counted = [key for key, found in self._deployments.items() if not self._knows_pods(key) and _has_pods(found)]
        return f"Deployment {'/'.join(min(counted))}: has pods that run Flagger" if counted else ""

    async def follow(self, on_change: Callable[[], None]) -> None:
        """Follow until cancelled; call `on_change` whenever another Flagger may be at work."""
        tasks: dict[Key, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                for key, deployment in self._deployments.items():
                    if key not in self._pods:
                        self._pods[key] = cache = self._cache_pods(
                            key.namespace, selector_text(deployment["spec"]["selector"])
                        )
                        cache.subscribe(lambda _: self._changed.set())
                        tasks[key] = asyncio.create_task(cache.run(), name=f"pods of {'/'.join(key)}")
                        tasks[key].add_done_callback(lambda _: self._changed.set())
                for key in [*self._pods.keys() - self._deployments.keys()]:
                    if self._knows_pods(key) and not any(map(_is_at_work, self._pods[key].items())):
                        del self._pods[key]
                        await _end(tasks.pop(key))
                on_change()
                await self._changed.wait()
        finally:
            for task in tasks.values():
                await _end(task)

    def _knows_pods(self, key: Key) -> bool:
        return key in self._pods and self._pods[key].is_synced

    def _on_deployment(self, change: Change) -> None:
        if change.key.namespace not in self._namespaces:
            return
        if change.new is not None and runs_flagger(change.new):
            self._deployments[change.key] = change.new
        elif self._deployments.pop(change.key, None) is None:
            return
        self._changed.set()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def runs_flagger(deployment: Object) -> bool:
    """Return whether its pods have an image that is named `flagger`, in whatever registry. Such a one is kept whole."""
    return any(map(_is_flagger, (deployment["spec"]["template"].get("spec") or {}).get("containers") or ()))


def _is_flagger(container: Any) -> bool:
    return is_flaggers(container.get("image") or "")


def _has_pods(deployment: Object) -> bool:
    status = deployment.get("status") or {}
    return bool(status.get("replicas") or status.get("terminatingReplicas"))


def _is_at_work(pod: Object) -> bool:
    """Return whether a container of Flagger runs in it, ready or not, and however long it takes to end."""
    names = {container["name"] for container in pod["spec"].get("containers") or () if _is_flagger(container)}
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(status["name"] in names and "running" in (status.get("state") or {}) for status in statuses)
