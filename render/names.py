"""The names of a canary's objects. They are Flagger's, so that a cluster taken over keeps its objects.

Source: Flagger 1.44, `GetServiceNames` and `GlooRouter.Reconcile`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from canary.api.canary import Canary
from render.objects import PRIMARY_SUFFIX


class Side(StrEnum):
    """The two sides of a canary."""

    PRIMARY = "primary"
    CANARY = "canary"


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
    def of(cls, canary: Canary) -> Self:
        """Derive all names; the apex is `service.name`, or else the target's name."""
        spec = canary.spec
        apex = canary.apex_name
        scaler = spec.autoscaler_ref
        return cls(
            namespace=canary.namespace,
            port=spec.service.port,
            apex=apex,
            primary_service=f"{apex}{PRIMARY_SUFFIX}",
            canary_service=f"{apex}-canary",
            target=spec.target_ref.name,
            primary_workload=f"{spec.target_ref.name}{PRIMARY_SUFFIX}",
            primary_scaler=None if scaler is None else f"{scaler.name}{PRIMARY_SUFFIX}",
            primary_upstream=f"{_upstream_stem(canary.namespace, apex, Side.PRIMARY)}{spec.service.port}",
            canary_upstream=f"{_upstream_stem(canary.namespace, apex, Side.CANARY)}{spec.service.port}",
            route_table=apex,
        )

    @property
    def services(self) -> tuple[str, str, str]:
        """Name all three Services."""
        return self.apex, self.primary_service, self.canary_service

    def service(self, side: Side) -> str:
        """Name the Service of one side."""
        return self.primary_service if side is Side.PRIMARY else self.canary_service

    def upstream(self, side: Side) -> str:
        """Name the Upstream of one side."""
        return self.primary_upstream if side is Side.PRIMARY else self.canary_upstream

    def upstream_stem(self, side: Side) -> str:
        """Return what the names of one side's Upstreams of all ports begin with."""
        return _upstream_stem(self.namespace, self.apex, side)

    def envoy_cluster(self, side: Side) -> str:
        """Name the Envoy cluster that Gloo makes of one side's Upstream."""
        return envoy_cluster(self.upstream(side), self.namespace)


def _upstream_stem(namespace: str, apex: str, side: Side) -> str:
    return f"{namespace}-{apex}-{side}upstream-"


def envoy_cluster(upstream: str, namespace: str) -> str:
    """Name the Envoy cluster of an Upstream, as Prometheus shows it in `envoy_cluster_name`."""
    return f"{upstream}_{namespace}"
