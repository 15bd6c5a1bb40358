"""From a canary's metric to a sample: which server is asked what, and how its answer is read."""

import base64
import logging
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import aiohttp

from agent.caches import Caches
from agent.elsewhere import NOT_READABLE
from agent.providers.credentials import read_secret
from agent.providers.errors import ProviderError, ProviderRefused
from agent.providers.metrics.prometheus import Access, Prometheus
from agent.providers.web.answers import AS_IT_IS
from agent.providers.web.shares import Shares, ShareUsedUp
from agent.resources import METRIC_TEMPLATES
from canary.api.canary import Canary
from canary.api.metric_template import MetricProvider, MetricTemplate
from canary.api.metrics import SUCCESS_RATE, CanaryMetric
from canary.api.names import Names, Side
from canary.api.problems import InvalidObject
from canary.api.query_template import QueryTooLong, TemplateError, UnknownVariable, query_names, render_query
from canary.rules.references import is_refused_across, without_content
from canary.rules.shape import parse_metric_template
from canary.run.judge import CheckResult, Sample, judge
from canary.run.state import State
from kube.client import Client
from kube.errors import KubeError
from render.builtin_metrics import CODE_LABEL, request_count, request_duration, request_success_rate, success_counts

_log = logging.getLogger(__name__)

# Two scrapes of a Prometheus at its default of one a minute.
_DRAIN_WINDOW_S: Final = 150

_PROMETHEUS: Final = "prometheus"

_NOT_ACROSS: Final = (
    "templateRef.namespace: found {!r}; allowed: {}, or nothing: references to other namespaces are turned off"
)


class BuiltinSource(NamedTuple):
    """A server of builtin checks; `gateways` are the namespaces whose pods' series count there, none for any."""

    server: Prometheus
    gateways: Collection[str]


class MetricChecks:
    """Asks the metric servers of all canaries over one session, and the agent's own over `own_session`.

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
    ) -> None:
        self._gateways = gateways
        self._session = session
        self._own_session = own_session or session
        self._shares = Shares()
        self._client = client
        self._caches = caches
        self._metrics_server = metrics_server
        self._timeout_s = timeout_s
        self._by_get: set[str] = set()

    async def check(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> CheckResult:
        """Ask for one metric and judge the answer; every failure to get one is a result too (ERROR)."""
        target = f"{canary.spec.target_ref.name}.{canary.namespace}"
        try:
            async with self._shares.of(canary.namespace, self._timeout_s):
                sample = await self._sample(canary, state, metric, now_s)
        except (ProviderError, ShareUsedUp, TemplateError, InvalidObject, KubeError) as error:
            sample = Sample(error=str(error))
        except Exception as error:  # noqa: BLE001  one check's fault must not silence the others: it is an ERROR, and reported
            _log.exception("check %s of %s failed", metric.name, target)
            sample = Sample(error=type(error).__name__)
        return judge(metric, sample, target)

    async def is_drained(self, canary: Canary, side: Side, since_s: float, now_s: float) -> bool | None:
        """Return whether a side got no new request since `since_s`, over two scrapes at least; None if unknown.

        It need not have been so all along: a request that came late is waited for to be past, not for ever.
        """
        window_s = min(int(now_s - since_s), _DRAIN_WINDOW_S)
        if window_s < 1:
            return None
        count = request_count(Names.of(canary), side, window_s, self._gateways_of(canary))
        try:
            requests = await self._builtin_server(canary).value(count.text)
        except ProviderError:
            return None
        return None if requests is None else requests == 0

    async def _sample(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> Sample:
        window_s = _window_s(state, metric, now_s)
        if window_s < 1:
            return Sample()
        if metric.is_builtin:
            return await self._builtin_sample(canary, metric, window_s)
        interval = metric.interval_effective if window_s >= metric.interval_s else f"{window_s}s"
        names = query_names(canary, interval)
        if metric.template_ref is None:
            text = render_query(metric.query, names, metric.template_variables)
            return Sample(value=await self._builtin_server(canary).value(text))
        if is_refused_across(canary, metric.template_ref, self._caches):
            raise ProviderRefused(_NOT_ACROSS.format(metric.template_ref.namespace, canary.namespace))
        namespace = metric.template_ref.namespace or canary.namespace
        try:
            template = self._template(namespace, metric.template_ref.name)
        except InvalidObject as error:
            raise ProviderRefused(str(error) if namespace == canary.namespace else without_content(error)) from error
        if namespace != canary.namespace:
            return Sample(value=await self._value_across(template, names, metric.template_variables))
        server = await self._server(template)
        return Sample(value=await server.value(render_query(template.spec.query, names, metric.template_variables)))

    async def _value_across(
        self, template: MetricTemplate, names: Mapping[str, str], variables: Mapping[str, str]
    ) -> float | None:
        """Ask for what a template of another namespace asks for. Of the template and its Secret nothing is told.

        Raises:
            ProviderError: there is no value; the text has no more of the template than its name.
        """
        name = f"MetricTemplate {template.namespace}/{template.name}"
        try:
            text = render_query(template.spec.query, names, variables, is_trusted=False)
        except (UnknownVariable, QueryTooLong) as error:
            raise ProviderRefused(f"{name} spec.query: {error}") from error
        except TemplateError as error:
            raise ProviderRefused(f"{name} spec.query: it can't be filled in; allowed: {error.allowed}") from error
        try:
            server = await self._server(template, name=f"the server of {name}")
        except (ProviderRefused, KubeError) as error:
            raise ProviderRefused(
                f"{name} spec.provider: found one that can't be asked, or no Secret for it"
            ) from error
        return await server.value(text)

    async def _builtin_sample(self, canary: Canary, metric: CanaryMetric, window_s: int) -> Sample:
        names, server, gateways = Names.of(canary), self._builtin_server(canary), self._gateways_of(canary)
        if metric.name == SUCCESS_RATE:
            elements = await server.query(request_success_rate(names, Side.CANARY, window_s, gateways).text)
            counts = success_counts({element.labels.get(CODE_LABEL, ""): element.value for element in elements})
            return Sample(value=counts.rate_percent, requests=counts.total)
        value = await server.value(request_duration(names, Side.CANARY, window_s, gateways).text)
        requests = None
        if metric.min_requests is not None:
            requests = await server.value(request_count(names, Side.CANARY, window_s, gateways).text)
        return Sample(value=value, requests=requests)

    def builtin_source(self, canary: Canary) -> BuiltinSource:
        """Return where the builtin checks of a canary get their values."""
        return BuiltinSource(self._builtin_server(canary), self._gateways_of(canary))

    def _builtin_server(self, canary: Canary) -> Prometheus:
        return self._prometheus(canary.spec.metrics_server, Access())

    def _gateways_of(self, canary: Canary) -> Collection[str]:
        """Return the namespaces whose series count; of a canary's own server nobody knows the labels."""
        return () if canary.spec.metrics_server else self._gateways

    def _template(self, namespace: str, name: str) -> MetricTemplate:
        found = self._caches.find(METRIC_TEMPLATES, namespace, name)
        if found is None and self._caches.has(METRIC_TEMPLATES, namespace, name) is None:
            raise ProviderRefused(f"MetricTemplate {namespace}/{name} {NOT_READABLE}")
        if found is None:
            raise ProviderRefused(f"MetricTemplate {namespace}/{name} does not exist")
        return parse_metric_template(found)

    async def _server(self, template: MetricTemplate, name: str = "") -> Prometheus:
        """Return the server of a template; `name` is what its errors call it instead of its address."""
        provider = template.spec.provider
        if provider.type != _PROMETHEUS:
            raise ProviderRefused(
                f"MetricTemplate {template.namespace}/{template.name} spec.provider.type: "
                f"found {provider.type!r}; allowed: {_PROMETHEUS}"
            )
        credentials = _authorization(await self._credentials(template.namespace, provider))
        replaced = {name.lower() for name in (*credentials, *AS_IT_IS)}
        headers = [
            (name, value)
            for name, values in provider.headers.items()
            if name.lower() not in replaced
            for value in values
        ]
        access = Access(headers=(*headers, *credentials.items()), is_verified=not provider.insecure_skip_verify)
        return self._prometheus(provider.address, access, name)

    def _prometheus(self, address: str, access: Access, name: str = "") -> Prometheus:
        """Return the server of an address, of none the agent's own, which may be where users' may not."""
        session = self._session if address else self._own_session
        server = address or self._metrics_server
        return Prometheus(session, server, timeout_s=self._timeout_s, access=access, by_get=self._by_get, name=name)

    async def _credentials(self, namespace: str, provider: MetricProvider) -> dict[str, str]:
        if provider.secret_ref is None:
            return {}
        return await read_secret(self._client, namespace, provider.secret_ref.name)


def _window_s(state: State, metric: CanaryMetric, now_s: float) -> int:
    """Return the metric's interval in whole seconds, but never further back than this revision's first traffic.

    Further back are the run before and its pods: what they did must not count against this revision.
    """
    if state.analysis.started_at_s is None:
        return int(metric.interval_s)
    return min(int(metric.interval_s), int(now_s - state.analysis.started_at_s))


def _authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the header for a secret with `token`, or with `username` and `password`. Source: Flagger 1.44."""
    if "token" in credentials:
        return {"Authorization": f"Bearer {credentials['token']}"}
    if "username" in credentials:
        pair = f"{credentials['username']}:{credentials.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
