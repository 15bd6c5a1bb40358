"""What a check that is judged by evidence asks for: the raw samples of counters, and how they are read."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from canary.api.canary import Canary
from canary.api.metric_template import EventCounts
from canary.api.metrics import CanaryMetric
from canary.api.names import Names, Side
from canary.api.query_template import render_query
from canary.judgement.finding import Answer
from canary.judgement.observe import counted_since_s, observe
from canary.judgement.scrapes import Memory, read_counts
from canary.judgement.series import (
    ENVOY_BUCKETS_MS,
    ROLE_LABEL,
    AnswersByCode,
    Clusters,
    Counted,
    GoodOfTotal,
    RawSeries,
    around,
    buckets_in,
    slow_answers,
)
from canary.judgement.spec import is_about_duration, slow_bounds
from canary.run.judge import Counts
from canary.run.state import State
from canary.run.traffic import TOTAL_PERCENT
from render.builtin_metrics import raw_answers, raw_durations

LEAST_WINDOW_S: Final = 120
"""How far back is looked at the least: two scrapes of a Prometheus at its default of one a minute."""


_NAME_BYTES: Final = 8


class Counting(NamedTuple):
    """Queries, each with the label that tells its series from the others', and their reader.

    `buckets_ms`: those that the reader relies on.
    """

    queries: tuple[tuple[str, str], ...]
    counted: Counted
    buckets_ms: frozenset[float] = frozenset()

    def is_understood(self, answer: Sequence[RawSeries]) -> bool:
        """Return whether the answer has what is relied on: without its buckets all requests would seem to be slow."""
        return not answer or self.buckets_ms <= set(buckets_in(answer))


def builtin_counting(
    canary: Canary,
    metric: CanaryMetric,
    window_s: int,
    gateways: Collection[str],
    buckets_ms: Sequence[float] | None = None,
) -> Counting | None:
    """Return what is asked for a built-in check; None for a duration without a limit.

    `buckets_ms`: those of a gateway that has others than Envoy's own, None for these. They are known from an answer for
    all buckets, which is asked for with an empty sequence.
    """
    names = Names.of(canary)
    clusters = Clusters(names.envoy_clusters(Side.CANARY), names.envoy_clusters(Side.PRIMARY))
    if not is_about_duration(metric):
        return Counting((("", raw_answers(names, window_s, gateways)),), AnswersByCode(clusters))
    if metric.evidence is None:
        return None
    limits_ms = [bound.over for _, bound in slow_bounds(metric, metric.evidence)]
    if not limits_ms:
        return None
    known_ms = ENVOY_BUCKETS_MS if buckets_ms is None else buckets_ms
    needed = {bound for limit in limits_ms for bound in around(limit, known_ms) if 0 < bound < float("inf")}
    query = raw_durations(names, needed if buckets_ms is None else (), window_s, gateways)
    return Counting((("", query),), slow_answers(clusters, limits_ms, known_ms), frozenset(needed))


def template_counting(
    counts: EventCounts, names: Mapping[str, str], variables: Mapping[str, str], window_s: int, *, is_trusted: bool
) -> Counting:
    """Return what is asked for a MetricTemplate with counts: `total` first, see `GoodOfTotal`.

    What names it in the status is a hash: a template of another namespace is nothing for the canary's readers.

    Raises:
        canary.api.query_template.TemplateError: it can't be filled in.
    """
    filled = {
        role: render_query(text, names, variables, is_trusted=is_trusted)
        for role, text in (("total", counts.total), ("good", counts.good))
    }
    queries = tuple((role, f"{text}[{window_s}s]") for role, text in filled.items())
    name = hashlib.blake2s("\n".join(filled.values()).encode(), digest_size=_NAME_BYTES).hexdigest()
    return Counting(queries, GoodOfTotal(f"good of total {name}"))


def least_window_s(canary: Canary) -> int:
    """Return for how long back samples are asked for at the least: over two scrapes, and two looks."""
    return int(max(float(LEAST_WINDOW_S), 2 * canary.interval_s))


def window_of(memory: Memory, canary: Canary, now_s: float) -> int:
    """Return for how long back samples are asked for: as far as they may not have been read."""
    return int(memory.window_s(now_s, LEAST_WINDOW_S if memory.processes else least_window_s(canary)))


def shows_harm(canary: Canary, state: State, counts: Counts, now_s: float) -> bool:
    """Return whether these counts will be found to be harm, so that nothing else is waited for."""
    test = next((test for test in state.analysis.evidence if test.name == counts.name), None)
    known = None if test is None else test.state
    started_at_s = now_s if state.analysis.started_at_s is None else state.analysis.started_at_s
    reading = read_counts(
        Memory() if test is None else test.memory,
        counts.answer,
        counts.counted,
        since_s=counted_since_s(counts.plan, known, started_at_s, now_s),
        tick_s=canary.interval_s,
        others_until_s=None if test is None else test.others_until_s,
    )
    percent = TOTAL_PERCENT if known is None or known.step_percent is None else known.step_percent
    _, finding = observe(counts.plan, known, reading.deltas, percent, now_s)
    return finding.answer is Answer.HARM


def with_role(series: RawSeries, role: str) -> RawSeries:
    """Return the series with the label that tells which query it is of."""
    return RawSeries({**series.labels, ROLE_LABEL: role}, series.points) if role else series
