"""The agent's own series, named and labelled as Flagger's.

Source: Flagger 1.44, `pkg/metrics/recorder.go`. A canary's labels carry the target's name, as there.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final

from aioprometheus.collectors import Collector, Counter, Gauge, Histogram, Registry
from aioprometheus.renderer import render

from agent.revision_detection import DetectedBy
from canary.api.canary import Canary
from canary.api.metrics import REQUEST_DURATION, CanaryMetric
from canary.api.names import primary_name
from canary.run.judge import CheckResult, effective_range
from canary.run.phase import Phase
from canary.run.state import State

_MS_PER_S: Final = 1000
_RUNNING, _SUCCEEDED, _FAILED = 0, 1, 2
_STATUS: Final = {Phase.PROGRESSING: _RUNNING, Phase.FAILED: _FAILED}

_Series = tuple[str, tuple[tuple[str, str], ...]]
"""A collector's name and labels."""


class AgentMetrics:
    """Everything behind `/metrics`; each agent has a registry of its own. `is_leading` is asked at each scrape."""

    def __init__(self, version: str, is_leading: Callable[[], bool] = lambda: False) -> None:
        self._registry = registry = Registry()
        self._is_leading = is_leading
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
        self._threshold = Gauge(
            "serin_canary_metric_threshold",
            "Bound of a metric's good values, in the unit of flagger_canary_metric_analysis",
            registry=registry,
        )
        self._failed_checks = Gauge("serin_canary_failed_checks", "Failed checks of the last run", registry=registry)
        self._failed_limit = Gauge(
            "serin_canary_failed_checks_threshold", "Failed checks that roll a run back", registry=registry
        )
        self._info = Gauge(
            "serin_canary_info", "The apex of a canary, which names its service and upstreams", registry=registry
        )
        self._ready = Gauge(
            "serin_canary_ready",
            "1 if the condition Ready is True or not written yet, with its reason",
            registry=registry,
        )
        self._leading = Gauge("serin_agent_leading", "1 if this agent holds the Lease", registry=registry)
        self._successes = Counter("flagger_canary_successes_total", "Runs that were promoted", registry=registry)
        self._failures = Counter("flagger_canary_failures_total", "Runs that were rolled back", registry=registry)
        self._namespaces: set[str] = set()
        self._series: defaultdict[tuple[str, str], set[_Series]] = defaultdict(set)
        self._add_own(registry)

    def _add_own(self, registry: Registry) -> None:
        """Add the series of the agent itself, whatever its canaries do."""
        self._ticks = Histogram(
            "serin_tick_seconds",
            "Seconds from a canary's wake-up to its next sleep",
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, float("inf")),
        )
        self._lag = Histogram(
            "serin_event_loop_lag_seconds",
            "Seconds by which the agent's event loop was late",
            registry=registry,
            buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, float("inf")),
        )
        self._errors = Counter("serin_tick_errors_total", "Ticks that ended in an error", registry=registry)
        self._alerts = Counter("serin_alerts_total", "Alerts by type of chat and outcome", registry=registry)
        self._events = Counter("serin_event_hook_events_total", "Events for hooks by outcome", registry=registry)
        self._detected = Counter(
            "serin_revisions_detected_total",
            "New revisions by what told of them: the webhook's mark (admission), a watch event, or a list after a gap",
            registry=registry,
        )
        self._detection = Histogram(
            "serin_revision_detected_seconds",
            "Seconds from the API server's stamp of a target's write to the stored reaction. "
            "The stamp is in whole seconds, rounded down: up to one second of each value is that.",
            registry=registry,
            buckets=(0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, float("inf")),
        )

    def render(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of `/metrics` for the client's Accept headers."""
        self._leading.set({}, int(self._is_leading()))
        body, headers = render(self._registry, accepted)
        return body, headers

    def set_totals(self, totals: dict[str, int]) -> None:
        """Set how many canaries each namespace has; a namespace that lost its last one shows 0."""
        self._namespaces |= totals.keys()
        for namespace in self._namespaces:
            self._total.set({"namespace": namespace}, totals.get(namespace, 0))

    def observe_state(self, canary: Canary, state: State) -> None:
        """Show a canary's phase, weights and failed checks."""
        if state.phase is not None:
            self._status.set(self._labels(canary, self._status), _STATUS.get(state.phase, _SUCCEEDED))
        target = canary.spec.target_ref.name
        self._set_weight(canary, target, state.traffic.canary_percent)
        self._set_weight(canary, primary_name(target), state.traffic.primary_percent)
        self._info.set(self._labels(canary, self._info, apex=canary.apex_name), 1)
        self._failed_checks.set(self._labels(canary, self._failed_checks), state.analysis.failed_checks)
        self._failed_limit.set(self._labels(canary, self._failed_limit), canary.threshold)
        # `increase` sees a counter's first step only if the counter was there before, at 0.
        for ends in (self._successes, self._failures):
            ends.add(self._end_labels(canary, state, ends), 0)

    def observe_ready(self, namespace: str, target: str, reason: str) -> None:
        """Show the reason for which a canary is not ready, empty if it is; the one before is shown no more."""
        labels = {"name": _escaped(target), "namespace": namespace, "reason": _escaped(reason)}
        series = self._series[namespace, target]
        now = (self._ready.name, tuple(labels.items()))
        for before in [one for one in series if one[0] == self._ready.name and one != now]:
            self._registry.get(self._ready.name).values.pop(dict(before[1]), None)
            series.discard(before)
        series.add(now)
        self._ready.set(labels, int(not reason))

    def observe_checks(self, canary: Canary, results: tuple[CheckResult, ...], seconds: float) -> None:
        """Show the values of a tick's checks with their bounds, and how long they took."""
        self._duration.observe(self._labels(canary, self._duration), seconds)
        values = {result.name: result.value for result in results if result.value is not None}
        self._forget_metrics_but(
            canary, {metric.name for metric in canary.analysis.metrics} if canary.analysis else set()
        )
        for metric in canary.analysis.metrics if canary.analysis else ():
            if metric.name in values:
                labels = self._labels(canary, self._analysis, metric=metric.name)
                self._analysis.set(labels, _exported(metric, values[metric.name]))
            limits = effective_range(metric)
            for bound, limit in (("min", limits.min), ("max", limits.max)):
                labels = self._labels(canary, self._threshold, metric=metric.name, bound=bound)
                if limit is None:
                    self._drop(canary, (self._threshold.name, tuple(labels.items())))
                else:
                    self._threshold.set(labels, _exported(metric, limit))

    def count_end(self, canary: Canary, state: State) -> None:
        """Count a run that ended."""
        ends = self._failures if state.phase is Phase.FAILED else self._successes
        ends.inc(self._end_labels(canary, state, ends))

    def count_detection(self, by: DetectedBy, seconds: float | None) -> None:
        """Count a revision that was noticed, so many seconds after it was written, None when nobody knows."""
        self._detected.inc({"by": by})
        if seconds is not None:
            self._detection.observe({"by": by}, seconds)

    def forget(self, namespace: str, target: str) -> None:
        """Drop every series of the canary that watches over a target, its counters too."""
        for name, labels in self._series.pop((namespace, target), ()):
            self._registry.get(name).values.pop(dict(labels), None)

    def _forget_metrics_but(self, canary: Canary, names: Collection[str]) -> None:
        """Drop the series of metrics that the canary has no longer: each rename would leave one behind."""
        kept = {_escaped(name) for name in names}
        series = self._series[canary.namespace, canary.spec.target_ref.name]
        for name, labels in list(series):
            metric = dict(labels).get("metric")
            if metric is not None and metric not in kept:
                self._drop(canary, (name, labels))

    def _drop(self, canary: Canary, series: _Series) -> None:
        name, labels = series
        self._registry.get(name).values.pop(dict(labels), None)
        self._series[canary.namespace, canary.spec.target_ref.name].discard(series)

    def observe_tick(self, seconds: float) -> None:
        """Record how long a wake-up took."""
        self._ticks.observe({}, seconds)

    def observe_loop_lag(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self._lag.observe({}, seconds)

    def count_alert(self, provider_type: str, outcome: str) -> None:
        """Count an alert that was sent, failed or was lost."""
        self._alerts.inc({"provider_type": provider_type, "outcome": outcome})

    def count_event(self, outcome: str) -> None:
        """Count an event that was sent to a hook, failed or was lost."""
        self._events.inc({"outcome": outcome})

    def count_error(self, kind: str) -> None:
        """Count a tick that ended in an error of a class."""
        self._errors.inc({"error": kind})

    def _set_weight(self, canary: Canary, workload: str, weight_percent: int) -> None:
        labels = {"workload": workload, "namespace": canary.namespace}
        self._weight.set(self._remembered(canary, self._weight, labels), weight_percent)

    def _labels(self, canary: Canary, collector: Collector, **more: str) -> dict[str, str]:
        labels = {"name": canary.spec.target_ref.name, "namespace": canary.namespace, **more}
        return self._remembered(canary, collector, labels)

    def _end_labels(self, canary: Canary, state: State, ends: Counter) -> dict[str, str]:
        status = "skipped" if state.control.skips_analysis else "completed"
        return self._labels(canary, ends, deployment_strategy=canary.flaggers_strategy, analysis_status=status)

    def _remembered(self, canary: Canary, collector: Collector, labels: dict[str, str]) -> dict[str, str]:
        """Return the labels as the page shows them; `forget` finds their series without a look at those of others."""
        shown = {name: _escaped(value) for name, value in labels.items()}
        self._series[canary.namespace, canary.spec.target_ref.name].add((collector.name, tuple(shown.items())))
        return shown


def _escaped(value: str) -> str:
    r"""Return a label's value with backslashes, quotes and line ends escaped, which aioprometheus leaves to its caller.

    Names come from the objects of tenants: unescaped, one writes another's series, or makes Prometheus drop the page.
    Source: Prometheus' text format 0.0.4, whose only escapes these are.
    """
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", " ")


def _exported(metric: CanaryMetric, value: float) -> float:
    """Turn a value or a bound into the exported unit: Flagger shows the built-in duration in seconds."""
    return value / _MS_PER_S if metric.is_builtin and metric.name == REQUEST_DURATION else value
