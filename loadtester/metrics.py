"""The load tester's own series, in the text format of Prometheus."""

from collections.abc import Mapping

from aioprometheus.collectors import Counter, Gauge, Histogram, Registry
from aioprometheus.renderer import render

from loadtester.hook import HookType

# From a curl to the time limit's default of an hour.
_DURATION_BUCKETS_S = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, float("inf"))


class RunMetrics:
    """Counts the runs of commands, by type and by how they ended."""

    def __init__(self) -> None:
        self._registry = Registry()
        self._runs = Counter(
            "serin_loadtester_runs_total", "Commands that are over, by type and outcome.", registry=self._registry
        )
        self._running = Gauge("serin_loadtester_running", "Commands that run now, by type.", registry=self._registry)
        self._durations = Histogram(
            "serin_loadtester_run_duration_seconds",
            "Time from the start of a command to its end, by type.",
            registry=self._registry,
            buckets=_DURATION_BUCKETS_S,
        )
        for hook_type in HookType:
            self._running.set({"type": hook_type.value}, 0)

    def count_start(self, hook_type: HookType) -> None:
        """Count a command that starts."""
        self._running.inc({"type": hook_type.value})

    def count_end(self, hook_type: HookType, outcome: str, duration_s: float) -> None:
        """Count a command that is over: `outcome` is one of `command.Outcome`, or `ended` if somebody ended it."""
        self._running.dec({"type": hook_type.value})
        self._runs.inc({"type": hook_type.value, "outcome": outcome})
        self._durations.observe({"type": hook_type.value}, duration_s)

    def render(self) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of the answer to a scrape, always in the text format."""
        return render(self._registry, [])
