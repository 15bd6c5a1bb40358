"""What a check that is judged by evidence asks for: the raw samples of counters, and how they are read."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from canary.api.canary import Canary
from canary.api.metric_template import EventCounts
from canary.api.metrics import CanaryMetric
from canary.api.names import Names, Side
from canary.api.query_template import render_query
from canary.judgement.finding import Answer
from canary.judgement.observe import observe, times_of
from canary.judgement.scrapes import Memory, Reading
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
from canary.judgement.spec import slow_bounds
from canary.run.evidence import CheckEvidence
from canary.run.judge import Counts
from canary.run.state import State
from canary.run.traffic import TOTAL_PERCENT
from render.builtin_metrics import raw_answers, raw_answers_by_class, raw_durations

LEAST_WINDOW_S: Final = 120
"""How far back is looked at the least: two scrapes of a Prometheus at its default of one a minute."""

_MOST_SAMPLES: Final = 2_000
"""More are read in a thread: so many take the loop of all canaries some milliseconds."""

_NAME_BYTES: Final = 8


class Counting(NamedTuple):
    """Selectors of counters, each with the label that tells its series from the others', and their reader.

    `buckets_ms`: those that the reader relies on.
    """

    selectors: tuple[tuple[str, str], ...]
    counted: Counted
    buckets_ms: frozenset[float] = frozenset()

    def is_understood(self, answer: Sequence[RawSeries]) -> bool:
        """Return whether the answer has what is relied on: without its buckets all requests would seem to be slow."""
        return not answer or self.buckets_ms <= set(buckets_in(answer))


def answers_counting(canary: Canary, gateways: Collection[str]) -> tuple[Counting, Counting]:
    """Return the two ways to ask how requests were answered: by code, as every Prometheus has it, and by class.

    Both count the same of the same processes, so that a test goes on whichever of them was asked.
    """
    names, counted = Names.of(canary), AnswersByCode(_clusters(canary))
    texts = raw_answers(names, gateways), raw_answers_by_class(names, gateways)
    by_code, by_class = (Counting((("", text),), counted) for text in texts)
    return by_code, by_class


def durations_counting(
    canary: Canary, metric: CanaryMetric, gateways: Collection[str], buckets_ms: Sequence[float] | None = None
) -> Counting | None:
    """Return what is asked for a built-in check of durations; None without a limit.

    `buckets_ms`: those of a gateway that has others than Envoy's own, None for these. They are known from an answer for
    all buckets, which is asked for with an empty sequence.
    """
    if metric.evidence is None:
        return None
    limits_ms = [bound.over for _, bound in slow_bounds(metric, metric.evidence)]
    if not limits_ms:
        return None
    known_ms = ENVOY_BUCKETS_MS if buckets_ms is None else buckets_ms
    needed = {bound for limit in limits_ms for bound in around(limit, known_ms) if 0 < bound < float("inf")}
    text = raw_durations(Names.of(canary), needed if buckets_ms is None else (), gateways)
    return Counting((("", text),), slow_answers(_clusters(canary), limits_ms, known_ms), frozenset(needed))


def template_counting(
    counts: EventCounts, names: Mapping[str, str], variables: Mapping[str, str], *, is_trusted: bool
) -> Counting:
    """Return what is asked for a MetricTemplate with counts: `total` first, see `GoodOfTotal`.

    What names it in the status is a hash: a template of another namespace is nothing for the canary's readers.

    Raises:
        canary.api.query_template.TemplateError: it can't be filled in.
    """
    filled = tuple(
        (role, render_query(text, names, variables, is_trusted=is_trusted))
        for role, text in (("total", counts.total), ("good", counts.good))
    )
    text = "\n".join(text for _, text in filled)
    name = hashlib.blake2s(text.encode(), digest_size=_NAME_BYTES).hexdigest()
    return Counting(filled, GoodOfTotal(f"good of total {name}"))


def least_window_s(canary: Canary) -> int:
    """Return for how long back samples are asked for at the least: over two scrapes, and two looks."""
    return int(max(float(LEAST_WINDOW_S), 2 * canary.interval_s))


def window_of(memory: Memory, canary: Canary, now_s: float) -> int:
    """Return for how long back samples are asked for: as far as they may not have been read."""
    return int(memory.window_s(now_s, LEAST_WINDOW_S if memory.processes else least_window_s(canary)))


async def shows_harm(canary: Canary, state: State, counts: Counts, now_s: float) -> bool:
    """Return whether these counts will be found to be harm, so that nothing else is waited for.

    They are read here, and `counts` keeps what that came to for who decides.
    """
    reading, test = await read(canary, state, counts, now_s)
    known = test.state
    percent = TOTAL_PERCENT if known is None or known.step_percent is None else known.step_percent
    _, finding = observe(counts.plan, known, reading.deltas, percent, now_s)
    return finding.answer is Answer.HARM


async def read(canary: Canary, state: State, counts: Counts, now_s: float) -> tuple[Reading, CheckEvidence]:
    """Return what is counted since the last look, and the test as it was then; `counts` keeps the reading."""
    if sum(len(series.points) for series in counts.answer) > _MOST_SAMPLES:
        return await asyncio.to_thread(_read, canary, state, counts, now_s)
    return _read(canary, state, counts, now_s)


def _read(canary: Canary, state: State, counts: Counts, now_s: float) -> tuple[Reading, CheckEvidence]:
    tests = (test for test in state.analysis.evidence if test.name == counts.name)
    test = next(tests, CheckEvidence(name=counts.name))
    started_at_s = now_s if state.analysis.started_at_s is None else state.analysis.started_at_s
    times = times_of(counts.plan, test.state, started_at_s, test.others_until_s, now_s)
    return counts.read(test.memory, times, canary.interval_s), test


def with_role(series: RawSeries, role: str) -> RawSeries:
    """Return the series with the label that tells which query it is of."""
    return RawSeries({**series.labels, ROLE_LABEL: role}, series.points) if role else series


def _clusters(canary: Canary) -> Clusters:
    names = Names.of(canary)
    return Clusters(names.envoy_clusters(Side.CANARY), names.envoy_clusters(Side.PRIMARY))
