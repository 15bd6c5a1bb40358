"""The MetricTemplate resource: a query that checks refer to by name."""

from typing import Final, Literal

from pydantic import Field

from canary.api.references import SecretReference
from canary.api.scalars import Switch
from canary.api.schema import ApiModel, ApiObject

MetricProviderType = Literal[
    "prometheus",
    "influxdb",
    "datadog",
    "externalmetrics",
    "stackdriver",
    "cloudwatch",
    "newrelic",
    "graphite",
    "dynatrace",
    "keptn",
    "splunk",
]

PROMETHEUS: Final = "prometheus"
QUERIED_TYPES: tuple[MetricProviderType, ...] = (PROMETHEUS,)
"""The types that this version asks; the checks of the others are valid, and get no answer."""


class MetricProvider(ApiModel):
    type: MetricProviderType
    address: str = ""
    headers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    secret_ref: SecretReference | None = None
    region: str = ""
    insecure_skip_verify: Switch = False


class MetricTemplateSpec(ApiModel):
    provider: MetricProvider
    query: str


class MetricTemplate(ApiObject):
    spec: MetricTemplateSpec
