"""The series of canaries: their names, kinds and meanings, and their lines for one canary.

Those of Flagger have its names, kinds, labels and meanings. Source: Flagger 1.44, `pkg/metrics/recorder.go`; a canary's
`name` is its target's, as there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.series.counts import Counts, End
from agent.series.snapshot import ShownSpec, Snapshot
from agent.series.text import Family, label
from canary.api.names import primary_name
from canary.run.judge import Verdict
from canary.run.kept import VERDICT_WORDS
from canary.run.phase import Phase

_RUNNING, _SUCCEEDED, _FAILED = 0, 1, 2
_STATUS: Final = {Phase.PROGRESSING: _RUNNING, Phase.FAILED: _FAILED}

TOTAL: Final = Family("flagger_canary_total", "gauge", "Total number of canary object")
_STATUS_FAMILY: Final = Family("flagger_canary_status", "gauge", "Last canary analysis result")
_WEIGHT: Final = Family("flagger_canary_weight", "gauge", "The virtual service destination weight current value")
_ANALYSIS: Final = Family("flagger_canary_metric_analysis", "gauge", "Last canary analysis result per metric")
_DURATION: Final = Family("flagger_canary_duration_seconds", "histogram", "Seconds spent performing canary analysis.")
_SUCCESSES: Final = Family("flagger_canary_successes_total", "counter", "Total number of canary successes")
_FAILURES: Final = Family("flagger_canary_failures_total", "counter", "Total number of canary failures")
_PHASE: Final = Family("serin_canary_phase", "gauge", "1 for the phase that the canary is in")
_THRESHOLD: Final = Family(
    "serin_canary_metric_threshold",
    "gauge",
    "Bound of a metric's good values, in the unit of flagger_canary_metric_analysis",
)
_FAILED_CHECKS: Final = Family("serin_canary_failed_checks", "gauge", "Failed checks of the last run")
_FAILED_LIMIT: Final = Family("serin_canary_failed_checks_threshold", "gauge", "Failed checks that roll a run back")
_INFO: Final = Family("serin_canary_info", "gauge", "The apex of a canary, which names its service and upstreams")
_LAST_RUN: Final = Family(
    "serin_canary_last_run_seconds", "gauge", "Seconds that the last run that ended took, by what became of it"
)
_EVIDENCE: Final = Family(
    "serin_check_evidence", "gauge", "Where the test of a metric stands: -1 is known to be well, 1 is known to be harm"
)
READY: Final = Family(
    "serin_canary_ready", "gauge", "1 if the condition Ready is True or not written yet, with its reason"
)
_VERDICTS: Final = Family(
    "serin_check_verdicts_total", "counter", "Answers of a metric by what they said of the revision"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A canary with what is shown of it; `counts` None is nothing counted yet."""

    snapshot: Snapshot
    spec: ShownSpec
    counts: Counts | None

    @property
    def changes(self) -> int:
        """Return how often something was counted of it."""
        return self.counts.changes if self.counts is not None else 0


def ready_line(snapshot: Snapshot) -> str:
    """Return what is shown of every canary, whatever else of it can't be."""
    return READY.line(f"{snapshot.labels},{label('reason', snapshot.reason)}", int(not snapshot.reason))


def _status(shown: Shown) -> Iterator[str]:
    phase = shown.snapshot.phase
    if phase is not None:
        yield _STATUS_FAMILY.line(shown.snapshot.labels, _STATUS.get(phase, _SUCCEEDED))


def _weight(shown: Shown) -> Iterator[str]:
    snapshot, namespace = shown.snapshot, label("namespace", shown.snapshot.namespace)
    target, primary = label("workload", snapshot.target), label("workload", primary_name(snapshot.target))
    yield _WEIGHT.line(f"{namespace},{target}", snapshot.canary_percent)
    yield _WEIGHT.line(f"{namespace},{primary}", snapshot.primary_percent)


def _analysis(shown: Shown) -> Iterator[str]:
    for metric, value in zip(shown.spec.metrics, shown.snapshot.values, strict=True):
        if value is not None:
            yield _ANALYSIS.line(f"{metric.label},{shown.snapshot.labels}", value)


def _threshold(shown: Shown) -> Iterator[str]:
    for metric in shown.spec.metrics:
        for bound, limit in (("min", metric.least), ("max", metric.most)):
            if limit is not None:
                yield _THRESHOLD.line(f'bound="{bound}",{metric.label},{shown.snapshot.labels}', limit)


def _evidence(shown: Shown) -> Iterator[str]:
    for metric_label, bar in shown.snapshot.evidence:
        yield _EVIDENCE.line(f"{metric_label},{shown.snapshot.labels}", bar)


def _phase(shown: Shown) -> Iterator[str]:
    if shown.snapshot.phase is not None:
        yield _PHASE.line(f'{shown.snapshot.labels},phase="{shown.snapshot.phase}"', 1)


def _failed_checks(shown: Shown) -> Iterator[str]:
    yield _FAILED_CHECKS.line(shown.snapshot.labels, shown.snapshot.failed_checks)


def _failed_limit(shown: Shown) -> Iterator[str]:
    yield _FAILED_LIMIT.line(shown.snapshot.labels, shown.spec.threshold)


def _info(shown: Shown) -> Iterator[str]:
    yield _INFO.line(f"{label('apex', shown.spec.apex)},{shown.snapshot.labels}", 1)


def _last_run(shown: Shown) -> Iterator[str]:
    run = shown.snapshot.last_run
    if run is not None:
        labels = f'{shown.snapshot.labels},outcome="{run.outcome}"'
        yield _LAST_RUN.line(labels, max(run.ended_at_s - run.started_at_s, 0))


def _duration(shown: Shown) -> Iterator[str]:
    if shown.counts is not None and shown.counts.durations is not None:
        yield _DURATION.histogram(shown.snapshot.labels, shown.counts.durations)


def _successes(shown: Shown) -> Iterator[str]:
    yield from _ends(_SUCCESSES, shown, is_failure=False)


def _failures(shown: Shown) -> Iterator[str]:
    yield from _ends(_FAILURES, shown, is_failure=True)


def _ends(family: Family, shown: Shown, *, is_failure: bool) -> Iterator[str]:
    """Yield those that were counted, and at 0 those that may come next: `increase` sees no first step from nothing."""
    strategy = shown.spec.strategy
    counted = shown.counts.ends if shown.counts is not None else {}
    next_ones = {End(is_failure, strategy, is_skipped=is_skipped): None for is_skipped in (False, True)}
    for end in next_ones | dict.fromkeys(end for end in counted if end.is_failure is is_failure):
        status = "skipped" if end.is_skipped else "completed"
        labels = f'analysis_status="{status}",deployment_strategy="{end.strategy}",{shown.snapshot.labels}'
        yield family.line(labels, counted.get(end, 0))


def _verdicts(shown: Shown) -> Iterator[str]:
    counted = shown.counts.verdicts if shown.counts is not None else {}
    for metric in shown.spec.metrics:
        for verdict in Verdict:
            if verdict is Verdict.UNDECIDED and not (metric.is_tested or (metric.name, verdict) in counted):
                continue
            labels = f'{metric.label},{shown.snapshot.labels},verdict="{VERDICT_WORDS[verdict]}"'
            yield _VERDICTS.line(labels, counted.get((metric.name, verdict), 0))


OF_CANARIES: Final[tuple[tuple[Family, Callable[[Shown], Iterator[str]]], ...]] = (
    (_STATUS_FAMILY, _status),
    (_WEIGHT, _weight),
    (_ANALYSIS, _analysis),
    (_DURATION, _duration),
    (_SUCCESSES, _successes),
    (_FAILURES, _failures),
    (_PHASE, _phase),
    (_THRESHOLD, _threshold),
    (_FAILED_CHECKS, _failed_checks),
    (_FAILED_LIMIT, _failed_limit),
    (_INFO, _info),
    (_LAST_RUN, _last_run),
    (_VERDICTS, _verdicts),
    (_EVIDENCE, _evidence),
)
"""Each family with what yields its lines of a canary."""
