"""Reading what a check by evidence counts: the raw samples of counters, of whoever has them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.counting import (
    Counting,
    answers_counting,
    durations_counting,
    least_window_s,
    read,
    template_counting,
    window_of,
    with_role,
)
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.sources import Sources, filling_in
from agent.providers.web.answers import AnswerTooLong
from canary.api.bounds import MOST_COUNTERS_BYTES, MOST_USERS_COUNTERS_BYTES
from canary.api.canary import Canary
from canary.api.metric_template import PROMETHEUS
from canary.api.metrics import CanaryMetric
from canary.api.query_template import query_names
from canary.api.references import NamespacedReference
from canary.judgement.observe import wants_longer_history
from canary.judgement.scrapes import LONG_HISTORY_S, Memory
from canary.judgement.series import RawSeries, buckets_in
from canary.judgement.spec import evidence_name, is_about_duration, plan_of
from canary.run.judge import Counts
from canary.run.state import State


class Counters:
    """Asks for the counters of tests."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def counts(self, canary: Canary, state: State, metric: CanaryMetric, now_s: float) -> Counts | None:
        """Ask for the raw counters of a test; None for a check without one, or with one that can't be made.

        What is too long is asked for in shorter ways: by class, and without what was before the release. Of that only
        the primary's bursts are learned.

        Raises:
            agent.providers.errors.ProviderError: there is no answer, or none that can be read.
            canary.api.problems.InvalidObject: its MetricTemplate is none.
        """
        if metric.evidence is None:
            return None
        server, ways = await self._ways(canary, metric)
        plan = plan_of(canary, metric, ways[0].counted.key) if ways else None
        if plan is None:
            return None
        name, counted = evidence_name(canary, metric), ways[0].counted
        memory = next((test.memory for test in state.analysis.evidence if test.name == name), Memory())
        if not memory.is_of(counted.key, counted.bounds):
            memory = Memory()
        whole_s, least_s = window_of(memory, canary, now_s), least_window_s(canary)
        ask = _Asking(self._sources, server, _most_bytes(canary, metric))
        answer, window_s = await ask.first(ways, sorted({whole_s, min(whole_s, least_s)}, reverse=True))
        if not ways[0].is_understood(answer):
            return await self._counts_of_all_buckets(canary, metric, name, ask)
        counts = Counts(name, plan, counted, answer, lacks_history=window_s < whole_s and not memory.processes)
        return counts if memory.processes else await _with_longer_history(ask, ways, counts, canary, state, now_s)

    async def _counts_of_all_buckets(
        self, canary: Canary, metric: CanaryMetric, name: str, ask: "_Asking"
    ) -> Counts | None:
        """Ask a gateway whose histogram has other buckets than Envoy's own."""
        gateways = self._sources.gateways_of(canary)
        asked = durations_counting(canary, metric, gateways, ())
        answer = () if asked is None else await ask.once(asked, least_window_s(canary))
        counting = durations_counting(canary, metric, gateways, buckets_in(answer))
        plan = None if counting is None else plan_of(canary, metric, counting.counted.key)
        return None if counting is None or plan is None else Counts(name, plan, counting.counted, answer)

    async def _ways(self, canary: Canary, metric: CanaryMetric) -> tuple[Prometheus, tuple[Counting, ...]]:
        """Return whom a test asks, and in which ways it may, none where it has nothing to ask."""
        if metric.template_ref is not None:
            server, counting = await self._of_template(canary, metric, metric.template_ref)
            return server, (counting,)
        server, gateways = self._sources.builtin_server(canary), self._sources.gateways_of(canary)
        if not is_about_duration(metric):
            return server, answers_counting(canary, gateways)
        durations = durations_counting(canary, metric, gateways)
        return server, () if durations is None else (durations,)

    async def _of_template(
        self, canary: Canary, metric: CanaryMetric, reference: NamespacedReference
    ) -> tuple[Prometheus, Counting]:
        template = self._sources.template_of(canary, reference)
        name, is_own = f"MetricTemplate {template.namespace}/{template.name}", template.namespace == canary.namespace
        server = await (self._sources.server(template) if is_own else self._sources.server_across(template))
        if template.spec.counts is None or not isinstance(server, Prometheus):
            raise ProviderRefused(
                f"{name} spec.counts: found none; allowed: good and total, two selectors of counters, for evidence is "
                "made of them"
            )
        names = query_names(canary, metric.interval_effective)
        with filling_in(template, "spec.counts", is_own=is_own):
            return server, template_counting(template.spec.counts, names, metric.template_variables, is_trusted=is_own)


class _Asking(NamedTuple):
    """A server that is asked for samples, in answers of at most so many bytes."""

    sources: Sources
    server: Prometheus
    most_bytes: int

    async def first(self, ways: Sequence[Counting], windows_s: Sequence[int]) -> tuple[tuple[RawSeries, ...], int]:
        """Return the first answer that is not too long, and how far back it goes; the longest is asked for first.

        Raises:
            agent.providers.errors.ProviderRefused: all of them are.
        """
        too_long: ProviderRefused | None = None
        for window_s, way in product(windows_s, ways):
            try:
                answer = await self.once(way, window_s)
            except ProviderRefused as error:
                if not isinstance(error.__cause__, AnswerTooLong):
                    raise
                too_long = error
                continue
            if answer or too_long is None:
                return answer, window_s
        raise too_long or ProviderRefused("nothing to ask for")

    async def once(self, counting: Counting, window_s: int) -> tuple[RawSeries, ...]:
        """Return the samples of so many seconds."""
        answers = [
            with_role(series, role)
            for role, selector in counting.selectors
            for series in await self.sources.observed(
                PROMETHEUS, self.server.raw(f"{selector}[{window_s}s]", self.most_bytes)
            )
        ]
        return tuple(answers)


async def _with_longer_history(
    ask: _Asking, ways: Sequence[Counting], counts: Counts, canary: Canary, state: State, now_s: float
) -> Counts:
    """Return the counts of a first look with more of the time before, where half an hour has too few requests."""
    reading, test = await read(canary, state, counts, now_s)
    if counts.lacks_history or not wants_longer_history(counts.plan, test.state, reading.deltas):
        return counts
    try:
        answer, _ = await ask.first(ways, [int(LONG_HISTORY_S)])
    except ProviderRefused:
        return replace(counts, lacks_history=True)
    return replace(counts, answer=answer, readings=[])


def _most_bytes(canary: Canary, metric: CanaryMetric) -> int:
    """Return how long an answer with raw samples may be: of a user's server less than of the agent's own."""
    is_users = metric.template_ref is not None or bool(canary.spec.metrics_server)
    return MOST_USERS_COUNTERS_BYTES if is_users else MOST_COUNTERS_BYTES
