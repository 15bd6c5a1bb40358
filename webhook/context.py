"""What the handlers may look at: the canaries by target, and which other objects are there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from canary.rules.cluster import Claim, Owner
from kube.resource import Object
from webhook.canary_index import CanaryIndex
from webhook.resources import CANARIES, METRIC_TEMPLATES
from webhook.review import Answer, Request

AGENT: Final = "system:serviceaccount:gloo-system:serin-agent"
"""The user name of Serin's agent, as the shipped manifests install it."""


class Lookup(Protocol):
    """The objects of one kind: `kube.cache.Cache`, or what stands for it in a test."""

    def get(self, namespace: str, name: str) -> Object | None:
        """Return one, or None."""

    def by_namespace(self, namespace: str) -> list[Object]:
        """Return all of a namespace."""


@dataclass(frozen=True, slots=True)
class AdmissionContext:
    """The cluster as the caches have it, a moment old; nothing here waits or writes.

    It is a `canary.rules.references.Cluster`. `canaries` finds them by their target. `lookups` has one entry a kind.
    `namespace` is the one that they are limited to, "" is all. `agent` is the agent's user name. `allows_across`:
    whether canaries may refer to other namespaces than their own.
    """

    canaries: CanaryIndex
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    namespace: str = ""
    agent: str = AGENT
    allows_across: bool = True

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        """Return whether the object is there; None for another kind, or a namespace that isn't kept."""
        lookup = self.lookups.get(kind)
        if lookup is None or self.namespace not in {"", namespace}:
            return None
        return lookup.get(namespace, name) is not None

    def port_names(self, kind: str, namespace: str, name: str) -> Iterable[str] | None:
        """Return the names of a workload's container ports, None where it is not there or not known."""
        lookup = self.lookups.get(kind)
        found = None if lookup is None else lookup.get(namespace, name)
        return None if found is None else found.get("portNames")

    def metric_template(self, namespace: str, name: str) -> Object | None:
        """Return a MetricTemplate with its spec, None where it is not there or not known."""
        lookup = self.lookups.get(METRIC_TEMPLATES.kind)
        return None if lookup is None else lookup.get(namespace, name)

    def claims(self, namespace: str) -> Iterable[Claim]:
        """Return what the canaries of a namespace claim, of every provider."""
        lookup = self.lookups.get(CANARIES.kind)
        canaries = lookup.by_namespace(namespace) if lookup is not None else ()
        return [claim for canary in canaries if (claim := Claim.read(canary)) is not None]

    def owners(self, kind: str, namespace: str, name: str) -> Iterable[Owner]:  # noqa: ARG002  the same for all
        """Return nothing: ownerReferences are not kept here, claims say more before any object is made."""
        return ()


Handler: TypeAlias = Callable[[Request, AdmissionContext], Answer]
"""Answers one entry's requests: at once, without I/O, the same for the same request and context."""
