"""What the agent keeps of the cluster: one list and one watch for each kind, for all canaries together."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Final

from agent.concerns import WORKLOADS, Concerns
from agent.elsewhere import Elsewhere, Reference
from agent.flagger import FLAGGERS_LEASE
from agent.flagger_pods import runs_flagger
from agent.memo import Memo
from agent.outlines import is_generated, outline_of
from agent.providers.metrics.template_secrets import TemplateSecrets
from agent.resources import (
    ALERT_PROVIDERS,
    CANARIES,
    METRIC_TEMPLATES,
    ROUTE_TABLES,
    SCALED_OBJECTS,
    UPSTREAMS,
    VIRTUAL_SERVICES,
)
from agent.revision_detection import keep_written_at
from agent.settings import CONFIG_READS_S, ConfigTracking
from agent.sight import Sight
from agent.status_times import keep_status_times
from agent.tracking.port import CONFIGS, Tracking
from agent.tracking.referenced import Referenced
from agent.tracking.watched import Untracked, Watched
from agent.workload_labels import WorkloadLabels
from canary.api.canary import Canary
from canary.api.names import Identity
from kube.cache import Cache
from kube.client import Client
from kube.errors import Unread
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, LEASES, SECRETS, SERVICES, Object, Resource
from kube.store import Change, Key, key_of
from render.configs import Fingerprints, summary
from render.labels import FLAGGERS_LABELS, LabelSettings

WATCHED: Final = (
    CANARIES,
    METRIC_TEMPLATES,
    ALERT_PROVIDERS,
    DEPLOYMENTS,
    DAEMONSETS,
    HPAS,
    SERVICES,
    ROUTE_TABLES,
    UPSTREAMS,
    VIRTUAL_SERVICES,
    SCALED_OBJECTS,
    LEASES,
)

# Kinds whose CRD a cluster may do without.
_OPTIONAL: Final = frozenset({SCALED_OBJECTS})

# Helm keeps a Secret of up to a megabyte for each release of a chart, and no pod uses any.
_FIELD_SELECTORS: Final = {SECRETS: "type!=helm.sh/release.v1", LEASES: FLAGGERS_LEASE}

# A Flagger works on the whole cluster from wherever it runs, and a VirtualService anywhere may delegate to a table.
# An agent that is limited to a namespace, and may not see those of all, sees those of its own.
_OF_ALL_IF_ALLOWED: Final = frozenset({LEASES, VIRTUAL_SERVICES})

# Bookmarks come about once a minute: silence for longer than that means that this agent sees an old cluster.
_STALE_AFTER_S: Final = 180.0

# A tick waits for it.
_READ_WITHIN_S: Final = 2.0

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Caches:
    """One cache for each watched kind, of one namespace or of all (empty).

    `elsewhere` is what that leaves out, `tracking` what targets are configured by, `template_secrets` what is wrong
    with the credentials of checks, `labelled` the workloads by their labels. `allows_across`: whether canaries may
    refer to objects in other namespaces. `labels` is what objects are rendered by, beside those that are cached.
    `concerns` is what the canaries name: of workloads, Services, Upstreams and autoscalers that none of them names or
    owns, no more than an outline is kept.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        *,
        tracking: ConfigTracking = ConfigTracking.REFERENCED,
        config_reads_s: float = CONFIG_READS_S,
        allows_across: bool = True,
        lends_identity_to: Collection[str] = (),
        labels: LabelSettings = FLAGGERS_LABELS,
    ) -> None:
        self.labels = labels
        self.concerns = Concerns()
        self._memos: dict[Key, Memo] = {}
        self._last_sight: Sight | None = None
        self.elsewhere = Elsewhere(client, namespace, allows_across=allows_across)
        self.template_secrets = TemplateSecrets(client, lends_identity_to=lends_identity_to)
        self.allows_across = allows_across
        self.fingerprints = Fingerprints()
        self.sees_all_namespaces = not namespace
        watched = (*WATCHED, *CONFIGS.values()) if tracking is ConfigTracking.WATCH else WATCHED
        self._caches = {
            resource: Cache(
                client,
                resource,
                namespace=None if resource in _OF_ALL_IF_ALLOWED else namespace or None,
                fallback_namespace=namespace or None if resource in _OF_ALL_IF_ALLOWED else None,
                field_selector=_FIELD_SELECTORS.get(resource, ""),
                transform=_transform(resource, self.fingerprints),
                outline=outline_of(resource),
                is_used=partial(self._is_used, resource),
                is_optional=resource in _OPTIONAL,
            )
            for resource in watched
        }
        for cache in self._caches.values():
            # Before all who look at something because of it.
            cache.subscribe(self._look_anew)
        self._outlined = {resource.plural: self._caches[resource] for resource in watched if outline_of(resource)}
        # Before all others, who may ask at once for what a new Canary names.
        self._caches[CANARIES].subscribe(self._on_canary)
        self.labelled = WorkloadLabels({kind: self._caches[resource] for kind, resource in WORKLOADS.items()})
        self.tracking: Tracking
        match tracking:
            case ConfigTracking.WATCH:
                self.tracking = Watched({kind: self._caches[resource] for kind, resource in CONFIGS.items()})
            case ConfigTracking.REFERENCED:
                self.tracking = Referenced(client, every_s=config_reads_s, fingerprints=self.fingerprints)
            case ConfigTracking.OFF:
                self.tracking = Untracked()

    def of(self, resource: Resource) -> Cache:
        """Return the cache of a watched kind."""
        return self._caches[resource]

    def all(self) -> Iterable[Cache]:
        """Return every cache."""
        return self._caches.values()

    def sight(self, canary: Canary) -> Sight:
        """Return what the caches show of a canary's own objects now. Nobody keeps it beyond the next `await`."""
        last = self._last_sight
        if last is not None and last.canary is canary:
            return last
        key = Key(canary.namespace, canary.name)
        memo = self._memos.get(key)
        if memo is None:
            memo = self._memos[key] = Memo()
        self._last_sight = sight = Sight(self, canary, memo)
        return sight

    def _look_anew(self, _: Change | None = None) -> None:
        self._last_sight = None

    def memo(self, canary: Canary) -> Memo:
        """Return what is kept of a canary's computations, until `forget_memo`."""
        return self.sight(canary).memo

    def forget_memo(self, key: Key) -> None:
        """Drop what is kept of a canary's computations: it rests, or is gone."""
        self._memos.pop(key, None)
        self._look_anew()

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object that may be in a namespace that is not watched; None where it is not there, or not known."""
        if self.elsewhere.is_watched(namespace):
            return self.of(resource).get(namespace, name)
        return self.elsewhere.get(Reference(resource, namespace, name))

    def has(self, resource: Resource, namespace: str, name: str) -> bool | None:
        """Return whether there is such an object, None where that is not known."""
        if self.elsewhere.is_watched(namespace):
            return self.of(resource).has(namespace, name)
        return self.elsewhere.has(Reference(resource, namespace, name))

    async def refresh(self, canary: Canary) -> None:
        """Read what no watch tells of a canary, where that is due."""
        await self.elsewhere.refresh(canary)
        await self.tracking.refresh(canary, self.target(canary), self.primary(canary))

    def read_again_after_s(self, canary: Canary) -> float | None:
        """Return when `refresh` is due again, None where watches tell of every change."""
        waits_s = (self.elsewhere.read_again_after_s(canary), self.tracking.read_again_after_s(canary))
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def target(self, canary: Canary) -> Object | None:
        """Return the target workload; None when there is none, it is being deleted, or its kind can't be one."""
        return self.sight(canary).target

    def primary(self, canary: Canary) -> Object | None:
        """Return the generated primary workload, None when there is none."""
        return self.sight(canary).primary

    def has_target(self, namespace: str, identity: Identity) -> bool:
        """Return whether the target of these names exists."""
        return self.workload(identity.kind, namespace, identity.target) is not None

    def workload(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return a workload; None when there is none, it is being deleted, or there is no such kind."""
        resource = WORKLOADS.get(kind)
        if resource is None:
            return None
        found = self.of(resource).get(namespace, name)
        if found is not None and "deletionTimestamp" in found["metadata"]:
            return None
        # Items of a list carry no kind of their own on every path; renderers need one.
        return found if found is None or "kind" in found else found | {"kind": resource.kind}

    async def follow(self, cache: Cache) -> None:
        """Follow one of the caches until cancelled. The Canaries come first: they say what is used of the others."""
        if cache.resource != CANARIES:
            await self.of(CANARIES).wait_synced()
        await cache.run()

    async def read(self, unread: Unread) -> None:
        """Read what somebody asked for and nobody used so far; see `Cache.read`."""
        if unread.resource is not None and unread.name is not None:
            await self.of(unread.resource).read(unread.namespace or "", unread.name, within_s=_READ_WITHIN_S)

    def _is_used(self, resource: Resource, obj: Object) -> bool:
        if self.concerns.canaries(resource, key_of(obj)) or is_generated(obj):
            return True
        return resource == DEPLOYMENTS and runs_flagger(obj)

    def _on_canary(self, change: Change) -> None:
        for plural, key in self.concerns.take(change):
            if plural in self._outlined:
                self._outlined[plural].release(*key)
        self._look_anew()
        if not self.concerns.has_canaries(change.key.namespace):
            self.labelled.forget(change.key.namespace)

    async def wait_synced(self) -> None:
        """Return once every cache holds its first list."""
        await asyncio.gather(*(cache.wait_synced() for cache in self.all()))

    async def wait_current(self) -> None:
        """Return once no cache waits to be listed again: what is decided then is not about a cluster of long ago."""
        await asyncio.gather(*(cache.wait_current() for cache in self.all()))

    def stale(self) -> str:
        """Return which caches heard nothing for minutes, empty when all is well."""
        silent = [
            cache.resource.plural
            for cache in self.all()
            if not cache.is_synced or cache.last_event_age_s > _STALE_AFTER_S
        ]
        return f"no news from the API server of: {', '.join(silent)}" if silent else ""


def _transform(resource: Resource, fingerprints: Fingerprints) -> Callable[[Object], Object]:
    if resource in CONFIGS.values():
        return partial(summary, fingerprints=fingerprints)
    if resource == ROUTE_TABLES:
        return _slim_table
    return _slim_workload if resource in WORKLOADS.values() else _slim


def _slim_workload(workload: Object) -> Object:
    return _slim(keep_written_at(workload))


def _slim_table(table: Object) -> Object:
    return _slim(keep_status_times(table))


def _slim(obj: Object) -> Object:
    """Drop kubectl's copy of the object: it doubles the size of everything that was applied."""
    annotations: dict[str, Any] = obj["metadata"].get("annotations") or {}
    if _LAST_APPLIED not in annotations:
        return obj
    kept = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**obj, "metadata": {**obj["metadata"], "annotations": kept}}
