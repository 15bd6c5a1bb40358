"""The webhook's own series."""

from collections import Counter as CountsOf
from collections.abc import Callable
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
        # A look-up by labels costs the library more than the answer does: between scrapes it is done here.
        self._counts: CountsOf[tuple[str, str, str]] = CountsOf()
        self._seconds_of: dict[str, Buckets] = {}
        self._expiry = Gauge(
            "serin_certificate_expiry_seconds",
            "Seconds from this scrape until the served certificate ends; negative once it has, 0 without one",
            registry=registry,
        )
        self._canaries = Gauge("serin_webhook_canaries", "Canaries known to the webhook", registry=registry)

    def observe_request(self, entry: str, operation: str, outcome: str, seconds: float) -> None:
        """Count an answered request."""
        self._counts[entry, operation, outcome] += 1
        if entry not in self._seconds_of:
            self._seconds_of[entry] = Buckets(*_BUCKETS_S)
            self._seconds.set_value({"entry": entry}, self._seconds_of[entry])
        self._seconds_of[entry].observe(seconds)

    def render(self, accepted: list[str], canaries: int) -> tuple[bytes, dict[str, str]]:
        """Give body and headers of `/metrics` for the client's Accept headers."""
        for (entry, operation, outcome), count in self._counts.items():
            self._requests.set({"entry": entry, "operation": operation, "outcome": outcome}, count)
        self._expiry.set({}, self._certificate_left_s())
        self._canaries.set({}, canaries)
        body, headers = render(self._registry, accepted)
        return body, headers
