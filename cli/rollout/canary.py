"""A Canary read for people. What somebody's hand made of another type is left out: it is shown, never relied on."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from canary.api.bounds import DEFAULT_PROGRESS_DEADLINE_S
from canary.api.names import DEFAULT_TARGET_KIND, primary_name
from canary.api.parts import condition_of, items_of, mapping_of, text_of
from canary.api.shown import shown
from canary.run.evidence import Shown, read_evidence_of
from canary.run.history import HistoryEntry, Run, read_history, read_run
from canary.run.judge import Verdict
from canary.run.kept import KeptCheck, KeptSample, read_checks
from canary.run.mark import Mark
from canary.run.moments import read_known_time
from canary.run.phase import ANALYSING, IDLE
from canary.run.queue import Queued
from canary.run.request import RequestResult
from canary.run.status import READY
from canary.run.steps import paused_step
from canary.run.wire import REQUEST_ANNOTATION, SERIN_STATUS, StatusKey

_MOST_WEIGHT: Final = 100


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the run with its threshold and its last samples, the newest last.

    `is_dry_run`: it decides nothing. `failures_needed`: how often in a row it must fail before that counts. `evidence`:
    where the test of one stands that is judged so, None of any other.
    """

    name: str
    min: float | None
    max: float | None
    unit: str
    samples: tuple[KeptSample, ...]
    reason: str
    is_dry_run: bool = False
    failures_needed: int = 1
    evidence: Shown | None = None

    @property
    def threshold(self) -> str:
        """Return in words what is allowed, and what of it counts."""
        bounds = [("min", self.min), ("max", self.max)]
        words = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        words += [f"{self.failures_needed} in a row"] if self.failures_needed > 1 else []
        return ", ".join([*words, "dry run"] if self.is_dry_run else words)

    @property
    def is_passing(self) -> bool:
        """Return whether its last sample passed."""
        return bool(self.samples) and self.samples[-1].verdict is Verdict.PASS

    @property
    def halted_at_s(self) -> float | None:
        """Return when the last sample that did not pass was judged, None where none is kept."""
        return next((sample.at_s for sample in reversed(self.samples) if sample.verdict is not Verdict.PASS), None)

    def short(self, value: float) -> str:
        """Return a value with four digits, or as many as show on which side of the bounds it is."""
        texts = [f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}" for digits in (4, 5, 6)]
        return next((text for text in texts if self._allows(float(text)) == self._allows(value)), texts[-1])

    def _allows(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True, slots=True)
class Step:
    """One of `spec.analysis.steps`; `duration` is as it is written."""

    weight: int
    duration: str
    is_pause: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryView:
    """What is shown of a Canary. Moments are seconds since the epoch, None where nothing is known."""

    namespace: str
    name: str
    phase: str
    weight: int
    mirror_percent: int
    most_weight: int
    iterations: int
    all_iterations: int
    steps: tuple[Step, ...]
    step: int
    is_step_resumed: bool
    step_served_at_s: float | None
    bake: str
    bake_started_at_s: float | None
    interval: str
    failed_checks: int
    threshold: int
    is_ready: bool | None
    ready_reason: str
    ready_message: str
    target_kind: str
    target: str
    seen: str
    analysed: str
    promoted: str
    change: Mark | None
    is_paused: bool
    is_suspended: bool
    waiting_for: tuple[str, ...]
    queue: Queued | None
    next_check_at_s: float | None
    unready_at_s: float | None
    progress_deadline_s: int
    moved_at_s: float | None
    request: RequestResult | None
    pending_request: str
    news: tuple[str, ...]
    checks: tuple[Check, ...]
    history: tuple[HistoryEntry, ...]
    run: Run

    @property
    def primary(self) -> str:
        """Return the name of the primary workload."""
        return primary_name(self.target)

    @property
    def is_analysing(self) -> bool:
        """Return whether a run is on of which nothing has reached the primary."""
        return self.phase in ANALYSING

    @property
    def is_idle(self) -> bool:
        """Return whether no run is on."""
        return self.phase in IDLE

    @property
    def waits_for_somebody(self) -> bool:
        """Return whether the run goes no further until a gate opens or somebody resumes it."""
        return self.is_analysing and bool(self.waiting_for or self.is_paused)

    @property
    def paused_step(self) -> int:
        """Return the number of the step whose pause holds the run, 0 where none does."""
        numbers = map(paused_step, self.waiting_for if self.is_analysing else ())
        return next(filter(None, numbers), 0)

    @property
    def is_held_by_step(self) -> bool:
        """Return whether the present step has a pause that nobody has ended, whatever else holds the run."""
        own = self.steps[self.step - 1] if 0 < self.step <= len(self.steps) else None
        return self.is_analysing and own is not None and own.is_pause and not self.is_step_resumed

    def waiting_text(self, key: str) -> str:
        """Return one of `waiting_for` in words."""
        number = paused_step(key)
        return f"somebody to resume step {number}" if number else key

    def ended(self, revision: str) -> HistoryEntry | None:
        """Return the last run of a revision that has ended, None where it is not kept."""
        return next((one for one in self.history if revision and one.revision.startswith(revision)), None)

    @classmethod
    def read(cls, obj: Mapping[str, Any]) -> Self:
        """Read a Canary of the API server's, whatever stands in its free fields."""
        metadata, spec, status = mapping_of(obj, "metadata"), mapping_of(obj, "spec"), mapping_of(obj, "status")
        ours, analysis = (
            mapping_of(status, SERIN_STATUS),
            mapping_of(spec, "analysis") or mapping_of(spec, "canaryAnalysis"),
        )
        target, ready = mapping_of(spec, "targetRef"), condition_of(status, READY)
        steps = tuple(map(_step, _maps(analysis, "steps")))
        return cls(
            namespace=_text(metadata, "namespace"),
            name=_text(metadata, "name"),
            phase=_text(status, "phase"),
            weight=_int(status.get("canaryWeight")),
            mirror_percent=_int(ours.get(StatusKey.MIRROR_PERCENT)),
            most_weight=_most_weight(analysis, steps),
            iterations=_int(status.get("iterations")),
            all_iterations=_int(analysis.get("iterations")),
            steps=steps,
            step=_int(ours.get(StatusKey.STEP)),
            is_step_resumed=ours.get(StatusKey.STEP_RESUMED) is True,
            step_served_at_s=read_known_time(ours.get(StatusKey.STEP_SERVED_AT)),
            bake=_text(analysis, "bake"),
            bake_started_at_s=read_known_time(ours.get(StatusKey.BAKE_STARTED_AT)),
            interval=_text(analysis, "interval"),
            failed_checks=_int(status.get("failedChecks")),
            threshold=_int(analysis.get("threshold")),
            is_ready={"True": True, "False": False}.get(_text(ready, "status")),
            ready_reason=_text(ready, "reason"),
            ready_message=_text(ready, "message"),
            target_kind=_text(target, "kind") or DEFAULT_TARGET_KIND,
            target=_text(target, "name"),
            seen=_text(mapping_of(ours, StatusKey.TARGET), "revision"),
            analysed=_text(status, "lastAppliedSpec"),
            promoted=_text(status, "lastPromotedSpec"),
            change=_change(mapping_of(ours, StatusKey.CHANGE)),
            is_paused=ours.get(StatusKey.PAUSED) is True,
            is_suspended=spec.get("suspend") is True,
            waiting_for=_texts(ours, StatusKey.WAITING_FOR),
            queue=_queue(ours) if _text(status, "phase") in IDLE else None,
            next_check_at_s=read_known_time(ours.get(StatusKey.NEXT_CHECK_AT)),
            unready_at_s=read_known_time(ours.get(StatusKey.UNREADY_AT)),
            progress_deadline_s=_int(spec.get("progressDeadlineSeconds", DEFAULT_PROGRESS_DEADLINE_S)),
            moved_at_s=read_known_time(status.get("lastTransitionTime")),
            request=_request(mapping_of(ours, StatusKey.REQUEST)),
            pending_request=_text(mapping_of(metadata, "annotations"), REQUEST_ANNOTATION),
            news=tuple(_text(item, "text") for item in _maps(ours, StatusKey.MESSAGES)),
            checks=tuple(_checks(ours)),
            history=tuple(map(_readable, read_history(ours.get(StatusKey.HISTORY)))),
            run=read_run(ours.get(StatusKey.RUN)),
        )

    @property
    def turn_text(self) -> str:
        """Return where a new revision stands that waits for its turn, empty where none does."""
        return f"{self.queue.position} of {self.queue.of} in the queue" if self.queue else ""

    @property
    def phase_word(self) -> str:
        """Return the phase, or what a canary is that has none yet."""
        return self.phase or "New"


def _queue(ours: Mapping[str, Any]) -> Queued | None:
    try:
        return Queued.read(ours.get(StatusKey.QUEUE))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _change(item: Mapping[str, Any]) -> Mark | None:
    revision, what, by = (_text(item, key) for key in ("revision", "what", "by"))
    return Mark(revision, what, by) if revision else None


def _request(item: Mapping[str, Any]) -> RequestResult | None:
    try:
        found = RequestResult.read(item or None)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if found is None:
        return None
    return replace(
        found,
        text=shown(found.text),
        claim=shown(found.claim),
        why_refused=shown(found.why_refused),
        by=shown(found.by),
    )


def _step(item: Mapping[str, Any]) -> Step:
    return Step(_int(item.get("weight")), _text(item, "duration"), is_pause="pause" in item)


def _most_weight(analysis: Mapping[str, Any], steps: Sequence[Step]) -> int:
    if steps:
        return steps[-1].weight
    listed = analysis.get("stepWeights")
    if isinstance(listed, list) and listed:
        return _int(listed[-1])
    return _int(analysis.get("maxWeight")) or _MOST_WEIGHT


def _checks(ours: Mapping[str, Any]) -> Iterator[Check]:
    """Return the checks with their tests: of checks with one name the second's is called `name#2`."""
    tests = {test.name: test.shown for test in read_evidence_of(ours.get(StatusKey.EVIDENCE)) if test.shown.answer}
    counts = Counter[str]()
    for kept in read_checks(ours.get(StatusKey.CHECKS)):
        counts[kept.name] += 1
        number = counts[kept.name]
        yield _check(kept, tests.get(kept.name if number == 1 else f"{kept.name}#{number}"))


def _check(kept: KeptCheck, evidence: Shown | None) -> Check:
    """Return a check as it may be shown in a terminal."""
    return Check(
        shown(kept.name),
        kept.least,
        kept.most,
        shown(kept.unit),
        kept.samples,
        shown(kept.reason),
        is_dry_run=kept.is_dry_run,
        failures_needed=kept.failures_needed,
        evidence=None if evidence is None else replace(evidence, text=shown(evidence.text)),
    )


def _readable(entry: HistoryEntry) -> HistoryEntry:
    """Return a run as it may be shown in a terminal."""
    return replace(
        entry,
        revision=shown(entry.revision),
        change=shown(entry.change),
        by=shown(entry.by),
        reason=shown(entry.reason),
    )


def _maps(holder: object, field: str) -> list[Mapping[str, Any]]:
    return [item for item in items_of(holder, field) if isinstance(item, Mapping)]


def _text(holder: object, field: str) -> str:
    """Return a text as it may be shown in a terminal."""
    return shown(text_of(holder, field))


def _texts(holder: object, field: str) -> tuple[str, ...]:
    return tuple(shown(item) for item in items_of(holder, field) if isinstance(item, str) and item)


def _int(found: object) -> int:
    return int(found) if isinstance(found, int | float) and math.isfinite(found) else 0
