"""The names of a canary's objects. They are Flagger's, so that a cluster taken over keeps its objects.

The functions take plain text, for objects that are not parsed; `Names` has all the names of a parsed canary.

Source: Flagger 1.44, `GetServiceNames` and `GlooRouter.Reconcile`.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from canary.api.canary import Canary  # which derives its own names here

DEFAULT_TARGET_KIND: Final = "Deployment"

_PRIMARY_SUFFIX: Final = "-primary"
_CANARY_SUFFIX: Final = "-canary"

RESERVED_PREFIXES: Final = ("serin.dev/", "flagger.app/")
"""Of labels and annotations that mean something to us; a user's metadata for generated objects has none of them."""

LABEL_MAX_CHARS: Final = 63
"""Of a label's value, of a DNS label such as a Service's name, and of the name of a Service's port."""

OBJECT_NAME_MAX_CHARS: Final = 253
"""Of most objects' names, a Deployment's or an autoscaler's for one."""

_HASH_CHARS: Final = 8

_DERIVED: Final = 1024
"""So many canaries' names are kept: each tick asks for them many times."""


class Side(StrEnum):
    """The two sides of a canary."""

    PRIMARY = "primary"
    CANARY = "canary"


def primary_name(name: str) -> str:
    """Return the name of the primary's copy of a workload, a scaler, a ConfigMap or a Secret."""
    return f"{name}{_PRIMARY_SUFFIX}"


def primary_label_value(value: str) -> str:
    """Return what the label that tells the sides apart has on the primary's pods: `{value}-primary`, if that fits."""
    return f"{bounded(value, LABEL_MAX_CHARS - len(_PRIMARY_SUFFIX))}{_PRIMARY_SUFFIX}"


def bounded(text: str, max_chars: int) -> str:
    """Return a derived name or value as it is where it fits; else its beginning and a hash of all of it.

    The same text gives the same name for ever, and no two texts share one.
    """
    if len(text) <= max_chars:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
    return f"{text[: max_chars - _HASH_CHARS - 1].rstrip('-._')}-{digest}"


def primary_of(name: str) -> str | None:
    """Return what a primary was copied from by its name, None where it is no name of a primary."""
    return name.removesuffix(_PRIMARY_SUFFIX) if name.endswith(_PRIMARY_SUFFIX) else None


def apex_name(service: str, target: str) -> str:
    """Return the name of the service that clients call, and of the RouteTable: `service.name`, or else the target's."""
    return service or target


def service_name(apex: str, side: Side) -> str:
    """Return the name of the Service of one side."""
    return f"{apex}{_PRIMARY_SUFFIX if side is Side.PRIMARY else _CANARY_SUFFIX}"


def service_names(apex: str) -> tuple[str, str, str]:
    """Return the names of all three Services: the apex, the primary's and the canary's."""
    return apex, service_name(apex, Side.PRIMARY), service_name(apex, Side.CANARY)


def upstream_stem(namespace: str, apex: str, side: Side) -> str:
    """Return what the names of one side's Upstreams of all ports begin with."""
    return f"{namespace}-{apex}-{side}upstream-"


def upstream_name(namespace: str, apex: str, side: Side, port: object) -> str:
    """Return the name of one side's Upstream of a port."""
    return f"{upstream_stem(namespace, apex, side)}{port}"


def envoy_clusters(upstream: str, namespace: str, service: str, port: int) -> tuple[str, str]:
    """Return the names that Prometheus may show in `envoy_cluster_name` for an Upstream on a port of a Service.

    The first is the cluster's own name. Gloo 1.19 and newer sets another for the statistics alone where
    `kubeGateway.enabled` is true. Source: Gloo's `UpstreamToClusterName` and `UpstreamToClusterStatsName`; Service and
    Upstream are of one namespace here.
    """
    cluster = f"{upstream}_{namespace}"
    return cluster, f"kube-upstream_{cluster}_{namespace}_{service}_{port}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What all of a canary's objects are named after: its target, the target's kind, and the apex."""

    target: str
    kind: str
    apex: str

    @classmethod
    def of(cls, canary: "Canary") -> Self:
        """Read it from the spec."""
        return cls(canary.spec.target_ref.name, canary.target_kind, canary.apex_name)

    def applied_to(self, canary: "Canary") -> "Canary":
        """Return the canary as it would be if its spec named this; nothing else of it changes."""
        spec = canary.spec
        target = spec.target_ref.model_copy(update={"name": self.target, "kind": self.kind})
        service = spec.service.model_copy(update={"name": self.apex})
        return canary.model_copy(update={"spec": spec.model_copy(update={"target_ref": target, "service": service})})

    @property
    def workload(self) -> str:
        """Return the target as messages name it."""
        return f"{self.kind} {self.target}"

    def has_target_of(self, other: Self) -> bool:
        """Return whether both are about one workload."""
        return (self.target, self.kind) == (other.target, other.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of the objects, all in `namespace`; `primary_scaler` is None for a canary without autoscalerRef."""

    namespace: str
    port: int
    apex: str
    primary_service: str
    canary_service: str
    target: str
    primary_workload: str
    primary_scaler: str | None
    primary_upstream: str
    canary_upstream: str
    route_table: str

    @classmethod
    def of(cls, canary: "Canary") -> Self:
        """Derive all names."""
        spec = canary.spec
        scaler = None if spec.autoscaler_ref is None else spec.autoscaler_ref.name
        return cls._derive(canary.namespace, canary.apex_name, spec.target_ref.name, spec.service.port, scaler)

    @classmethod
    @lru_cache(maxsize=_DERIVED)
    def _derive(cls, namespace: str, apex: str, target: str, port: int, scaler: str | None) -> Self:
        return cls(
            namespace=namespace,
            port=port,
            apex=apex,
            primary_service=service_name(apex, Side.PRIMARY),
            canary_service=service_name(apex, Side.CANARY),
            target=target,
            primary_workload=primary_name(target),
            primary_scaler=None if scaler is None else primary_name(scaler),
            primary_upstream=upstream_name(namespace, apex, Side.PRIMARY, port),
            canary_upstream=upstream_name(namespace, apex, Side.CANARY, port),
            route_table=apex,
        )

    @property
    def services(self) -> tuple[str, str, str]:
        """Return the names of all three Services."""
        return self.apex, self.primary_service, self.canary_service

    def service(self, side: Side) -> str:
        """Return the name of the Service of one side."""
        return self.primary_service if side is Side.PRIMARY else self.canary_service

    def upstream(self, side: Side) -> str:
        """Return the name of the Upstream of one side."""
        return self.primary_upstream if side is Side.PRIMARY else self.canary_upstream

    def upstream_stem(self, side: Side) -> str:
        """Return what the names of one side's Upstreams of all ports begin with."""
        return upstream_stem(self.namespace, self.apex, side)

    def envoy_clusters(self, side: Side) -> tuple[str, str]:
        """Return the names that the Envoy cluster of one side's Upstream may have in Prometheus."""
        return envoy_clusters(self.upstream(side), self.namespace, self.service(side), self.port)
