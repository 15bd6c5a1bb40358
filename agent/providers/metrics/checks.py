"""From a canary's metric to a sample: which server is asked what, and how its answer is read."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp

from agent.caches import Caches
from agent.elsewhere import NOT_READABLE
from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderError, ProviderRefused
from agent.providers.metrics.counting import (
    Counting,
    builtin_counting,
    least_window_s,
    shows_harm,
    template_counting,
    window_of,
    with_role,
)
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, MetricServer, Question
from agent.providers.metrics.registry import PROVIDERS, Means
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.template_secrets import read_template_secret
from agent.providers.web.answers import AnswerTooLong
from agent.providers.web.shares import Shares, ShareUsedUp
from agent.resources import METRIC_TEMPLATES
from canary.api.bounds import MOST_COUNTERS_BYTES, MOST_USERS_COUNTERS_BYTES
from canary.api.canary import Canary
from canary.api.metric_template import PROMETHEUS, PROVIDER_FIELDS, MetricProviderType, MetricTemplate
from canary.api.metrics import SUCCESS_RATE, CanaryMetric
from canary.api.names import Names, Side
from canary.api.problems import InvalidObject
from canary.api.query_template import QueryTooLong, TemplateError, UnknownVariable, query_names, render_query
from canary.api.references import NamespacedReference
from canary.api.shown import shown_url
from canary.judgement.scrapes import Memory
from canary.judgement.series import RawSeries, buckets_in
from canary.judgement.spec import evidence_name, keeps_threshold, plan_of
from canary.rules.references import is_refused_across, without_content
from canary.rules.shape import parse_metric_template
from canary.run.judge import CheckResult, Counts, Sample, counted, judge
from canary.run.state import State
from kube.client import Client
from kube.errors import KubeError, PermanentError
from render.builtin_metrics import CODE_LABEL, request_count, request_duration, request_success_rate, success_counts

_log = logging.getLogger(__name__)

# Two scrapes of a Prometheus at its default of one a minute.
_DRAIN_WINDOW_S: Final = 150

# For `minRequests`: no server is asked for more than a day, and requests that come unevenly are no reason to ask twice.
_LONGEST_LOOK_BACK_S: Final = 86_400
_LOOK_BACK_ALLOWANCE: Final = 1.25

# Of all that one check asks, in times of what one request may take.
_MOST_TIMEOUTS: Final = 5

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
        observe: Observe | None = None,
        identities: Identities | None = None,
    ) -> None:
        self._gateways = gateways
        self._own_session = own_session or session
        self._means = Means(session, client, identities or Identities(self._own_session))
        self._observe = observe
        self._shares = Shares()
        self._caches = caches
        self._metrics_server = metrics_server
        self._timeout_s = timeout_s

    async def check(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> CheckResult:
        """Ask for one metric and judge the answer; every failure to get one is a result too (ERROR)."""
        target, counts = f"{canary.spec.target_ref.name}.{canary.namespace}", None
        try:
            async with (
                self._shares.of(canary.namespace, self._timeout_s),
                # Some servers are asked more than once, and credentials are to be had before that.
                asyncio.timeout(_MOST_TIMEOUTS * self._timeout_s),
            ):
                counts = await self._counts(canary, state, metric, now_s)
                sample = await self._sample(canary, state, metric, now_s)
        except (ProviderRefused, TemplateError, InvalidObject, PermanentError) as error:
            sample = Sample(error=str(error), is_refused=True)
        except (ProviderError, ShareUsedUp, KubeError) as error:
            sample = Sample(error=str(error))
        except TimeoutError:
            sample = Sample(error=f"no answer within {_MOST_TIMEOUTS * self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001  one check's fault must not silence the others: it is an ERROR, and reported
            _log.exception("check %s of %s failed", metric.name, target)
            sample = Sample(error=type(error).__name__)
        result = judge(metric, sample, target)
        if counts is None or metric.evidence is None:
            return result
        tested = counted(metric, result, counts, target, keeps_threshold=keeps_threshold(metric, metric.evidence))
        return replace(tested, is_final=shows_harm(canary, state, counts, now_s))

    async def is_drained(self, canary: Canary, side: Side, since_s: float, now_s: float) -> bool | None:
        """Return whether a side got no new request since `since_s`, over two scrapes at least; None if unknown.

        It need not have been so all along: a request that came late is waited for to be past, not for ever.
        """
        window_s = min(int(now_s - since_s), _DRAIN_WINDOW_S)
        if window_s < 1:
            return None
        count = request_count(Names.of(canary), side, window_s, self._gateways_of(canary))
        try:
            requests = await self._builtin_value(canary, Question(text=count.text, interval_s=window_s, now_s=now_s))
        except ProviderError:
            return None
        return None if requests is None else requests == 0

    async def _sample(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> Sample:
        window_s = _window_s(state, metric, now_s)
        if window_s < 1:
            return Sample()
        since_s = state.analysis.started_at_s or 0.0
        if metric.is_builtin:
            asked = Question(text="", interval_s=window_s, now_s=now_s, since_s=since_s)
            return await self._builtin_sample(canary, metric, asked)
        asked = Question(text="", interval_s=window_s, now_s=now_s, since_s=since_s)
        if metric.template_ref is None:
            names = query_names(canary, _interval(metric, window_s, PROMETHEUS))
            text = render_query(metric.query, names, metric.template_variables)
            return Sample(value=await self._builtin_value(canary, replace(asked, text=text)))
        template = self._template_of(canary, metric.template_ref)
        names = query_names(canary, _interval(metric, window_s, template.spec.provider.type))
        if template.namespace != canary.namespace:
            return Sample(value=await self._value_across(template, names, metric.template_variables, asked))
        is_promql = template.spec.provider.type == PROMETHEUS
        text = render_query(template.spec.query, names, metric.template_variables, is_promql=is_promql)
        server = await self._server(template)
        return Sample(value=await self._value(template, server, replace(asked, text=text)))

    def _template_of(self, canary: Canary, reference: NamespacedReference) -> MetricTemplate:
        """Return what a check refers to.

        Raises:
            ProviderRefused: it may not, or there is no such template, or it can't be read.
        """
        if is_refused_across(canary, reference, self._caches):
            raise ProviderRefused(_NOT_ACROSS.format(reference.namespace, canary.namespace))
        namespace = reference.namespace or canary.namespace
        try:
            return self._template(namespace, reference.name)
        except InvalidObject as error:
            raise ProviderRefused(str(error) if namespace == canary.namespace else without_content(error)) from error

    # What a check that is judged by evidence counts.

    async def _counts(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> Counts | None:
        """Ask for the raw counters of a test; None for a check without one, or with one that can't be made."""
        if metric.evidence is None:
            return None
        name = evidence_name(canary, metric)
        memory = next((test.memory for test in state.analysis.evidence if test.name == name), Memory())
        window_s, most_bytes = window_of(memory, canary, now_s), _most_bytes(canary, metric)
        server, counting = await self._counting(canary, metric, window_s)
        plan = None if counting is None else plan_of(canary, metric, counting.counted.key)
        if counting is None or plan is None:
            return None
        try:
            answer = await self._raw(server, counting, most_bytes)
        except ProviderRefused as error:
            least_s = least_window_s(canary)
            if window_s <= least_s or not isinstance(error.__cause__, AnswerTooLong):
                raise
            # Further back only the primary's bursts are learned from.
            _, shorter = await self._counting(canary, metric, least_s)
            answer = await self._raw(server, shorter or counting, most_bytes)
        if not counting.is_understood(answer):
            return await self._counts_of_all_buckets(canary, metric, name, least_window_s(canary))
        return Counts(name, plan, counting.counted, answer)

    async def _counts_of_all_buckets(
        self, canary: Canary, metric: CanaryMetric, name: str, window_s: int
    ) -> Counts | None:
        """Ask a gateway whose histogram has other buckets than Envoy's own."""
        server, gateways = self._builtin_server(canary), self._gateways_of(canary)
        asked = builtin_counting(canary, metric, window_s, gateways, ())
        answer = () if asked is None else await self._raw(server, asked, _most_bytes(canary, metric))
        counting = builtin_counting(canary, metric, window_s, gateways, buckets_in(answer))
        plan = None if counting is None else plan_of(canary, metric, counting.counted.key)
        return None if counting is None or plan is None else Counts(name, plan, counting.counted, answer)

    async def _counting(
        self, canary: Canary, metric: CanaryMetric, window_s: int
    ) -> tuple[Prometheus, Counting | None]:
        """Return what a test asks, and whom."""
        if metric.template_ref is None:
            found = builtin_counting(canary, metric, window_s, self._gateways_of(canary))
            return self._builtin_server(canary), found
        template = self._template_of(canary, metric.template_ref)
        name, is_own = f"MetricTemplate {template.namespace}/{template.name}", template.namespace == canary.namespace
        server = await self._server_across(template) if not is_own else await self._server(template)
        if template.spec.counts is None or not isinstance(server, Prometheus):
            raise ProviderRefused(
                f"{name} spec.counts: found none; allowed: good and total, two selectors of counters, for evidence is "
                "made of them"
            )
        names = query_names(canary, metric.interval_effective)
        try:
            counting = template_counting(
                template.spec.counts, names, metric.template_variables, window_s, is_trusted=is_own
            )
        except TemplateError as error:
            if is_own or isinstance(error, UnknownVariable | QueryTooLong):
                raise ProviderRefused(f"{name} spec.counts: {error}") from error
            raise ProviderRefused(f"{name} spec.counts: it can't be filled in; allowed: {error.allowed}") from error
        return server, counting

    async def _raw(self, server: Prometheus, counting: Counting, most_bytes: int) -> tuple[RawSeries, ...]:
        answers = [
            with_role(series, role)
            for role, text in counting.queries
            for series in await self._observed(PROMETHEUS, server.raw(text, most_bytes))
        ]
        return tuple(answers)

    async def _value_across(
        self, template: MetricTemplate, names: Mapping[str, str], variables: Mapping[str, str], asked: Question
    ) -> float | None:
        """Ask for what a template of another namespace asks for. Of the template and its Secret nothing is told.

        Raises:
            ProviderError: there is no value; the text has no more of the template than its name.
        """
        name = f"MetricTemplate {template.namespace}/{template.name}"
        try:
            is_promql = template.spec.provider.type == PROMETHEUS
            text = render_query(template.spec.query, names, variables, is_trusted=False, is_promql=is_promql)
        except (UnknownVariable, QueryTooLong) as error:
            raise ProviderRefused(f"{name} spec.query: {error}") from error
        except TemplateError as error:
            raise ProviderRefused(f"{name} spec.query: it can't be filled in; allowed: {error.allowed}") from error
        server = await self._server_across(template)
        return await self._value(template, server, replace(asked, text=text))

    async def _server_across(self, template: MetricTemplate) -> MetricServer:
        name = f"MetricTemplate {template.namespace}/{template.name}"
        try:
            return await self._server(template, name=f"the server of {name}")
        except (ProviderRefused, KubeError) as error:
            raise ProviderRefused(
                f"{name} spec.provider: found one that can't be asked, or no Secret for it"
            ) from error

    async def _builtin_sample(self, canary: Canary, metric: CanaryMetric, asked: Question) -> Sample:
        """Ask about the metric's window; of one with fewer requests than it takes, about the next that has enough.

        It reaches back no further than by the present rate, and than the first traffic: what was long ago must not hide
        what is wrong now. Without a request in the window itself there is nothing to tell.
        """
        sample, needed = await self._builtin_answer(canary, metric, asked), metric.min_requests or 0
        whole_s = min(int(asked.now_s - asked.since_s), _LONGEST_LOOK_BACK_S) if asked.since_s else 0
        window_s = asked.interval_s
        while sample.requests and sample.requests < needed and window_s < whole_s:
            is_first = window_s == asked.interval_s
            by_rate_s = math.ceil(window_s * needed / sample.requests * _LOOK_BACK_ALLOWANCE)
            window_s = min(by_rate_s, whole_s) if is_first else whole_s
            sample = await self._builtin_answer(canary, metric, replace(asked, interval_s=window_s))
        return sample

    async def _builtin_answer(self, canary: Canary, metric: CanaryMetric, asked: Question) -> Sample:
        names, gateways, window_s = Names.of(canary), self._gateways_of(canary), int(asked.interval_s)
        if metric.name == SUCCESS_RATE:
            text = request_success_rate(names, Side.CANARY, window_s, gateways).text
            elements = await self._observed(PROMETHEUS, self._builtin_server(canary).query(text))
            counts = success_counts({element.labels.get(CODE_LABEL, ""): element.value for element in elements})
            return Sample(value=counts.rate_percent, requests=counts.total)
        text = request_duration(names, Side.CANARY, window_s, gateways).text
        value = await self._builtin_value(canary, replace(asked, text=text))
        requests = None
        if metric.min_requests is not None:
            text = request_count(names, Side.CANARY, window_s, gateways).text
            requests = await self._builtin_value(canary, replace(asked, text=text))
        return Sample(value=value, requests=requests)

    async def _builtin_value(self, canary: Canary, asked: Question) -> float | None:
        return await self._observed(PROMETHEUS, self._builtin_server(canary).value(asked))

    async def _value(self, template: MetricTemplate, server: MetricServer, asked: Question) -> float | None:
        return await self._observed(template.spec.provider.type, server.value(asked))

    async def _observed(self, provider_type: str, asking: Coroutine[Any, Any, _T]) -> _T:
        """Tell how long an answer took, and what came instead of one."""
        observe, started_s = self._observe or _nobody, time.monotonic()
        try:
            found = await asking
        except ProviderError as error:
            observe(provider_type, time.monotonic() - started_s, error)
            raise
        observe(provider_type, time.monotonic() - started_s, None)
        return found

    def builtin_source(self, canary: Canary) -> BuiltinSource:
        """Return where the builtin checks of a canary get their values."""
        return BuiltinSource(self._builtin_server(canary), self._gateways_of(canary))

    def _builtin_server(self, canary: Canary) -> Prometheus:
        """Return the canary's own server; of one without the agent's, which may be where users' may not."""
        address = canary.spec.metrics_server or self._metrics_server
        session = self._means.session if canary.spec.metrics_server else self._own_session
        connection = Connection(name=shown_url(address.rstrip("/")), address=address, timeout_s=self._timeout_s)
        return Prometheus(Exchange(session, connection), self._means.by_get)

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

    async def _server(self, template: MetricTemplate, name: str = "") -> MetricServer:
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
            timeout_s=self._timeout_s,
        )
        return PROVIDERS[provider.type](self._means, connection)


def _nobody(_: str, __: float, ___: ProviderError | None) -> None:
    """Tell nobody."""


def _most_bytes(canary: Canary, metric: CanaryMetric) -> int:
    """Return how long an answer with raw samples may be: of a user's server less than of the agent's own."""
    is_users = metric.template_ref is not None or bool(canary.spec.metrics_server)
    return MOST_USERS_COUNTERS_BYTES if is_users else MOST_COUNTERS_BYTES


def _interval(metric: CanaryMetric, window_s: int, provider_type: MetricProviderType) -> str:
    return metric.interval_for(provider_type) if window_s >= metric.interval_s else f"{window_s}s"


def _window_s(state: State, metric: CanaryMetric, now_s: float) -> int:
    """Return the metric's interval in whole seconds, but never further back than this revision's first traffic.

    Further back are the run before and its pods: what they did must not count against this revision.
    """
    if state.analysis.started_at_s is None:
        return int(metric.interval_s)
    return min(int(metric.interval_s), int(now_s - state.analysis.started_at_s))
