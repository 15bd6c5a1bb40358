"""What blocks a canary: each a reason, and a sentence with object, path, found and allowed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from agent.caches import Caches
from agent.concerns import SCALERS, WORKLOADS
from agent.providers.metrics.needed_secrets import secret_problems
from agent.resources import ALERT_PROVIDERS, CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS
from agent.side_pods import find_side_blockers
from canary.api.canary import Canary
from canary.rules.cluster import Claim, Owner, container_port_names
from canary.rules.references import ReferenceProblem, Stage, check_references
from canary.run.state import Blocker
from kube.resource import Object, Resource

_RESOURCES: Final[Mapping[str, Resource]] = {
    **WORKLOADS,
    **SCALERS,
    **{resource.kind: resource for resource in (ALERT_PROVIDERS, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS)},
}


def find_blockers(canary: Canary, caches: Caches, stage: Stage = Stage.RUN) -> tuple[Blocker, ...]:
    """Return everything that blocks a canary, or the start of its runs, the most basic first."""

    def find() -> tuple[Blocker, ...]:
        found = _blockers(canary, check_references(canary, CachedCluster(caches), stage))
        return tuple(found) if stage is Stage.START else (*found, *find_side_blockers(canary, caches))

    looked_at = _looked_at_to_start if stage is Stage.START else _looked_at
    blockers = caches.memo(canary).of(stage, tuple(looked_at(canary, caches)), find)
    # Looks at Secrets are kept elsewhere; while none has faults, this costs nothing.
    return (*blockers, *_blockers(canary, secret_problems(canary, caches))) if stage is Stage.START else blockers


def _blockers(canary: Canary, problems: Iterable[ReferenceProblem]) -> Iterator[Blocker]:
    name = f"Canary {canary.namespace}/{canary.name}"
    return (Blocker(str(problem.reason), f"{name} {problem}") for problem in problems)


def _looked_at(canary: Canary, caches: Caches) -> Iterator[object]:
    """Name all that the rules of `Stage.RUN` and of the sides look at."""
    sight, cluster = caches.sight(canary), CachedCluster(caches)
    names, namespace = sight.names, sight.namespace
    scaler, upstream = canary.spec.autoscaler_ref, canary.spec.upstream_ref
    yield canary
    yield sight.written_target
    yield sight.written_primary
    yield caches.labelled.version(namespace)
    yield _owner_references(sight.table)
    if scaler is not None and scaler.kind in SCALERS and names.primary_scaler is not None:
        yield cluster.has(scaler.kind, namespace, scaler.name)
        yield _owner_references(caches.find(SCALERS[scaler.kind], namespace, names.primary_scaler))
    if upstream is not None:
        yield cluster.has(UPSTREAMS.kind, upstream.namespace or namespace, upstream.name)


def _looked_at_to_start(canary: Canary, caches: Caches) -> Iterator[object]:
    """Name all that the rules of `Stage.START` look at."""
    yield canary
    for metric in canary.analysis.metrics if canary.analysis is not None else ():
        if metric.template_ref is not None:
            namespace, name = metric.template_ref.namespace or canary.namespace, metric.template_ref.name
            yield caches.has(METRIC_TEMPLATES, namespace, name)
            yield caches.find(METRIC_TEMPLATES, namespace, name)


def _owner_references(obj: Object | None) -> object:
    return None if obj is None else obj["metadata"].get("ownerReferences")


class CachedCluster:
    """The cluster as the agent's caches have it: a `canary.rules.references.Cluster`."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    @property
    def allows_across(self) -> bool:
        """See `Cluster`."""
        return self._caches.allows_across

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        """See `Cluster`. A workload that is being deleted is none that a canary could use."""
        if kind in WORKLOADS:
            return self._get(kind, namespace, name) is not None
        return self._caches.has(_RESOURCES[kind], namespace, name) if kind in _RESOURCES else None

    def port_names(self, kind: str, namespace: str, name: str) -> Iterable[str] | None:
        """See `Cluster`."""
        found = self._get(kind, namespace, name) if kind in WORKLOADS else None
        return None if found is None else container_port_names(found)

    def metric_template(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """See `Cluster`."""
        return self._get(METRIC_TEMPLATES.kind, namespace, name)

    def claims(self, namespace: str) -> Iterable[Claim]:
        """See `Cluster`."""
        canaries = self._caches.of(CANARIES).by_namespace(namespace)
        return [claim for canary in canaries if (claim := Claim.read(canary)) is not None]

    def owners(self, kind: str, namespace: str, name: str) -> Iterable[Owner]:
        """See `Cluster`."""
        references = (self._get(kind, namespace, name) or {}).get("metadata", {}).get("ownerReferences") or ()
        return [
            Owner(reference["name"], reference["uid"])
            for reference in references
            if reference.get("kind") == CANARIES.kind and reference.get("controller")
        ]

    def _get(self, kind: str, namespace: str, name: str) -> Object | None:
        resource = _RESOURCES.get(kind)
        found = None if resource is None else self._caches.find(resource, namespace, name)
        is_going = kind in WORKLOADS and found is not None and "deletionTimestamp" in found["metadata"]
        return None if is_going else found
