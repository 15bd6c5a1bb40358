"""The MetricTemplate resource: a query that checks refer to by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
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

REGION: Final = re.compile(r"[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
"""What a cloud's region looks like; which there are only the cloud knows."""

PROMETHEUS: Final[MetricProviderType] = "prometheus"
GRAPHITE: Final[MetricProviderType] = "graphite"


class Use(StrEnum):
    """What a type of provider makes of a field."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFields:
    """Which fields of `spec.provider` a type needs.

    `default_address` is asked where none is given. `api` is the path that is put behind the address. `secret_keys` are
    the sets of keys that the Secret may have, of which one must be whole. `own_identity` names what the agent may
    have itself in place of credentials: of the Secret's `identity_key`, or of the whole Secret.
    """

    address: Use = Use.NEEDED
    default_address: str = ""
    api: str = ""
    secret_ref: Use = Use.OPTIONAL
    secret_keys: tuple[tuple[str, ...], ...] = ()
    region: Use = Use.UNUSED
    own_identity: str = ""
    identity_key: str = ""
    takes_websockets: bool = False

    def by_http(self, address: str) -> str:
        """Return an address as it is asked: a ws or wss address of Splunk, which Flagger takes, is one of http, too."""
        return f"http{address[2:]}" if self.takes_websockets and address.startswith(("ws://", "wss://")) else address


# Source of the names of the keys and of the default addresses: Flagger 1.44, `pkg/metrics/providers`.
PROVIDER_FIELDS: Final[Mapping[MetricProviderType, ProviderFields]] = {
    PROMETHEUS: ProviderFields(api="/api/v1/query", secret_keys=(("token",), ("username", "password"))),
    "datadog": ProviderFields(
        address=Use.OPTIONAL,
        default_address="https://api.datadoghq.com",
        api="/api/v1/query",
        secret_ref=Use.NEEDED,
        secret_keys=(("datadog_api_key", "datadog_application_key"),),
    ),
    "newrelic": ProviderFields(
        address=Use.OPTIONAL,
        default_address="https://insights-api.newrelic.com",
        api="/v1/accounts",
        secret_ref=Use.NEEDED,
        secret_keys=(("newrelic_account_id", "newrelic_query_key"),),
    ),
    "graphite": ProviderFields(api="/render", secret_keys=(("username", "password"),)),
    "influxdb": ProviderFields(api="/api/v2/query", secret_keys=(("token", "org"),)),
    "cloudwatch": ProviderFields(
        address=Use.OPTIONAL,
        region=Use.NEEDED,
        secret_keys=(("aws_access_key_id", "aws_secret_access_key"),),
        own_identity="AWS identity",
    ),
    "dynatrace": ProviderFields(
        api="/api/v2/metrics/query", secret_ref=Use.NEEDED, secret_keys=(("dynatrace_token",),)
    ),
    "externalmetrics": ProviderFields(
        address=Use.OPTIONAL, api="/apis/external.metrics.k8s.io/v1beta1", secret_keys=(("token",),)
    ),
    "keptn": ProviderFields(address=Use.UNUSED, secret_ref=Use.UNUSED),
    "splunk": ProviderFields(
        api="/v2/signalflow/execute",
        secret_ref=Use.NEEDED,
        secret_keys=(("sf_token_key",),),
        takes_websockets=True,
    ),
    "stackdriver": ProviderFields(
        address=Use.OPTIONAL,
        default_address="https://monitoring.googleapis.com",
        secret_ref=Use.NEEDED,
        secret_keys=(("project",),),
        own_identity="Google service account",
        identity_key="serviceAccountKey",
    ),
}
"""By `spec.provider.type`: all of Flagger's."""


def named_keys(fields: ProviderFields) -> str:
    """Return the keys of a type's Secret in words: `token, or username and password`."""
    return ", or ".join(" and ".join(keys) for keys in fields.secret_keys)


FRAMING_HEADERS: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "expect", "host", "http2-settings", "keep-alive"),
        *("proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        "upgrade",
    }
)
"""Headers that say where a request ends and what its connection is for. Whoever chooses them can have a server take
the rest of a body for another request. Source: RFC 9110 and RFC 9112."""


class MetricProvider(ApiModel):
    type: MetricProviderType
    address: str = ""
    headers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    secret_ref: SecretReference | None = None
    region: str = ""
    insecure_skip_verify: Switch = False


class EventCounts(ApiModel):
    """Two selectors of counters: `good` events, and all of them (`total`). The agent asks for their raw samples."""

    good: str
    total: str


class MetricTemplateSpec(ApiModel):
    provider: MetricProvider
    query: str
    counts: EventCounts | None = None


class MetricTemplate(ApiObject):
    spec: MetricTemplateSpec
