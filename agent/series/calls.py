"""The series of what the agent asks of others: the API server, metric servers and hooks."""

from typing import Final

from aioprometheus.collectors import Counter, Histogram, Registry

from agent.providers.errors import ProviderError, ProviderRefused
from canary.api.hooks import HOOK_TYPES
from canary.api.metric_template import PROVIDER_FIELDS
from canary.run.judge import Verdict
from canary.run.kept import VERDICT_WORDS

_API_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
OTHERS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, float("inf"))

_OUTCOMES: Final = (Verdict.PASS, Verdict.FAIL, Verdict.ERROR)

_KINDS: Final = ("unavailable", "refused")

OTHER: Final = "other"
"""Whatever else a tenant wrote as a type, which is no label: nobody bounds how many there are, or what is in them."""


class CallSeries:
    """How often others were asked, how long they took, and what came of it."""

    def __init__(self, registry: Registry) -> None:
        self._requests = Counter(
            "serin_api_requests_total",
            "Requests to the API server by verb and HTTP status; none: no answer came",
            registry=registry,
        )
        self._request_seconds = Histogram(
            "serin_api_request_seconds",
            "Seconds from a request to the API server to the end of its answer, by verb; a watch has none",
            registry=registry,
            buckets=_API_S,
        )
        self._provider_seconds = Histogram(
            "serin_provider_request_seconds",
            "Seconds that a metric server took to answer or to fail, by type",
            registry=registry,
            buckets=OTHERS_S,
        )
        self._provider_errors = Counter(
            "serin_provider_errors_total",
            "Metric servers that gave no usable answer, by type: unavailable is tried again, refused is to be mended",
            registry=registry,
        )
        self._hook_seconds = Histogram(
            "serin_hook_seconds", "Seconds of a hook's call, by type", registry=registry, buckets=OTHERS_S
        )
        self._hook_calls = Counter(
            "serin_hook_calls_total",
            "Calls of hooks, each try, by type and outcome; error: no answer, or a redirect",
            registry=registry,
        )
        # `increase` sees a counter's first step only if the counter was there before, at 0.
        for provider_type in PROVIDER_FIELDS:
            for kind in _KINDS:
                self._provider_errors.add({"provider": provider_type, "kind": kind}, 0)
        for hook_type in HOOK_TYPES:
            for outcome in _OUTCOMES:
                self._hook_calls.add({"type": hook_type, "outcome": VERDICT_WORDS[outcome]}, 0)

    def observe_request(self, verb: str, code: int | None, seconds: float | None) -> None:
        """Record a request to the API server; `code` None is no answer, `seconds` None one that is meant to last."""
        self._requests.inc({"verb": verb, "code": "none" if code is None else str(code)})
        if seconds is not None:
            self._request_seconds.observe({"verb": verb}, seconds)

    def observe_provider(self, provider_type: str, seconds: float, error: ProviderError | None) -> None:
        """Record a request to a metric server, and what went wrong."""
        known = provider_type if provider_type in PROVIDER_FIELDS else OTHER
        self._provider_seconds.observe({"provider": known}, seconds)
        if error is not None:
            kind = "refused" if isinstance(error, ProviderRefused) else "unavailable"
            self._provider_errors.inc({"provider": known, "kind": kind})

    def observe_hook(self, hook_type: str, verdict: Verdict, seconds: float) -> None:
        """Record a call of a hook."""
        known = hook_type if hook_type in HOOK_TYPES else OTHER
        self._hook_seconds.observe({"type": known}, seconds)
        self._hook_calls.inc({"type": known, "outcome": VERDICT_WORDS[verdict]})
