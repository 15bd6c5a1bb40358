"""The supervisor: one task for each canary, woken by whatever concerns it. A request is a name, nothing else."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from agent.caches import SCALERS, WORKLOADS
from agent.loop import CanaryLoop
from agent.resources import CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS
from agent.revision_detection import is_edit
from agent.services import AgentServices
from agent.side_pods import workloads_sharing_labels
from agent.tracking.port import CONFIGS
from canary.api.names import Side, apex_name, primary_name, service_names, upstream_name
from canary.api.parts import items_of, mapping_of, text_of
from canary.run.status import read_identity
from kube.resource import SERVICES, Object, Resource
from kube.store import Change, Key, key_of
from render.config_refs import ConfigKind, ConfigRef, trackable_refs

_log = logging.getLogger(__name__)

_Concern = tuple[str, Key]

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
    """Starts a loop when a canary appears, ends it when it goes, wakes it when an object that concerns it changes."""

    def __init__(self, services: AgentServices) -> None:
        self._services = services
        self._loops: dict[Key, tuple[CanaryLoop, asyncio.Task[None]]] = {}
        self._concerns: dict[_Concern, set[Key]] = defaultdict(set)

    async def run(self) -> None:
        """Supervise until cancelled; then every loop has ended. The caches must be synced."""
        caches = self._services.caches
        async with asyncio.TaskGroup() as tasks:
            unsubscribes = [
                caches.of(CANARIES).subscribe(lambda change: self._on_canary(tasks, change)),
                *(caches.of(resource).subscribe(partial(self._on_followed, resource)) for resource in _FOLLOWED),
                *(caches.tracking.of(kind).subscribe(partial(self._on_config, kind)) for kind in CONFIGS),
            ]
            try:
                tasks.create_task(self._services.flagger.run(self._wake_all), name="watch of Flagger's Lease")
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

    def _on_canary(self, tasks: asyncio.TaskGroup, change: Change) -> None:
        key = change.key
        self._forget(change)
        if change.new is None:
            known = self._loops.pop(key, None)
            if known is not None:
                known[1].cancel()
            self._services.metrics.canaries.forget(key)
            self._services.caches.tracking.forget_canary(key)
        else:
            for concern in _concerns(change.new):
                self._concerns[concern].add(key)
            if key not in self._loops:
                loop = CanaryLoop(key, self._services)
                self._loops[key] = (loop, tasks.create_task(loop.run(), name=f"canary {'/'.join(key)}"))
            self._loops[key][0].wake()

    def _wake_all(self) -> None:
        for loop, _ in self._loops.values():
            loop.wake()

    def _on_followed(self, resource: Resource, change: Change) -> None:
        for key in self._concerns.get((resource.plural, change.key), ()):
            loop = self._loops[key][0]
            if resource in WORKLOADS.values() and is_edit(change):
                loop.note_target_edit(is_resynced=change.is_listed)
            loop.wake()
        if resource in WORKLOADS.values():
            self._wake_those_sharing_labels(change)

    def _wake_those_sharing_labels(self, change: Change) -> None:
        """Wake the canaries whose pods another workload's labels may now match, or no longer do."""
        for workload in workloads_sharing_labels(change, self._services.caches):
            for key in self._concerns.get((WORKLOADS[workload["kind"]].plural, key_of(workload)), ()):
                self._loops[key][0].wake()

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
            readers = [key for key in of_namespace if ref in self._configured_by(key)]
        for key in readers:
            if key in self._loops:
                self._loops[key][0].wake()

    def _configured_by(self, key: Key) -> Collection[ConfigRef]:
        caches = self._services.caches
        sides = _sides(_names_as_made(caches.of(CANARIES).get(*key) or {})[0])
        workloads = (caches.of(kind).get(key.namespace, name) for kind in WORKLOADS.values() for name in sides)
        return {ref for found in workloads if found for ref in trackable_refs(found["spec"]["template"]["spec"])}

    def _forget(self, change: Change) -> None:
        """Drop what concerned a canary as it was."""
        if change.old is None:
            return
        for concern in _concerns(change.old):
            self._concerns[concern].discard(change.key)
            if not self._concerns[concern]:
                del self._concerns[concern]


def _concerns(obj: Object) -> set[_Concern]:
    """Name the objects whose change wakes a canary, read from its spec as it stands, valid or not. Total.

    Of a canary with edited names, those that were made under the names before as well.
    """
    namespace, spec = obj["metadata"]["namespace"], mapping_of(obj, "spec")
    port = mapping_of(spec, "service").get("port")
    found: set[_Concern] = set()
    for target, apex in {_names(obj), _names_as_made(obj)}:
        found |= {(resource.plural, Key(namespace, name)) for resource in WORKLOADS.values() for name in _sides(target)}
        found |= {(SERVICES.plural, Key(namespace, name)) for name in service_names(apex)}
        found.add((ROUTE_TABLES.plural, Key(namespace, apex)))
        if isinstance(port, int):
            found |= {(UPSTREAMS.plural, Key(namespace, upstream_name(namespace, apex, side, port))) for side in Side}
    scaler = text_of(mapping_of(spec, "autoscalerRef"), "name")
    found |= {(resource.plural, Key(namespace, name)) for resource in SCALERS.values() for name in _sides(scaler)}
    found.add((UPSTREAMS.plural, _referred(mapping_of(spec, "upstreamRef"), namespace)))
    for metric in items_of(mapping_of(spec, "analysis") or mapping_of(spec, "canaryAnalysis"), "metrics"):
        found.add((METRIC_TEMPLATES.plural, _referred(mapping_of(metric, "templateRef"), namespace)))
    return found


def _names(obj: Object) -> tuple[str, str]:
    """Return the names of a canary's target and apex."""
    spec = mapping_of(obj, "spec")
    target = text_of(mapping_of(spec, "targetRef"), "name")
    return target, apex_name(text_of(mapping_of(spec, "service"), "name"), target)


def _names_as_made(obj: Object) -> tuple[str, str]:
    """Return the same names as they were when its objects were made."""
    made = read_identity(mapping_of(obj, "status"))
    return _names(obj) if made is None else (made.target, made.apex)


def _sides(name: str) -> tuple[str, str]:
    return name, primary_name(name)


def _referred(reference: Mapping[str, Any], namespace: str) -> Key:
    return Key(text_of(reference, "namespace") or namespace, text_of(reference, "name"))
