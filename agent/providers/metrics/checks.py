"""From a canary's metric to a sample: which server is asked what, and how its answer is read."""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.limits.queries import NotAsked, Queries
from agent.providers.errors import ProviderError, ProviderRefused
from agent.providers.metrics.counters import Counters
from agent.providers.metrics.counting import shows_harm
from agent.providers.metrics.port import MetricServer, Question
from agent.providers.metrics.sources import Sources, filling_in
from canary.api.canary import Canary
from canary.api.metric_template import PROMETHEUS, MetricProviderType, MetricTemplate
from canary.api.metrics import SUCCESS_RATE, CanaryMetric
from canary.api.names import Names, Side
from canary.api.problems import InvalidObject
from canary.api.query_template import TemplateError, query_names, render_query
from canary.judgement.spec import keeps_threshold
from canary.run.judge import CheckResult, Sample, counted, judge
from canary.run.state import State
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


class MetricChecks:
    """Asks the metric servers of all canaries, and judges what they answer."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._counters = Counters(sources)
        self._queries = Queries()
        self._timeout_s = sources.timeout_s

    @property
    def waiting(self) -> int:
        """Return how many checks wait until they are asked."""
        return self._queries.waiting

    async def check(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> CheckResult:
        """Ask for one metric and judge the answer; every failure to get one is a result too (ERROR)."""
        target, counts = f"{canary.spec.target_ref.name}.{canary.namespace}", None
        try:
            async with (
                self._queries.of(canary.namespace),
                # From when it is asked. Some servers are asked more than once, and credentials are needed before that.
                asyncio.timeout(_MOST_TIMEOUTS * self._timeout_s),
            ):
                counts = await self._counters.counts(canary, state, metric, now_s)
                sample = await self._sample(canary, state, metric, now_s)
        except (ProviderRefused, TemplateError, InvalidObject, PermanentError) as error:
            sample = Sample(error=str(error), is_refused=True)
        except (ProviderError, NotAsked, KubeError) as error:
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
        return replace(tested, is_final=await shows_harm(canary, state, counts, now_s))

    async def is_drained(self, canary: Canary, side: Side, since_s: float, now_s: float) -> bool | None:
        """Return whether a side got no new request since `since_s`, over two scrapes at least; None if unknown.

        It need not have been so all along: a request that came late is waited for to be past, not for ever.
        """
        window_s = min(int(now_s - since_s), _DRAIN_WINDOW_S)
        if window_s < 1:
            return None
        count = request_count(Names.of(canary), side, window_s, self._sources.gateways_of(canary))
        try:
            async with self._queries.of(canary.namespace):
                asked = Question(text=count.text, interval_s=window_s, now_s=now_s)
                requests = await self._builtin_value(canary, asked)
        except (ProviderError, NotAsked):
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
        template = self._sources.template_of(canary, metric.template_ref)
        names = query_names(canary, _interval(metric, window_s, template.spec.provider.type))
        if template.namespace != canary.namespace:
            return Sample(value=await self._value_across(template, names, metric.template_variables, asked))
        is_promql = template.spec.provider.type == PROMETHEUS
        text = render_query(template.spec.query, names, metric.template_variables, is_promql=is_promql)
        server = await self._sources.server(template)
        return Sample(value=await self._value(template, server, replace(asked, text=text)))

    async def _value_across(
        self, template: MetricTemplate, names: Mapping[str, str], variables: Mapping[str, str], asked: Question
    ) -> float | None:
        """Ask for what a template of another namespace asks for. Of the template and its Secret nothing is told.

        Raises:
            ProviderError: there is no value; the text has no more of the template than its name.
        """
        is_promql = template.spec.provider.type == PROMETHEUS
        with filling_in(template, "spec.query", is_own=False):
            text = render_query(template.spec.query, names, variables, is_trusted=False, is_promql=is_promql)
        server = await self._sources.server_across(template)
        return await self._value(template, server, replace(asked, text=text))

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
        names, gateways, window_s = Names.of(canary), self._sources.gateways_of(canary), int(asked.interval_s)
        if metric.name == SUCCESS_RATE:
            text = request_success_rate(names, Side.CANARY, window_s, gateways).text
            elements = await self._sources.observed(PROMETHEUS, self._sources.builtin_server(canary).query(text))
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
        return await self._sources.observed(PROMETHEUS, self._sources.builtin_server(canary).value(asked))

    async def _value(self, template: MetricTemplate, server: MetricServer, asked: Question) -> float | None:
        return await self._sources.observed(template.spec.provider.type, server.value(asked))


def _interval(metric: CanaryMetric, window_s: int, provider_type: MetricProviderType) -> str:
    return metric.interval_for(provider_type) if window_s >= metric.interval_s else f"{window_s}s"


def _window_s(state: State, metric: CanaryMetric, now_s: float) -> int:
    """Return the metric's interval in whole seconds, but never further back than this revision's first traffic.

    Further back are the run before and its pods: what they did must not count against this revision.
    """
    if state.analysis.started_at_s is None:
        return int(metric.interval_s)
    return min(int(metric.interval_s), int(now_s - state.analysis.started_at_s))
