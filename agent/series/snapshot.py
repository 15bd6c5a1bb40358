"""What is shown of one canary, read from the object as it is stored: no tick has to have seen it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from agent.series.text import label
from agent.stored import read_intent, read_stored
from canary.api.bounds import MOST_NAME_CHARS
from canary.api.canary import Canary
from canary.api.metrics import REQUEST_DURATION, CanaryMetric
from canary.api.parts import items_of, mapping_of, text_of
from canary.api.shown import shown
from canary.run.evidence import CheckEvidence
from canary.run.history import HistoryEntry
from canary.run.judge import effective_range
from canary.run.kept import KeptCheck
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import Object

_MS_PER_S: Final = 1000


@dataclass(frozen=True, slots=True)
class ShownMetric:
    """A metric of the spec, with its bounds in the shown unit, None where there is none.

    `kept_name` is what the status calls it. `is_ms`: its values are milliseconds, which Flagger shows as seconds.
    `is_tested`: it is judged by evidence.
    """

    name: str
    kept_name: str
    label: str
    least: float | None
    most: float | None
    is_ms: bool
    is_tested: bool

    @classmethod
    def of(cls, metric: CanaryMetric) -> Self:
        """Read it from the spec."""
        limits, is_ms = effective_range(metric), metric.is_builtin and metric.name == REQUEST_DURATION
        return cls(
            name=metric.name,
            kept_name=shown(metric.name, MOST_NAME_CHARS),
            label=label("metric", metric.name),
            least=_in_seconds(limits.min) if is_ms else limits.min,
            most=_in_seconds(limits.max) if is_ms else limits.max,
            is_ms=is_ms,
            is_tested=metric.evidence is not None,
        )


@dataclass(frozen=True, slots=True)
class ShownSpec:
    """What is shown of a spec, read once for each of its generations."""

    target: str
    apex: str
    strategy: str
    threshold: int
    metrics: tuple[ShownMetric, ...]

    @classmethod
    def of(cls, canary: Canary) -> Self:
        """Read it. Of two metrics of one name the last counts, as in Flagger."""
        metrics = canary.analysis.metrics if canary.analysis else ()
        named = {metric.name: metric for metric in map(ShownMetric.of, metrics)}
        return cls(
            canary.spec.target_ref.name,
            canary.apex_name,
            canary.flaggers_strategy,
            canary.threshold,
            tuple(named.values()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is shown of a canary; `labels` are its name, which is its target's, and its namespace.

    `spec_version` is another one when the spec has to be read again; `spec_reason` is why the spec can't be used.
    `reason`: why it is not ready, empty if it is. `spec` is None where that is all that may be said of it. `values`
    has the last value of each metric that has one, in the shown unit. `evidence`: where each test stands between well
    (-1) and harm (1), with the label of its metric.
    """

    spec_version: tuple[str, ...]
    uid: str
    namespace: str
    target: str
    labels: str
    spec_reason: str
    reason: str
    spec: ShownSpec | None
    phase: Phase | None
    canary_percent: int
    primary_percent: int
    failed_checks: int
    values: tuple[float | None, ...]
    evidence: tuple[tuple[str, float], ...]
    last_run: HistoryEntry | None


def read_snapshot(obj: Object, before: Snapshot | None) -> Snapshot:
    """Read a Canary; `before` is the same one as it was read last, whose spec is read again only if it is another.

    Raises:
        canary.run.status.UnknownPhase: `status.phase` is none that this version knows.
    """
    metadata, version, slim = obj["metadata"], _spec_version(obj), _with_what_is_shown(obj)
    if before is not None and before.spec_version == version:
        state, spec, spec_reason = read_intent(slim), before.spec, before.spec_reason
    else:
        state, spec, spec_reason = _read_anew(slim, before)
    target = spec.target if spec else text_of(mapping_of(mapping_of(obj, "spec"), "targetRef"), "name")
    namespace = metadata.get("namespace", "")
    why = state.blocker or state.not_ready
    return Snapshot(
        spec_version=version,
        uid=text_of(metadata, "uid"),
        namespace=namespace,
        target=target,
        labels=f"{label('name', target)},{label('namespace', namespace)}",
        spec_reason=spec_reason,
        reason=spec_reason or (why.reason if why else ""),
        spec=spec,
        phase=state.phase,
        canary_percent=state.traffic.canary_percent,
        primary_percent=state.traffic.primary_percent,
        failed_checks=state.analysis.failed_checks,
        values=tuple(_values(spec, state.analysis.kept)),
        evidence=tuple(_evidence(spec, state.analysis.evidence)),
        last_run=state.history[0] if state.history else None,
    )


def _spec_version(obj: Object) -> tuple[str, ...]:
    """Return what changes with the spec, or with how its names are meant."""
    metadata, status = obj["metadata"], mapping_of(obj, "status")
    names = mapping_of(mapping_of(status, SERIN_STATUS), StatusKey.NAMES)
    is_begun = "phase" if status.get("phase") else ""
    return str(metadata.get("uid")), str(metadata.get("generation")), str(names), is_begun


def _with_what_is_shown(obj: Object) -> Object:
    """Return the object without most of what is kept of its runs and checks: to read that would take the longest."""
    status = mapping_of(obj, "status")
    ours = mapping_of(status, SERIN_STATUS)
    runs, checks = ours.get(StatusKey.HISTORY), items_of(ours, StatusKey.CHECKS)
    last = [{**check, "samples": _last_with_value(check)} for check in checks if isinstance(check, Mapping)]
    kept = {StatusKey.HISTORY: runs[:1] if isinstance(runs, list) else runs, StatusKey.CHECKS: last}
    return {**obj, "status": {**status, SERIN_STATUS: {**ours, **kept}}} if ours else obj


def _last_with_value(check: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    samples = (sample for sample in reversed(items_of(check, "samples")) if isinstance(sample, Mapping))
    return next(([sample] for sample in samples if sample.get("value") is not None), [])


def _read_anew(obj: Object, before: Snapshot | None) -> tuple[State, ShownSpec | None, str]:
    """Return the intent, the spec, and why that can't be used; then it is shown as it was when it last could be."""
    stored = read_stored(obj, None)
    reason = stored.blocker.reason if stored.blocker else ""
    if stored.canary is None:
        return stored.state, None, reason
    is_kept = stored.is_spec_lost and before is not None and before.spec is not None and before.uid == stored.canary.uid
    spec = before.spec if is_kept and before is not None else ShownSpec.of(stored.canary)
    return stored.state, spec, reason


def _values(spec: ShownSpec | None, kept: tuple[KeptCheck, ...]) -> Iterator[float | None]:
    """Yield the last known value of each metric of the spec."""
    checks = {check.name: check for check in kept}
    for metric in spec.metrics if spec else ():
        samples = checks[metric.kept_name].samples if metric.kept_name in checks else ()
        value = next((sample.value for sample in reversed(samples) if sample.value is not None), None)
        yield _in_seconds(value) if metric.is_ms else value


def _evidence(spec: ShownSpec | None, tests: tuple[CheckEvidence, ...]) -> Iterator[tuple[str, float]]:
    """Yield where the test of each metric of the spec stands; of two metrics of one name the first has it."""
    bars = {test.name: test.shown.bar for test in tests if test.shown.answer}
    for metric in spec.metrics if spec else ():
        if metric.kept_name in bars:
            yield metric.label, bars[metric.kept_name]


def _in_seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MS_PER_S
