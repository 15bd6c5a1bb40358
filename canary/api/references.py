"""References from a Canary to the objects that it works with."""

from typing import Annotated

from pydantic import Field

from canary.api.scalars import StringMap, Whole
from canary.api.schema import ApiModel

AUTOSCALING_READ_AS_V2 = ("autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2")
AUTOSCALING_V2 = "autoscaling/v2"
"""Kubernetes serves no other version of an HPA since 1.26: for a reference to an older one it is the same object."""


class LocalReference(ApiModel):
    """An object in the canary's own namespace."""

    api_version: str = ""
    kind: str = ""
    name: str


class NamespacedReference(ApiModel):
    """An object in the canary's namespace or, when `namespace` is given, in another one."""

    api_version: str = ""
    kind: str = ""
    name: str
    namespace: str = ""


class SecretReference(ApiModel):
    name: str


class ScalerReplicas(ApiModel):
    """What the primary's autoscaler gets in place of the target's bounds."""

    min_replicas: Annotated[Whole, Field(ge=1)] | None = None
    max_replicas: Annotated[Whole, Field(ge=1)] | None = None


class AutoscalerReference(LocalReference):
    primary_scaler_queries: StringMap = Field(default_factory=dict)
    primary_scaler_replicas: ScalerReplicas | None = None
