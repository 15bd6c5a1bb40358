"""Series of a gateway's counters, and what is read of them."""

from collections.abc import Mapping

from canary.judgement.scrapes import Memory, Reading, Times, read_counts
from canary.judgement.series import AnswersByCode, Clusters, Counted, RawSeries

CLUSTERS = Clusters(canary=("c",), primary=("p", "p-old"))
CODES = AnswersByCode(CLUSTERS)
SINCE_S = 100.0


def series(cluster: str, code: str, points: Mapping[float, float], **labels: str) -> RawSeries:
    name = {"__name__": "envoy_cluster_upstream_rq", "envoy_cluster_name": cluster, "envoy_response_code": code}
    return RawSeries(name | {"instance": "10.0.0.1:8081"} | labels, tuple(points.items()))


def read(
    *answer: RawSeries, memory: Memory | None = None, counted: Counted = CODES, since_s: float = SINCE_S
) -> Reading:
    return read_counts(memory or Memory(), answer, counted, Times(since_s), tick_s=10)


def counts(reading: Reading) -> tuple[float, float, float, float]:
    """Failures and requests of the canary, then of the primary."""
    canary, primary = reading.deltas.canary, reading.deltas.primary
    return canary.failures[0].surely, canary.requests, primary.failures[0].surely, primary.requests


PRIMARY = series("p", "200", {90: 1_000, 100: 1_010, 110: 1_020})
