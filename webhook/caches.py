"""What the webhook keeps of the cluster: as little of each object as an answer needs, because its memory is small."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from canary.rules.cluster import container_port_names
from kube.cache import Cache
from kube.client import Client
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, Object, Resource
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.resources import ALERT_PROVIDERS, CANARIES, METRIC_TEMPLATES, SCALED_OBJECTS, UPSTREAMS

_NAMES: Final = ("name", "namespace", "resourceVersion")
_METADATA: Final = (*_NAMES, "uid", "deletionTimestamp")
_OF_CANARIES: Final = ("provider", "targetRef", "suspend")
_OF_STATUSES: Final = ("phase", "lastPromotedSpec", "lastAppliedSpec")


class Caches:
    """One cache for each watched kind, of one namespace or of all (empty)."""

    def __init__(self, client: Client, namespace: str) -> None:
        def cache(resource: Resource, transform: Any, *, is_optional: bool = False) -> Cache:
            kept = namespace or None
            return Cache(client, resource, namespace=kept, transform=transform, is_optional=is_optional)

        self._namespace = namespace
        self._canaries = cache(CANARIES, slim_canary)
        self._index = CanaryIndex()
        self._canaries.subscribe(self._index.take)
        self._others = [
            *(cache(resource, slim_spec) for resource in (METRIC_TEMPLATES, ALERT_PROVIDERS)),
            *(cache(resource, slim_workload) for resource in (DEPLOYMENTS, DAEMONSETS)),
            cache(HPAS, slim_name),
            # Of other projects, which may be installed later than we are.
            *(cache(resource, slim_name, is_optional=True) for resource in (SCALED_OBJECTS, UPSTREAMS)),
        ]

    def all(self) -> Iterable[Cache]:
        """Return every cache."""
        return [self._canaries, *self._others]

    def context(self, agent: str, *, allows_across: bool = True) -> AdmissionContext:
        """Return what the handlers look at; it follows the caches."""
        lookups = {cache.resource.kind: cache for cache in self.all()}
        return AdmissionContext(
            self._index, lookups, namespace=self._namespace, agent=agent, allows_across=allows_across
        )

    async def run(self) -> None:
        """Follow the cluster until cancelled. One list comes after the other: together they would double our memory."""
        async with asyncio.TaskGroup() as group:
            for cache in self.all():
                group.create_task(cache.run(), name=f"cache {cache.resource.plural}")
                await cache.wait_synced()

    def cold(self) -> str:
        """Return which caches have no list yet, empty when all have one.

        One that went silent since still answers better than no webhook at all, so it is not asked for its age.
        """
        missing = [cache.resource.plural for cache in self.all() if not cache.is_synced]
        return f"no list yet of: {', '.join(missing)}" if missing else ""


def slim_name(obj: Object) -> Object:
    """Keep that the object is there."""
    return _copied({"metadata": _kept(obj["metadata"], _NAMES)})


def slim_workload(obj: Object) -> Object:
    """Keep that the object is there, and the names of its containers' ports."""
    return _copied({"metadata": _kept(obj["metadata"], _NAMES), "portNames": sorted(container_port_names(obj))})


def slim_spec(obj: Object) -> Object:
    """Keep what the user wrote, but for labels and annotations."""
    return _copied({"metadata": _kept(obj["metadata"], _METADATA), "spec": obj.get("spec") or {}})


def slim_canary(obj: Object) -> Object:
    """Keep what a canary claims, and where its run is."""
    spec, status = _mapping(obj.get("spec")), _mapping(obj.get("status"))
    parts = {
        field: kept
        for field, names in (("service", ("name",)), ("autoscalerRef", ("kind", "name")))
        if (kept := _kept(_mapping(spec.get(field)), names))
    }
    return _copied(
        {
            "metadata": _kept(obj["metadata"], _METADATA),
            "spec": _kept(spec, _OF_CANARIES) | parts,
            "status": _kept(status, _OF_STATUSES),
        }
    )


def _kept(holder: Mapping[str, Any], fields: Iterable[str]) -> Object:
    return {field: holder[field] for field in fields if field in holder}


def _copied(slim: Object) -> Object:
    """Copy down to the strings: each that is kept would hold on to the memory of the whole list around it."""
    copied: Object = orjson.loads(orjson.dumps(slim))
    return copied


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
