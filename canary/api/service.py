"""The Kubernetes services that a canary generates, and how requests to them are treated."""

from pydantic import Field

from canary.api.duration import parse_duration_s
from canary.api.matching import RequestMatch, StringMatch
from canary.api.scalars import Count, Duration, OpenObject, PortNumberOrName, StringMap, Switch, Whole
from canary.api.schema import ApiModel

DEFAULT_PORT_NAME = "http"


class CustomMetadata(ApiModel):
    labels: StringMap = Field(default_factory=dict)
    annotations: StringMap = Field(default_factory=dict)


class UnmanagedMetadata(ApiModel):
    """Keys on the generated services that are left to others."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


class Rewrite(ApiModel):
    uri: str = ""
    authority: str = ""
    type: str = ""


class Retries(ApiModel):
    attempts: Count = 0
    per_try_timeout: Duration = ""
    retry_on: str = ""

    @property
    def per_try_timeout_s(self) -> float | None:
        return parse_duration_s(self.per_try_timeout) if self.per_try_timeout else None


class HeaderOperations(ApiModel):
    set: StringMap = Field(default_factory=dict)
    add: StringMap = Field(default_factory=dict)
    remove: tuple[str, ...] = ()


class Headers(ApiModel):
    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class CorsPolicy(ApiModel):
    allow_origin: tuple[str, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration = ""
    allow_credentials: Switch = False

    @property
    def max_age_s(self) -> float | None:
        return parse_duration_s(self.max_age) if self.max_age else None


class CanaryService(ApiModel):
    name: str = ""
    port: Whole = 0
    port_name: str = ""
    target_port: PortNumberOrName = None
    port_discovery: Switch = False
    app_protocol: str = ""
    traffic_distribution: str = ""
    headless: Switch = False
    apex: CustomMetadata = CustomMetadata()
    primary: CustomMetadata = CustomMetadata()
    canary: CustomMetadata = CustomMetadata()
    unmanaged_metadata: UnmanagedMetadata = UnmanagedMetadata()

    timeout: Duration = ""
    retries: Retries | None = None
    rewrite: Rewrite | None = None
    headers: Headers | None = None
    cors_policy: CorsPolicy | None = None

    # Settings of service meshes and the Gateway API: kept, and warned about, for they mean nothing on Gloo.
    match: tuple[RequestMatch, ...] = ()
    mirror: tuple[OpenObject, ...] = ()
    backend_timeout: str = ""
    hosts: tuple[str, ...] = ()
    delegation: Switch = False
    gateways: tuple[str, ...] = ()
    gateway_refs: tuple[OpenObject, ...] = ()
    traffic_policy: OpenObject = Field(default_factory=dict)
    mesh_name: str = ""
    backends: tuple[str, ...] = ()

    @property
    def port_name_effective(self) -> str:
        return self.port_name or DEFAULT_PORT_NAME

    @property
    def target_port_effective(self) -> int | str:
        """Return the container's port number or name; `port` where none is written (0 and "" count as none)."""
        target_port: int | str | None = self.target_port
        return target_port or self.port

    @property
    def timeout_s(self) -> float | None:
        """Return how long a request may take; None is no limit of ours."""
        return parse_duration_s(self.timeout) if self.timeout else None
