"""The MetricTemplate resource: a query that checks refer to by name."""

from typing import Literal

from pydantic import Field

from canary.model.references import SecretReference
from canary.model.scalars import Switch
from canary.model.schema import ApiModel, ApiObject

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
