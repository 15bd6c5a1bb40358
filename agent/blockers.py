"""What blocks a canary: each a reason, and a sentence with object, path, found and allowed."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agent.caches import Caches
from agent.concerns import SCALERS, WORKLOADS
from agent.providers.metrics.needed_secrets import secret_problems
from agent.resources import ALERT_PROVIDERS, CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS
from agent.side_pods import find_side_blockers
from canary.api.canary import Canary
from canary.rules.cluster import Claim, Owner, container_port_names
from canary.rules.references import Stage, check_references
from canary.run.state import Blocker
from kube.resource import Object, Resource

_RESOURCES: Final[Mapping[str, Resource]] = {
    **WORKLOADS,
    **SCALERS,
    **{resource.kind: resource for resource in (ALERT_PROVIDERS, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS)},
}


def find_blockers(canary: Canary, caches: Caches, stage: Stage = Stage.RUN) -> list[Blocker]:
    """Return everything that blocks a canary, or the start of its runs, the most basic first."""
    name = f"Canary {canary.namespace}/{canary.name}"
    problems = [*check_references(canary, CachedCluster(caches), stage)]
    if stage is Stage.START:
        problems += secret_problems(canary, caches)
    found = [Blocker(str(problem.reason), f"{name} {problem}") for problem in problems]
    return [*found, *find_side_blockers(canary, caches)] if stage is Stage.RUN else found


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
