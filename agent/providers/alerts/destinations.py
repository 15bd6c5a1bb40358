"""From a canary's `analysis.alerts` to the places where its messages go."""

from dataclasses import dataclass
from typing import Protocol

from agent.caches import Caches
from agent.elsewhere import NOT_READABLE
from agent.providers.alerts.port import DEFAULT_CHANNEL, DEFAULT_USERNAME, Destination
from agent.providers.alerts.registry import CHAT_FORMATS
from agent.providers.credentials import read_secret
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.resources import ALERT_PROVIDERS
from agent.settings import Settings
from canary.api.alert_provider import AlertProvider
from canary.api.canary import Canary
from canary.api.problems import InvalidObject, Problem
from canary.rules.references import without_content
from canary.rules.shape import parse_alert_provider
from canary.rules.urls import HTTP_URL, is_http_url
from kube.client import Client
from kube.errors import NotFound, PermanentError, TransientError
from kube.resource import Object
from kube.store import Key


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a message is for: an AlertProvider, or None for the agent's own chat.

    `named_by` is the field that names the provider: `Canary ns/name spec.analysis.alerts[0].providerRef.name`.
    `asked_by` is the canary's namespace.
    """

    provider: Key | None
    named_by: str = ""
    asked_by: str = ""

    @property
    def is_across(self) -> bool:
        """Return whether the provider is another namespace's than the canary's."""
        return self.provider is not None and self.provider.namespace != self.asked_by


class Directory(Protocol):
    """Who gets alerts, and where: `Destinations`, or what stands for it in a test."""

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        """Return who is sent a canary's message of a severity."""

    def type_of(self, recipient: Recipient) -> str:
        """Return the type of a recipient's chat, empty when it is not known."""

    async def find(self, recipient: Recipient) -> Destination:
        """Return where a recipient's messages go.

        Raises:
            ProviderRefused: it is not there, or can't be used as written.
            ProviderUnavailable: the API server could not be asked.
        """


class Destinations:
    """Implements `Directory` on the cluster's AlertProviders; their Secrets are read when a message is sent.

    `own` is the agent's own chat, for canaries without `analysis.alerts`.
    """

    def __init__(self, client: Client, caches: Caches, own: Destination | None) -> None:
        self._client = client
        self._caches = caches
        self._own = own

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        """See `Directory`."""
        alerts = canary.analysis.alerts if canary.analysis else ()
        if not alerts:
            return [Recipient(None, asked_by=canary.namespace)] if self._own is not None else []
        name = f"Canary {canary.namespace}/{canary.name}"
        return [
            Recipient(
                Key(alert.provider_ref.namespace or canary.namespace, alert.provider_ref.name),
                f"{name} {canary.analysis_path}.alerts[{index}].providerRef.name",
                canary.namespace,
            )
            for index, alert in enumerate(alerts)
            if alert.is_for(severity)
        ]

    def type_of(self, recipient: Recipient) -> str:
        """See `Directory`."""
        if recipient.provider is None:
            return self._own.type if self._own is not None else ""
        found = self._cached(recipient.provider) or {}
        return str((found.get("spec") or {}).get("type", ""))

    async def find(self, recipient: Recipient) -> Destination:
        """See `Directory`."""
        if recipient.provider is None:
            assert self._own is not None, "without a chat of its own the agent is no recipient"
            return self._own
        if recipient.is_across and not self._caches.allows_across:
            allowed = f"a name in namespace {recipient.asked_by}: references to other namespaces are turned off"
            raise ProviderRefused(str(Problem(recipient.named_by, "/".join(recipient.provider), allowed)))
        namespace, name = recipient.provider
        found = self._cached(recipient.provider)
        if found is None and self._caches.has(ALERT_PROVIDERS, namespace, name) is None:
            raise ProviderRefused(f"AlertProvider {namespace}/{name} {NOT_READABLE}")
        if found is None:
            allowed = f"the name of an AlertProvider in namespace {namespace}, and there is none of this name"
            raise ProviderRefused(str(Problem(recipient.named_by, name, allowed)))
        try:
            return await self._read(found)
        except InvalidObject as error:
            raise ProviderRefused(without_content(error) if recipient.is_across else str(error)) from error
        except ProviderRefused as error:
            if not recipient.is_across:
                raise
            raise ProviderRefused(f"AlertProvider {namespace}/{name}: it, or its Secret, can't be used") from error

    async def _read(self, obj: Object) -> Destination:
        """Read where an AlertProvider leads.

        Raises:
            InvalidObject, ProviderRefused: it can't be used as written.
            ProviderUnavailable: the API server could not be asked.
        """
        provider = parse_alert_provider(obj)
        name = f"AlertProvider {provider.namespace}/{provider.name}"
        if provider.spec.type not in CHAT_FORMATS:
            raise ProviderRefused(f"{name} {Problem('spec.type', provider.spec.type, ', '.join(CHAT_FORMATS))}")
        address, token = await self._access(provider)
        return Destination(
            name=name,
            namespace=provider.namespace,
            type=provider.spec.type,
            address=address,
            token=token,
            proxy=provider.spec.proxy,
            channel=provider.spec.channel or DEFAULT_CHANNEL,
            username=provider.spec.username or DEFAULT_USERNAME,
        )

    async def _access(self, provider: AlertProvider) -> tuple[str, str]:
        """Return address and token; a secret's address replaces the one in the spec, as in Flagger."""
        reference = provider.spec.secret_ref
        if reference is None:
            return provider.spec.address, ""
        name = f"AlertProvider {provider.namespace}/{provider.name}"
        try:
            secret = await read_secret(self._client, provider.namespace, reference.name)
        except NotFound as error:
            allowed = f"the name of a Secret in namespace {provider.namespace}, and there is none of this name"
            raise ProviderRefused(f"{name} {Problem('spec.secretRef.name', reference.name, allowed)}") from error
        except TransientError as error:
            raise ProviderUnavailable(f"{name} spec.secretRef: {error}") from error
        except PermanentError as error:
            raise ProviderRefused(f"{name} spec.secretRef: {error}") from error
        address = secret.get("address", "")
        if not is_http_url(address):
            found = f"{len(address)} characters that are none" if address else "nothing"
            raise ProviderRefused(
                f"Secret {provider.namespace}/{reference.name} data.address: found {found}; allowed: {HTTP_URL}"
            )
        return address, secret.get("token", "")

    def _cached(self, key: Key) -> Object | None:
        return self._caches.find(ALERT_PROVIDERS, *key)


def own_chat(settings: Settings) -> Destination | None:
    """Return the agent's own chat, for canaries without `analysis.alerts`; None where there is none.

    Teams goes before Slack, as in Flagger 1.44 (`initNotifier` in `cmd/flagger/main.go`).
    """
    if settings.msteams_url:
        return Destination(
            name="--msteams-url", type="msteams", address=settings.msteams_url, proxy=settings.msteams_proxy_url
        )
    if settings.slack_url:
        return Destination(
            name="--slack-url",
            type="slack",
            address=settings.slack_url,
            token=settings.slack_token,
            proxy=settings.slack_proxy_url,
            channel=settings.slack_channel or DEFAULT_CHANNEL,
            username=settings.slack_user or DEFAULT_USERNAME,
        )
    return None
