"""Whom a check asks: the canary's own metrics server or the agent's, or that of a MetricTemplate."""

import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp

from agent.caches import Caches
from agent.elsewhere import NOT_READABLE
from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderError, ProviderRefused
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.known_templates import known_template
from agent.providers.metrics.port import Connection, MetricServer
from agent.providers.metrics.registry import PROVIDERS, Means
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.template_secrets import read_template_secret
from agent.resources import METRIC_TEMPLATES
from canary.api.canary import Canary
from canary.api.metric_template import PROVIDER_FIELDS, MetricTemplate
from canary.api.problems import InvalidObject
from canary.api.query_template import QueryTooLong, TemplateError, UnknownVariable
from canary.api.references import NamespacedReference
from canary.api.shown import shown_url
from canary.rules.references import is_refused_across, without_content
from kube.client import Client
from kube.errors import KubeError

Observe = Callable[[str, float, ProviderError | None], None]
"""Told of each request to a server: its type, the seconds that it took, and what went wrong."""

_T = TypeVar("_T")

_NOT_ACROSS: Final = (
    "templateRef.namespace: found {!r}; allowed: {}, or nothing: references to other namespaces are turned off"
)


class BuiltinSource(NamedTuple):
    """A server of builtin checks; `gateways` are the namespaces whose pods' series count there, none for any."""

    server: Prometheus
    gateways: Collection[str]


@contextmanager
def filling_in(template: MetricTemplate, field: str, *, is_own: bool) -> Iterator[None]:
    """Name the template and the field where a query can't be filled in; of another namespace's tell no more of it.

    Raises:
        ProviderRefused: a query_template.TemplateError was raised in the block.
    """
    name = f"MetricTemplate {template.namespace}/{template.name} {field}"
    try:
        yield
    except TemplateError as error:
        if is_own or isinstance(error, UnknownVariable | QueryTooLong):
            raise ProviderRefused(f"{name}: {error}") from error
        raise ProviderRefused(f"{name}: it can't be filled in; allowed: {error.allowed}") from error


class Sources:
    """The metric servers of all canaries, which are asked over one session, and the agent's own over `own_session`.

    `gateways`: the namespaces whose pods export what the builtin checks count there, empty for any.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        client: Client,
        caches: Caches,
        *,
        metrics_server: str,
        timeout_s: float,
        own_session: aiohttp.ClientSession | None = None,
        gateways: Collection[str] = (),
        observe: Observe | None = None,
        identities: Identities | None = None,
    ) -> None:
        self._gateways = gateways
        self._own_session = own_session or session
        self._means = Means(session, client, identities or Identities(self._own_session))
        self._observe = observe
        self._caches = caches
        self._metrics_server = metrics_server
        self.timeout_s = timeout_s
        """What one request may take."""

    def builtin_source(self, canary: Canary) -> BuiltinSource:
        """Return where the builtin checks of a canary get their values."""
        return BuiltinSource(self.builtin_server(canary), self.gateways_of(canary))

    def builtin_server(self, canary: Canary) -> Prometheus:
        """Return the canary's own server; of one without the agent's, which may be where users' may not."""
        address = canary.spec.metrics_server or self._metrics_server
        session = self._means.session if canary.spec.metrics_server else self._own_session
        connection = Connection(name=shown_url(address.rstrip("/")), address=address, timeout_s=self.timeout_s)
        return Prometheus(Exchange(session, connection), self._means.by_get)

    def gateways_of(self, canary: Canary) -> Collection[str]:
        """Return the namespaces whose series count; of a canary's own server nobody knows the labels."""
        return () if canary.spec.metrics_server else self._gateways

    def template_of(self, canary: Canary, reference: NamespacedReference) -> MetricTemplate:
        """Return what a check refers to.

        Raises:
            ProviderRefused: it may not, or there is no such template, or it can't be read.
        """
        if is_refused_across(canary, reference, self._caches):
            raise ProviderRefused(_NOT_ACROSS.format(reference.namespace, canary.namespace))
        namespace = reference.namespace or canary.namespace
        try:
            return self._template(canary, namespace, reference.name)
        except InvalidObject as error:
            raise ProviderRefused(str(error) if namespace == canary.namespace else without_content(error)) from error

    def _template(self, canary: Canary, namespace: str, name: str) -> MetricTemplate:
        found = self._caches.find(METRIC_TEMPLATES, namespace, name)
        if found is None and self._caches.has(METRIC_TEMPLATES, namespace, name) is None:
            raise ProviderRefused(f"MetricTemplate {namespace}/{name} {NOT_READABLE}")
        if found is None:
            raise ProviderRefused(f"MetricTemplate {namespace}/{name} does not exist")
        return known_template(canary, found, self._caches)

    async def server(self, template: MetricTemplate, name: str = "") -> MetricServer:
        """Return the server of a template; `name` is what its errors call it instead of its address.

        Raises:
            ProviderRefused: it can't be asked, or its Secret is no such one.
            kube.errors.KubeError: its Secret can't be read.
        """
        provider = template.spec.provider
        credentials, secret = await read_template_secret(self._means.client, template)
        address = (provider.address or PROVIDER_FIELDS[provider.type].default_address).rstrip("/")
        connection = Connection(
            name=name or shown_url(address),
            is_known=not name,
            namespace=template.namespace,
            address=address,
            region=provider.region,
            headers=tuple((header, value) for header, values in provider.headers.items() for value in values),
            credentials=credentials,
            secret="" if name else secret,
            is_verified=not provider.insecure_skip_verify,
            timeout_s=self.timeout_s,
        )
        return PROVIDERS[provider.type](self._means, connection)

    async def server_across(self, template: MetricTemplate) -> MetricServer:
        """Return the server of a template of another namespace, of which its errors tell nothing.

        Raises:
            ProviderRefused: it can't be asked, or there is no Secret for it.
        """
        name = f"MetricTemplate {template.namespace}/{template.name}"
        try:
            return await self.server(template, name=f"the server of {name}")
        except (ProviderRefused, KubeError) as error:
            raise ProviderRefused(
                f"{name} spec.provider: found one that can't be asked, or no Secret for it"
            ) from error

    async def observed(self, provider_type: str, asking: Coroutine[Any, Any, _T]) -> _T:
        """Tell how long an answer took, and what came instead of one."""
        observe, started_s = self._observe or _nobody, time.monotonic()
        try:
            found = await asking
        except ProviderError as error:
            observe(provider_type, time.monotonic() - started_s, error)
            raise
        observe(provider_type, time.monotonic() - started_s, None)
        return found


def _nobody(_: str, __: float, ___: ProviderError | None) -> None:
    """Tell nobody."""
