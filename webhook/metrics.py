"""The webhook's own series."""

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from aioprometheus.collectors import Counter, Gauge, Histogram, Registry
from aioprometheus.histogram import Histogram as Buckets
from aioprometheus.renderer import render

_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0, float("inf"))


class WebhookMetrics:
    """Everything behind `/metrics`; each server has a registry of its own.

    `certificate_left_s` gives the seconds until the served certificate ends; it is asked at each scrape.
    """

    def __init__(self, version: str, certificate_left_s: Callable[[], float]) -> None:
        self._registry = registry = Registry()
        self._certificate_left_s = certificate_left_s
        info = Gauge("serin_webhook_info", "Version of the webhook", registry=registry)
        info.set({"version": version}, 1)
        self._requests = Counter(
            "serin_admission_requests_total",
            "Admission requests by entry, operation and outcome: allowed, patched, warned, denied, failed (allowed by "
            "an error of ours), refused (not an AdmissionReview)",
            registry=registry,
        )
        self._seconds = Histogram(
            "serin_admission_seconds",
            "Seconds from a request's body to its answer",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        # The library looks its series up by labels and counts every wider bucket too: between scrapes it is done here.
        self._took: dict[tuple[str, str, str], _Took] = {}
        self._expiry = Gauge(
            "serin_certificate_expiry_seconds",
            "Seconds from this scrape until the served certificate ends; negative once it has, 0 without one",
            registry=registry,
        )
        self._canaries = Gauge("serin_webhook_canaries", "Canaries known to the webhook", registry=registry)

    def observe_request(self, entry: str, operation: str, outcome: str, seconds: float) -> None:
        """Count an answered request."""
        took = self._took.get((entry, operation, outcome))
        if took is None:
            took = self._took[entry, operation, outcome] = _Took()
        took.buckets[bisect_left(_BUCKETS_S, seconds)] += 1
        took.sum_s += seconds

    def render(self, accepted: list[str], canaries: int) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of `/metrics` for the client's Accept headers."""
        of_entries: dict[str, list[_Took]] = {}
        for (entry, operation, outcome), took in self._took.items():
            self._requests.set({"entry": entry, "operation": operation, "outcome": outcome}, sum(took.buckets))
            of_entries.setdefault(entry, []).append(took)
        for entry, tooks in of_entries.items():
            self._seconds.set_value({"entry": entry}, _histogram(tooks))
        self._expiry.set({}, self._certificate_left_s())
        self._canaries.set({}, canaries)
        body, headers = render(self._registry, accepted)
        return body, headers


class _Took:
    """The times of requests that have the same labels."""

    def __init__(self) -> None:
        self.buckets = [0] * len(_BUCKETS_S)
        """How many fell between a bucket's bound and the one before."""
        self.sum_s = 0.0


def _histogram(tooks: list[_Took]) -> Buckets:
    """Return the sum as the library wants it: a bucket counts all that is smaller, too."""
    counts = [sum(column) for column in zip(*(took.buckets for took in tooks), strict=True)]
    histogram = Buckets(*_BUCKETS_S)
    histogram.buckets.update(zip(_BUCKETS_S, accumulate(counts), strict=True))
    histogram.observations, histogram.sum = sum(counts), sum(took.sum_s for took in tooks)
    return histogram
