"""Services that are called in the course of a run: to be asked, or to be informed."""

from typing import Literal

from pydantic import Field

from canary.api.duration import parse_duration_s
from canary.api.references import NamespacedReference
from canary.api.scalars import Count, Duration, StringMap, Switch
from canary.api.schema import ApiModel

HOOK_TYPES = (
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "rollback",
    "event",
)
DEFAULT_HOOK_TIMEOUT = "10s"

SEVERITIES = ("info", "warn", "error")


class CanaryWebhook(ApiModel):
    name: str
    type: str = ""
    url: str
    timeout: Duration = DEFAULT_HOOK_TIMEOUT
    retries: Count = 0
    metadata: StringMap = Field(default_factory=dict)
    mute_alert: Switch = False
    disable_tls: Switch = Field(default=False, alias="disableTLS")

    @property
    def type_effective(self) -> str:
        """Return one of HOOK_TYPES; an empty type is `rollout`."""
        return self.type or "rollout"

    @property
    def timeout_s(self) -> float:
        """Return the seconds for one answer; absent and 0 are the default, so that each hook has an end."""
        return parse_duration_s(self.timeout or "0") or parse_duration_s(DEFAULT_HOOK_TIMEOUT)


class CanaryAlert(ApiModel):
    name: str
    severity: Literal["", "info", "warn", "error"] = ""
    provider_ref: NamespacedReference

    @property
    def severity_effective(self) -> str:
        """Return one of SEVERITIES; an empty severity is `info`."""
        return self.severity or "info"

    def is_for(self, severity: str) -> bool:
        """Return whether a message of `severity`, one of SEVERITIES, is severe enough."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.severity_effective)
