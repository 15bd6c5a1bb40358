"""The series of runs, of all canaries together: when one was noticed, how long it took, how fast a bad one ended."""

from typing import Final

from aioprometheus.collectors import Counter, Histogram, Registry
from aioprometheus.histogram import Histogram as Buckets

from agent.revision_detection import DetectedBy
from canary.run.history import Outcome
from canary.run.phase import IDLE, Phase
from canary.run.state import State

_INF: Final = float("inf")
_DETECTION_S: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, _INF)
_RUN_S: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, _INF)
_ROLLBACK_S: Final = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, _INF)

_BEFORE_THE_FIRST_RUN: Final = {None, Phase.INITIALIZING}


class RunSeries:
    """What is measured of runs. All series but those of detection are there before the first run, at 0."""

    def __init__(self, registry: Registry) -> None:
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
            buckets=_DETECTION_S,
        )
        self._durations = Histogram(
            "serin_run_duration_seconds",
            "Seconds from a run's beginning to its end, by what became of it",
            registry=registry,
            buckets=_RUN_S,
        )
        self._rollbacks = Histogram(
            "serin_rollback_seconds",
            "Seconds from the decision against a revision that had traffic "
            "until the gateway was known to serve none of it",
            registry=registry,
            buckets=_ROLLBACK_S,
        )
        for outcome in Outcome:
            self._durations.set_value({"outcome": str(outcome)}, Buckets(*_RUN_S))
        self._rollbacks.set_value({}, Buckets(*_ROLLBACK_S))

    def count_detection(self, by: DetectedBy, seconds: float | None) -> None:
        """Count a revision that was noticed, so many seconds after it was written, None when nobody knows."""
        self._detected.inc({"by": by})
        if seconds is not None:
            self._detection.observe({"by": by}, seconds)

    def observe_run(self, outcome: Outcome, seconds: float) -> None:
        """Record how long a run took that ended."""
        self._durations.observe({"outcome": str(outcome)}, max(seconds, 0.0))

    def observe_rollback(self, seconds: float) -> None:
        """Record how long a revision that was decided against went on to get traffic."""
        self._rollbacks.observe({}, max(seconds, 0.0))


class RunTimes:
    """Measures the runs of one canary by the intents that are stored.

    What is decided while one agent works and done while another one does is not measured.
    """

    def __init__(self, series: RunSeries) -> None:
        self._series = series
        self._decided_at_s: float | None = None

    def note(self, before: State, after: State) -> None:
        """Take an intent that was stored in the place of another."""
        began_at_s = before.run.started_at_s
        has_ended = began_at_s is not None and after.run.started_at_s != began_at_s and after.history
        if began_at_s is not None and has_ended and before.phase not in _BEFORE_THE_FIRST_RUN:
            self._series.observe_run(after.history[0].outcome, after.transition.stored_at_s - began_at_s)
        self._note_rollback(before, after)

    def _note_rollback(self, before: State, after: State) -> None:
        is_decided = after.analysis.is_given_up or after.phase is Phase.FAILED
        if not is_decided:
            self._decided_at_s = None
            return
        is_new = before.phase not in IDLE and not before.analysis.is_given_up
        if is_new and before.traffic.is_exposing:
            self._decided_at_s = after.transition.stored_at_s
        if self._decided_at_s is None or after.phase is not Phase.FAILED:
            return
        if after.served_at_s is not None and not after.traffic.is_exposing:
            self._series.observe_rollback(after.served_at_s - self._decided_at_s)
            self._decided_at_s = None
