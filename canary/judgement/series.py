"""What one raw series of an answer counts: of which side, for which process, and as which part of the counts.

Source: the series, labels and default buckets are Envoy's ("Upstream clusters: statistics" and "Histogram bucket
settings" of its documentation); that an answer fails if its code is 5xx is Flagger's rule for Gloo.
"""

import bisect
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from canary.api.names import Side

CODE_LABEL: Final = "envoy_response_code"
CLASS_LABEL: Final = "envoy_response_code_class"
CLUSTER_LABEL: Final = "envoy_cluster_name"
BUCKET_LABEL: Final = "le"
NAME_LABEL: Final = "__name__"

ENVOY_BUCKETS_MS: Final = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
    3_600_000,
)  # fmt: skip

_ENVOYS_OWN: Final = frozenset({NAME_LABEL, CODE_LABEL, CLUSTER_LABEL, BUCKET_LABEL, CLASS_LABEL})

# Labels by which the two of an HA pair of Prometheus tell what each of them has scraped.
_REPLICA_LABELS: Final = ("prometheus_replica", "__replica__", "replica")
_PROCESS_LABELS: Final = ("instance", "pod")
_JOB_LABEL: Final = "job"


class RawSeries(NamedTuple):
    """One series of a query with a range selector: when it was scraped, in seconds, and its value, oldest first."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Part(NamedTuple):
    """What a series is a part of. `process` is who counts; what has one `unit` begins at 0 together when it restarts.

    `adds` tells what each of the series' counts adds: to the requests, and for each bound to the failures, those that
    there surely are, and those that there may be. `target` is what was scraped, and `source` by whom: by which job of
    which Prometheus, as far as that is told. What has one target and another source is the same counted again.
    """

    side: Side
    process: str
    unit: str
    adds: tuple[float, ...]
    target: str
    source: str = ""


class Counted(Protocol):
    """What an answer's series count."""

    @property
    def key(self) -> str:
        """Return a name of what is counted; counts of another name are not continued."""

    @property
    def bounds(self) -> int:
        """Return for how many bounds failures are counted."""

    @property
    def is_of_two(self) -> bool:
        """Return whether failures are what two counters differ by: those are not counted at one moment."""

    def part(self, labels: Mapping[str, str]) -> Part | None:
        """Return what a series is a part of, None where it does not count."""

    def whole(self, answer: Iterable[RawSeries]) -> Iterable[RawSeries]:
        """Return the samples of those scrapes of which all is there."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The names that Envoy may have for each side's cluster."""

    canary: Collection[str]
    primary: Collection[str]

    def side(self, name: str) -> Side | None:
        """Return whose cluster it is."""
        if name in self.canary:
            return Side.CANARY
        return Side.PRIMARY if name in self.primary else None


@dataclass(frozen=True, slots=True)
class AnswersByCode:
    """Counts answers of `envoy_cluster_upstream_rq`: one series a code; 5xx fail.

    Those of `envoy_cluster_upstream_rq_xx`, one a class, are the same answers in fewer series, and add up to the same.
    """

    clusters: Clusters
    key: str = "5xx"
    bounds: int = 1
    is_of_two: bool = False

    def part(self, labels: Mapping[str, str]) -> Part | None:
        """Return what the series of a code, or of a class of them, is a part of."""
        code = labels.get(CODE_LABEL) or labels.get(CLASS_LABEL, "")
        failed = float(code.startswith("5"))
        return _envoys(self.clusters, labels, (1.0, failed, failed)) if code else None

    def whole(self, answer: Iterable[RawSeries]) -> Iterable[RawSeries]:
        """Return the answer: one query has all of a scrape, or nothing."""
        return answer


@dataclass(frozen=True, slots=True)
class SlowAnswers:
    """Counts answers of `envoy_cluster_upstream_rq_time_bucket` that were slower than each of `limits_ms`.

    `between` has for each limit the buckets' bounds on both sides of it, twice the same where it is one. For harm count
    those over the next bound up, for well those over the next one down.
    """

    clusters: Clusters
    limits_ms: tuple[float, ...]
    between: tuple[tuple[float, float], ...]
    is_of_two: bool = False

    @property
    def key(self) -> str:
        """Return a name with the limits and the bounds that they are counted by."""
        return "over " + ", ".join(
            f"{limit:g}" if low == high else f"{limit:g} ({low:g} to {high:g})"
            for limit, (low, high) in zip(self.limits_ms, self.between, strict=True)
        )

    @property
    def bounds(self) -> int:
        """Return the number of limits."""
        return len(self.limits_ms)

    def part(self, labels: Mapping[str, str]) -> Part | None:
        """Return what a bucket is a part of: of all requests that with +Inf; another takes away the faster ones."""
        bucket = _number(labels.get(BUCKET_LABEL, ""))
        if bucket is None:
            return None
        if bucket == float("inf"):
            over = [float(side != bucket) for low, high in self.between for side in (high, low)]
            return _envoys(self.clusters, labels, (1.0, *over))
        adds = [0.0]
        for low, high in self.between:
            adds += [-float(bucket == high), -float(bucket == low)]
        return _envoys(self.clusters, labels, tuple(adds)) if any(adds) else None

    def whole(self, answer: Iterable[RawSeries]) -> Iterable[RawSeries]:
        """Return the answer: one query has all of a scrape, or nothing."""
        return answer


def slow_answers(
    clusters: Clusters, limits_ms: Sequence[float], buckets_ms: Sequence[float] = ENVOY_BUCKETS_MS
) -> SlowAnswers:
    """Return how answers over these limits are counted with these buckets: those of `buckets_in`, or Envoy's own."""
    return SlowAnswers(clusters, tuple(limits_ms), tuple(around(limit, buckets_ms) for limit in limits_ms))


def around(limit_ms: float, buckets_ms: Sequence[float]) -> tuple[float, float]:
    """Return the buckets' bounds on both sides of a limit: 0 under the lowest, infinite over the highest."""
    known = sorted(buckets_ms)
    at = bisect.bisect_left(known, limit_ms)
    if at < len(known) and known[at] == limit_ms:
        return limit_ms, limit_ms
    return (known[at - 1] if at else 0.0), (known[at] if at < len(known) else float("inf"))


def buckets_in(answer: Sequence[RawSeries]) -> tuple[float, ...]:
    """Return the buckets' bounds that the series of an answer have, without +Inf."""
    found = {_number(series.labels.get(BUCKET_LABEL, "")) for series in answer}
    return tuple(sorted(bound for bound in found if bound is not None and bound != float("inf")))


ROLE_LABEL: Final = "serin_role"
"""A label that whoever asks two queries adds to their series: `good` or `total`."""


@dataclass(frozen=True, slots=True)
class GoodOfTotal:
    """Counts with two queries for the canary: `total` for all requests, `good` for those that did not fail.

    `key` is to name the queries. A process is told by its labels `instance`, `pod` and `namespace`. `total` is to be
    asked for first, so that `good` is there for each of its times.
    """

    key: str
    bounds: int = 1
    is_of_two: bool = True

    def part(self, labels: Mapping[str, str]) -> Part | None:
        """Return what a series of one of the queries is a part of."""
        adds = {"total": (1.0, 1.0, 1.0), "good": (0.0, -1.0, -1.0)}.get(labels.get(ROLE_LABEL, ""))
        if adds is None:
            return None
        target, source = _target(labels)
        names = (*_PROCESS_LABELS, "namespace", *(() if target else ("job",)))
        process = _text({name: labels[name] for name in names if name in labels})
        return Part(Side.CANARY, process, "", adds, target or process, source)

    def whole(self, answer: Iterable[RawSeries]) -> Iterable[RawSeries]:
        """Return the samples of times at which both queries have an answer for a process, with all of its series.

        Between two queries there may be a scrape, or they may be answered by two servers: what `total` alone has would
        seem to have failed. A process without any `good` is one that fails all, as far as others' `good` reaches.
        """
        given = list(answer)
        roles: dict[tuple[str, str], dict[str, list[RawSeries]]] = {}
        for series in given:
            if series.points:
                roles.setdefault(self._who(series), {}).setdefault(series.labels.get(ROLE_LABEL, ""), []).append(series)
        good = {who: _times(of_one.get("good", ())) for who, of_one in roles.items()}
        until_s = max((max(times) for times in good.values() if times), default=float("inf"))
        whole = {}
        for who, of_one in roles.items():
            total, has_good = _times(of_one.get("total", ())), bool(of_one.get("good"))
            times = total & good[who] if has_good else {at_s for at_s in total if at_s <= until_s}
            whole[who] = times | _failing_since_restart(of_one.get("total", ()), good[who]) if has_good else times
        for series in given:
            times = whole.get(self._who(series), set())
            yield RawSeries(series.labels, tuple(point for point in series.points if point[0] in times))

    def _who(self, series: RawSeries) -> tuple[str, str]:
        part = self.part(series.labels)
        return ("", "") if part is None else (part.process, part.source)


def _times(of_one: Sequence[RawSeries]) -> set[float]:
    """Return when all series of a process were seen: a sum in which one is missing looks like a restart.

    Where that is so more often than not each has times of its own, and they have no sum at any.
    """
    by_series = [{at_s for at_s, _ in series.points} for series in of_one]
    spans = [(min(times), max(times), times) for times in by_series]
    seen = set().union(*by_series)
    whole = {at_s for at_s in seen if all(at_s in times or not first < at_s < last for first, last, times in spans)}
    return whole if len(whole) * 2 >= len(seen) else set()


def _failing_since_restart(total: Sequence[RawSeries], good: Collection[float]) -> set[float]:
    """Return the times since a process began again, and had no good request since; without the newest of them.

    Whether that one has a good request may not be known yet. Before there were some, which are still in the answer.
    """
    sums: dict[float, float] = {}
    for series in total:
        for at_s, value in series.points:
            sums[at_s] = sums.get(at_s, 0.0) + value
    last_good_s, known = max(good, default=float("-inf")), sorted(_times(total))
    for before_s, at_s in pairwise(known):
        if at_s > last_good_s and sums[at_s] < sums[before_s]:
            return {later_s for later_s in known[:-1] if later_s >= at_s}
    return set()


def _envoys(clusters: Clusters, labels: Mapping[str, str], adds: tuple[float, ...]) -> Part | None:
    cluster = labels.get(CLUSTER_LABEL, "")
    side = clusters.side(cluster)
    if side is None:
        return None
    target, source = _target(labels)
    not_its_own = (*_REPLICA_LABELS, _JOB_LABEL) if target else ()
    process = _text(
        {name: value for name, value in labels.items() if name not in _ENVOYS_OWN and name not in not_its_own}
    )
    return Part(side, process, cluster, adds, target or process, source)


def _target(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return what was scraped, and which job of which Prometheus did; empty texts where that is not told.

    A pod is often scraped twice, by a monitor of its own and by its annotations: then the address is the same.
    """
    if "instance" in labels:
        target = _text({"instance": labels["instance"]})
    elif "pod" in labels:
        target = _text({name: labels[name] for name in ("pod", "namespace") if name in labels})
    else:
        return "", ""
    replica = next((labels[name] for name in _REPLICA_LABELS if name in labels), "")
    return target, f"{replica}\n{labels.get(_JOB_LABEL, '')}"


def _text(labels: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
