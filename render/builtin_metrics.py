"""The builtin checks as PromQL on Envoy's own series, for one side's cluster.

Source: the series and the 5xx rule are those of Flagger 1.44's `GlooObserver`. Unlike there, the cluster is named
exactly, by each name that it may have (Flagger's pattern also fits the canary `b-c` in namespace `a` for `c` in `a-b`,
and misses every canary with a `service.name`), and requests are counted, so that a sample tells how many it speaks of.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from canary.api.names import Names, Side

CODE_LABEL: Final = "envoy_response_code"

_NAMESPACE_LABELS: Final = ("kubernetes_namespace", "namespace")


@dataclass(frozen=True, slots=True)
class CodeCountQuery:
    """`text` gives a vector with a count of requests for each response code (CODE_LABEL).

    Without requests it is empty or all zero. Read it with `success_counts`.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ValueQuery:
    """`text` gives a vector with one number, or none (or NaN) when there is no data."""

    text: str


@dataclass(frozen=True, slots=True)
class SuccessCounts:
    """Requests of a window; Prometheus extrapolates, so they need not be whole."""

    good: float
    total: float

    @property
    def rate_percent(self) -> float | None:
        """Return the share of good answers in percent, None without requests."""
        return 100 * self.good / self.total if self.total > 0 else None


def request_success_rate(names: Names, side: Side, window_s: int, gateways: Collection[str] = ()) -> CodeCountQuery:
    """Count the side's requests of the last `window_s` seconds by response code.

    Envoy makes a code's series with the first such response, and `increase` misses what a series is born with: three
    500s and no more would go unseen. So a new series counts in full, provided that this Envoy was scraped before the
    window began. Nothing counts unless the window holds two scrapes: with one, only new series would have a count, and
    the first few errors would look like all there was.
    """
    cluster, window = _cluster(names, side, gateways), f"{window_s}s"
    codes, any_code = f"envoy_cluster_upstream_rq{cluster}", f"envoy_cluster_upstream_rq_total{cluster}"
    born = f"({codes} unless {codes} offset {window}) and ignoring ({CODE_LABEL}) {any_code} offset {window}"
    two_scrapes = f"count_over_time({any_code}[{window}]) > 1"
    counted = f"({born}) or increase({codes}[{window}])"
    return CodeCountQuery(f"sum by ({CODE_LABEL}) (({counted}) and ignoring ({CODE_LABEL}) ({two_scrapes}))")


def success_counts(by_code: Mapping[str, float]) -> SuccessCounts:
    """Sum up a CodeCountQuery's answer, `{"200": 12.0, "503": 1.0}`: all codes but 5xx are good."""
    bad = sum(count for code, count in by_code.items() if code.startswith("5"))
    total = sum(by_code.values())
    return SuccessCounts(total - bad, total)


def request_duration(names: Names, side: Side, window_s: int, gateways: Collection[str] = ()) -> ValueQuery:
    """Return a query for the 99th percentile of the side's response times, in milliseconds."""
    series = f"envoy_cluster_upstream_rq_time_bucket{_cluster(names, side, gateways)}"
    return ValueQuery(f"histogram_quantile(0.99, sum by (le) (rate({series}[{window_s}s])))")


def request_count(names: Names, side: Side, window_s: int, gateways: Collection[str] = ()) -> ValueQuery:
    """Return a query for the requests sent to the side in the last `window_s` seconds, answered or not."""
    return ValueQuery(f"sum(increase(envoy_cluster_upstream_rq_total{_cluster(names, side, gateways)}[{window_s}s]))")


def raw_answers(names: Names, gateways: Collection[str] = ()) -> str:
    """Return a selector of the counters of both sides' answers by response code."""
    return f"envoy_cluster_upstream_rq{_clusters(names, tuple(Side), gateways)}"


def raw_answers_by_class(names: Names, gateways: Collection[str] = ()) -> str:
    """Return a selector of the same by class, 2 to 5: fewer series, where a Prometheus keeps them."""
    return f"envoy_cluster_upstream_rq_xx{_clusters(names, tuple(Side), gateways)}"


def raw_durations(names: Names, bounds_ms: Iterable[float], gateways: Collection[str] = ()) -> str:
    """Return a selector of both sides' histogram of durations: of these buckets, and of all requests.

    Without bounds it is for all buckets. Envoy writes 3600000, and Prometheus 3 stores 500.0 and 3.6e+06 for what it
    has scraped as 500 and 3600000.
    """
    spelt = sorted(
        {re.escape(text) for bound in bounds_ms for text in (f"{bound:.12g}", f"{bound:g}", repr(float(bound)))}
    )
    matchers = [f"le=~{_quoted('|'.join([*spelt, '[+]Inf']))}"] if spelt else []
    return f"envoy_cluster_upstream_rq_time_bucket{_clusters(names, tuple(Side), gateways, *matchers)}"


def _cluster(names: Names, side: Side, gateways: Collection[str]) -> str:
    return _clusters(names, (side,), gateways)


def _clusters(names: Names, sides: Iterable[Side], gateways: Collection[str], *more: str) -> str:
    """Select sides' clusters by exactly the names that Gloo may give them, of gateways in these namespaces; () is any.

    Any pod that is scraped can export these series. Which namespace it is in is told by a label that the scrape
    configuration sets, so no pod can: `kubernetes_namespace` of Flagger's add-on and ours, `namespace` of the
    Prometheus operator. Where neither is set, both are empty. Prometheus anchors the expressions, and no name of a
    Service or a namespace has a character that is special in them.
    """
    clusters = "|".join(name for side in sides for name in names.envoy_clusters(side))
    matchers = [f"envoy_cluster_name=~{_quoted(clusters)}", *more]
    if gateways:
        matchers += [f"{label}=~{_quoted('|'.join(gateways) + '|')}" for label in _NAMESPACE_LABELS]
    return f"{{{','.join(matchers)}}}"


def _quoted(text: str) -> str:
    """Return a PromQL string, out of which no name leads: its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
