"""The supervisor: one task for each canary, woken by whatever concerns it. A request is a name, nothing else."""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from agent.concerns import SCALERS, WORKLOADS, sides_of
from agent.loop import CanaryLoop
from agent.resources import CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS
from agent.revision_detection import is_edit, is_users_new_template
from agent.services import AgentServices
from agent.side_pods import workloads_sharing_labels
from agent.tracking.port import CONFIGS
from kube.errors import Unread
from kube.resource import SERVICES, Resource
from kube.store import Change, Key, key_of
from render.config_refs import ConfigKind, ConfigRef, trackable_refs

_log = logging.getLogger(__name__)

_FOLLOWED: Final = (
    *WORKLOADS.values(),
    *SCALERS.values(),
    SERVICES,
    ROUTE_TABLES,
    UPSTREAMS,
    METRIC_TEMPLATES,
)

# Not followed: VirtualServices. Gloo writes the table's status whenever it writes theirs, and a tick looks at both.


class Supervisor:
    """Starts a loop when a canary appears, ends it when it goes, wakes it when an object that concerns it changes.

    `is_ours` says of which namespaces: the canaries of others are another leader's.
    """

    def __init__(self, services: AgentServices, is_ours: Callable[[str], bool] = lambda _: True) -> None:
        self._services = services
        self._is_ours = is_ours
        self._loops: dict[Key, tuple[CanaryLoop, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Supervise until cancelled; then every loop has ended. The caches must be synced."""
        try:
            await self._supervise()
        finally:
            # Another leads them from here: whoever has them back reads and counts anew.
            for key in self._loops:
                self._forget(key)

    async def _supervise(self) -> None:
        caches = self._services.caches
        async with asyncio.TaskGroup() as tasks:
            unsubscribes = [
                caches.of(CANARIES).subscribe(lambda change: self._on_canary(tasks, change)),
                *(caches.of(resource).subscribe(partial(self._on_followed, resource)) for resource in _FOLLOWED),
                *(caches.tracking.of(kind).subscribe(partial(self._on_config, kind)) for kind in CONFIGS),
            ]
            try:
                for obj in caches.of(CANARIES).items():
                    self._start(tasks, Change(key_of(obj), None, obj))
                await asyncio.Event().wait()
            finally:
                for unsubscribe in unsubscribes:
                    unsubscribe()

    def _start(self, tasks: asyncio.TaskGroup, change: Change) -> None:
        """Start with one canary of the many: whatever is the matter with it, the others are started."""
        try:
            self._on_canary(tasks, change)
        except Exception as error:  # noqa: BLE001  what stands in one object must not keep the agent from the others
            _log.exception("canary %s can't be followed", "/".join(change.key))
            self._services.metrics.count_error(type(error).__name__)

    def wake_all(self) -> None:
        """Wake every canary: what has changed concerns each of them."""
        for loop, _ in self._loops.values():
            loop.wake()

    def wake_one(self, key: Key) -> bool:
        """Wake a canary; return whether it is one of these."""
        if key in self._loops:
            self._loops[key][0].wake()
        return key in self._loops

    def _on_canary(self, tasks: asyncio.TaskGroup, change: Change) -> None:
        key = change.key
        if change.new is None:
            known = self._loops.pop(key, None)
            if known is not None:
                known[1].cancel()
            self._forget(key)
        elif self._is_ours(key.namespace):
            if key not in self._loops:
                loop = CanaryLoop(key, self._services)
                self._loops[key] = (loop, tasks.create_task(loop.run(), name=f"canary {'/'.join(key)}"))
            self._loops[key][0].wake()

    def _forget(self, key: Key) -> None:
        self._services.metrics.canaries.forget(key)
        self._services.caches.tracking.forget_canary(key)
        self._services.caches.forget_memo(key)

    def _on_followed(self, resource: Resource, change: Change) -> None:
        concerned = self._concerned(resource, change.key)
        if concerned and resource in WORKLOADS.values() and is_users_new_template(change):
            self._services.turns.note_users_edit(change.key)
        for loop in concerned:
            if resource in WORKLOADS.values() and is_edit(change):
                loop.note_target_edit(is_resynced=change.is_listed)
            loop.wake()
        if resource in WORKLOADS.values() and self._services.caches.concerns.has_canaries(change.key.namespace):
            self._wake_those_sharing_labels(change)

    def _wake_those_sharing_labels(self, change: Change) -> None:
        """Wake the canaries whose pods another workload's labels may now match, or no longer do."""
        for workload in workloads_sharing_labels(change, self._services.caches):
            for loop in self._concerned(WORKLOADS[workload["kind"]], key_of(workload)):
                loop.wake()

    def _concerned(self, resource: Resource, key: Key) -> list[CanaryLoop]:
        return [
            self._loops[canary][0]
            for canary in self._services.caches.concerns.canaries(resource, key)
            if canary in self._loops
        ]

    def _on_config(self, kind: ConfigKind, change: Change) -> None:
        """Wake the canaries of whose sides one refers to a ConfigMap or Secret that has another content now.

        No canary names what it is configured by, so there is no concern to look up: whoever reads them one by one knows
        for whom.
        """
        before, after = (None if obj is None else obj["content"] for obj in (change.old, change.new))
        if before == after:
            return
        namespace, ref = change.key.namespace, ConfigRef(kind, change.key.name)
        readers = self._services.caches.tracking.readers(namespace, ref)
        if readers is None:
            of_namespace = [key for key in self._loops if key.namespace == namespace]
            readers = [key for key in of_namespace if (refs := self._configured_by(key)) is None or ref in refs]
        for key in readers:
            if key in self._loops:
                self._loops[key][0].wake()

    def _configured_by(self, key: Key) -> Collection[ConfigRef] | None:
        """Return what a canary's two sides refer to, None where that is not known yet."""
        caches = self._services.caches
        sides = sides_of(caches.of(CANARIES).get(*key) or {})
        try:
            workloads = [caches.of(kind).get(key.namespace, name) for kind in WORKLOADS.values() for name in sides]
        except Unread:
            return None
        return {ref for found in workloads if found for ref in trackable_refs(found["spec"]["template"]["spec"])}
