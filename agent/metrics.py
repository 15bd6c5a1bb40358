"""The agent's own series, named and labelled as Flagger's.

Source: Flagger 1.44, `pkg/metrics/recorder.go`. A canary's labels carry the target's name, as there.
"""

from typing import Final

from aioprometheus.collectors import Counter, Gauge, Histogram, Registry
from aioprometheus.renderer import render

from canary.judge import CheckResult
from canary.model.canary import Canary
from canary.model.metrics import REQUEST_DURATION
from canary.phase import Phase
from canary.state import State
from canary.steps import TOTAL_WEIGHT

_MS_PER_S: Final = 1000
_RUNNING, _SUCCEEDED, _FAILED = 0, 1, 2
_STATUS: Final = {Phase.PROGRESSING: _RUNNING, Phase.FAILED: _FAILED}


class AgentMetrics:
    """Everything behind `/metrics`; each agent has a registry of its own."""

    def __init__(self, version: str) -> None:
        self._registry = registry = Registry()
        info = Gauge("flagger_info", "Serin version and mesh provider information", registry=registry)
        info.set({"version": version, "mesh_provider": "gloo"}, 1)
        self._duration = Histogram(
            "flagger_canary_duration_seconds", "Seconds spent performing canary analysis.", registry=registry
        )
        self._total = Gauge("flagger_canary_total", "Total number of canary objects", registry=registry)
        self._status = Gauge(
            "flagger_canary_status", "Last analysis result: 0 running, 1 successful, 2 failed", registry=registry
        )
        self._weight = Gauge("flagger_canary_weight", "Weight of a workload in percent", registry=registry)
        self._analysis = Gauge(
            "flagger_canary_metric_analysis", "Last value of a metric; request-duration in seconds", registry=registry
        )
        self._successes = Counter("flagger_canary_successes_total", "Runs that were promoted", registry=registry)
        self._failures = Counter("flagger_canary_failures_total", "Runs that were rolled back", registry=registry)
        self._ticks = Histogram(
            "serin_tick_seconds",
            "Seconds from a canary's wake-up to its next sleep",
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, float("inf")),
        )
        self._errors = Counter("serin_tick_errors_total", "Ticks that ended in an error", registry=registry)
        self._namespaces: set[str] = set()

    def render(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        """Give body and headers of `/metrics` for the client's Accept headers."""
        body, headers = render(self._registry, accepted)
        return body, headers

    def set_totals(self, totals: dict[str, int]) -> None:
        """Set how many canaries each namespace has; a namespace that lost its last one shows 0."""
        self._namespaces |= totals.keys()
        for namespace in self._namespaces:
            self._total.set({"namespace": namespace}, totals.get(namespace, 0))

    def observe_state(self, canary: Canary, state: State) -> None:
        """Show a canary's phase and weights."""
        labels = self._labels(canary)
        if state.phase is not None:
            self._status.set(labels, _STATUS.get(state.phase, _SUCCEEDED))
        target, namespace = labels["name"], labels["namespace"]
        self._weight.set({"workload": target, "namespace": namespace}, state.canary_weight)
        primary = {"workload": f"{target}-primary", "namespace": namespace}
        self._weight.set(primary, TOTAL_WEIGHT - state.canary_weight)

    def observe_checks(self, canary: Canary, results: tuple[CheckResult, ...], seconds: float) -> None:
        """Show the values of a tick's checks, and how long they took."""
        labels = self._labels(canary)
        self._duration.observe(labels, seconds)
        for result in results:
            if result.value is not None:
                value = result.value / _MS_PER_S if result.name == REQUEST_DURATION else result.value
                self._analysis.set(labels | {"metric": result.name}, value)

    def count_end(self, canary: Canary, state: State) -> None:
        """Count a run that ended."""
        labels = self._labels(canary) | {
            "deployment_strategy": canary.strategy,
            "analysis_status": "skipped" if state.is_analysis_skipped else "completed",
        }
        (self._failures if state.phase is Phase.FAILED else self._successes).inc(labels)

    def observe_tick(self, seconds: float) -> None:
        """Record how long a wake-up took."""
        self._ticks.observe({}, seconds)

    def count_error(self, kind: str) -> None:
        """Count a tick that ended in an error of a class."""
        self._errors.inc({"error": kind})

    @staticmethod
    def _labels(canary: Canary) -> dict[str, str]:
        return {"name": canary.spec.target_ref.name, "namespace": canary.namespace}
