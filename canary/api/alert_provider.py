"""The AlertProvider resource: where alerts go."""

from typing import Literal

from canary.api.references import SecretReference
from canary.api.schema import ApiModel, ApiObject

AlertProviderType = Literal["slack", "msteams", "discord", "rocket", "gchat", "webhook"]
"""Flagger's, and `webhook`, which is ours."""


class AlertProviderSpec(ApiModel):
    type: AlertProviderType
    channel: str = ""
    username: str = ""
    address: str = ""
    proxy: str = ""
    secret_ref: SecretReference | None = None


class AlertProvider(ApiObject):
    spec: AlertProviderSpec
