"""All that the page has of one canary: its steps, checks, runs, messages, and what to type."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from agent.page.recent import Recent, Said
from agent.page.rows import MOST_TEXT_CHARS, Row
from agent.stored import read_stored
from canary.api.canary import Canary
from canary.api.duration import format_duration
from canary.api.parts import mapping_of, text_of
from canary.api.shown import shown
from canary.judgement.spec import evidence_name
from canary.run.evidence import CheckEvidence
from canary.run.history import HistoryEntry, read_history
from canary.run.judge import effective_range
from canary.run.kept import VERDICT_WORDS, KeptCheck, read_checks, unit_of
from canary.run.moments import write_second
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.state import State
from canary.run.status import UnknownPhase
from canary.run.steps import Step, listed_step, next_step
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import Object
from kube.store import key_of

MOST_STEPS: Final = 100
"""That are shown; of iterations there may be a hundred thousand."""

_MOST_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the analysis: `state` is done, now or next."""

    text: str
    weight: int
    state: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A test: its last answer in a word and in a sentence, and where it stands between well (-1) and harm (1)."""

    answer: str
    text: str
    bar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check with its bounds, as configured, and its last samples, newest last.

    `dry`: it decides nothing. `needs`: how often in a row it must fail before that counts. `evidence`: where the test
    of one stands that is judged so, None of any other.
    """

    name: str
    min: float | None
    max: float | None
    unit: str
    samples: tuple[Mapping[str, Any], ...]
    reason: str
    dry: bool
    needs: int
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended."""

    revision: str
    change: str
    by: str
    started: str
    ended: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody may type, and what it does. `useful`: it does something now."""

    text: str
    does: str
    useful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What the page shows of one canary; the names of the fields are those of its JSON.

    `began` is the start of the run that is on, as stored, empty where none is.
    `next_check`, and until when the step or the bake `lasts_until`, are seconds since the epoch, 0 where none is due.
    `asked`: the last request, in words. `has_more_steps`: beyond those that are listed.
    """

    row: Row
    began: str
    interval: str
    steps: tuple[PlannedStep, ...]
    has_more_steps: bool
    next_check: int
    lasts_until: int
    checks: tuple[Check, ...]
    runs: tuple[Run, ...]
    messages: tuple[Said, ...]
    weights: list[tuple[int, int]]
    asked: str
    commands: tuple[Command, ...]


def detail_of(obj: Object, row: Row, recent: Recent) -> Detail:
    """Return all of a canary. Total: what can't be read is left out."""
    key, ours = key_of(obj), mapping_of(mapping_of(obj, "status"), SERIN_STATUS)
    canary, state = _read(obj)
    steps = () if canary is None else _steps(canary, state)
    return Detail(
        row=row,
        began=_text(mapping_of(ours, StatusKey.RUN), "startedAt"),
        interval="" if canary is None else format_duration(canary.interval_s),
        steps=steps[:MOST_STEPS],
        has_more_steps=len(steps) > MOST_STEPS,
        next_check=int(state.timing.next_check_at_s) if state.phase in ANALYSING else 0,
        lasts_until=0 if canary is None else _lasts_until(canary, state),
        checks=tuple(_checks(canary, read_checks(ours.get(StatusKey.CHECKS)), state.analysis.evidence)),
        runs=tuple(map(_run, read_history(ours.get(StatusKey.HISTORY)))),
        messages=tuple(recent.messages(key)),
        weights=recent.weights(key),
        asked=_asked(state),
        commands=tuple(_commands(row, state)),
    )


def _read(obj: Object) -> tuple[Canary | None, State]:
    """Read a canary as the agent does; of one in a phase that this version does not know nothing is planned."""
    try:
        stored = read_stored(obj, None)
    except UnknownPhase:
        return None, State()
    return stored.canary, stored.state


def _steps(canary: Canary, state: State) -> tuple[PlannedStep, ...]:
    """Return the steps of the spec and the bake behind them, one more than is shown if there are more."""
    planned = tuple(islice(_all_steps(canary), MOST_STEPS + 1))
    bakes = _bake_s(canary) > 0
    at = _position(planned, state) if state.phase in ANALYSING else None
    is_over = state.phase in {Phase.PROMOTING, Phase.FINALISING, Phase.SUCCEEDED}
    steps = [
        PlannedStep(_in_words(canary, step), step.traffic.canary_percent, _state(position, at, is_over=is_over))
        for position, step in enumerate(planned)
    ]
    if bakes and len(planned) <= MOST_STEPS:
        weight = planned[-1].traffic.canary_percent if planned else 0
        text = f"bake for {canary.analysis.bake if canary.analysis else ''}"
        steps.append(PlannedStep(text, weight, _state(len(planned), at, is_over=is_over)))
    return tuple(steps)


def _bake_s(canary: Canary) -> float:
    return canary.analysis.bake_s if canary.analysis is not None else 0.0


def _lasts_until(canary: Canary, state: State) -> int:
    """Return until when the present step or the bake lasts at least, in seconds since the epoch; 0 without a time."""
    record, step = state.analysis.step, listed_step(canary, state.present_step)
    if state.phase not in ANALYSING:
        return 0
    if record.bake_started_at_s is not None:
        return int(record.bake_started_at_s + _bake_s(canary))
    if step is None or not step.duration_s or record.served_at_s is None:
        return 0
    return int(record.served_at_s + step.duration_s)


def _all_steps(canary: Canary) -> Iterator[Step]:
    step = next_step(canary, None)
    while step is not None:
        yield step
        step = next_step(canary, step)


def _position(planned: tuple[Step, ...], state: State) -> int | None:
    """Return which of the steps is on, None before the first one; the bake is behind the last."""
    if state.analysis.step.bake_started_at_s is not None:
        return len(planned)
    now = state.present_step
    reached = [
        position
        for position, step in enumerate(planned)
        if step.traffic.canary_percent <= now.traffic.canary_percent
        and step.iterations <= now.iterations
        and step.number <= now.number
        and (now.traffic.is_exposing or now.iterations or now.number)
    ]
    return reached[-1] if reached else None


def _state(position: int, at: int | None, *, is_over: bool) -> str:
    if is_over:
        return "done"
    if at is None or position > at:
        return "next"
    return "now" if position == at else "done"


def _in_words(canary: Canary, step: Step) -> str:
    if step.carries_everything:
        return "all traffic to the canary"
    if step.iterations:
        mirrored = f", {step.traffic.mirror_percent} % mirrored" if step.traffic.mirror_percent else ""
        return f"iteration {step.iterations}{mirrored}"
    if step.traffic.mirror_percent:
        return f"{step.traffic.mirror_percent} % mirrored"
    listed = listed_step(canary, step)
    lasting = "" if listed is None or not listed.duration_s else f", {listed.duration}"
    paused = "" if listed is None or not listed.is_pause else ", until resumed"
    return f"{step.traffic.canary_percent} %{lasting}{paused}"


def _checks(canary: Canary | None, kept: Iterable[KeptCheck], evidence: Iterable[CheckEvidence]) -> Iterator[Check]:
    """Join what is configured with what status keeps of it; what is no longer configured is shown as it was kept."""
    by_name = {check.name: check for check in kept}
    tests = {test.name: _evidence(test) for test in evidence if test.shown.answer}
    metrics = canary.analysis.metrics if canary is not None and canary.analysis is not None else ()
    for metric in metrics[:_MOST_LISTED]:
        limits, found = effective_range(metric), by_name.pop(metric.name, KeptCheck(name=metric.name))
        known = replace(found, least=limits.min, most=limits.max, unit=unit_of(metric) or found.unit)
        known = replace(known, is_dry_run=metric.dry_run, failures_needed=metric.failures_needed)
        yield _check(known, tests.get(evidence_name(canary, metric)) if canary is not None else None)
    yield from map(_check, islice(by_name.values(), _MOST_LISTED))


def _evidence(test: CheckEvidence) -> Evidence:
    return Evidence(test.shown.answer, shown(test.shown.text, MOST_TEXT_CHARS), test.shown.bar)


def _check(kept: KeptCheck, evidence: Evidence | None = None) -> Check:
    samples = tuple(
        {"at": write_second(sample.at_s), "value": sample.value, "verdict": VERDICT_WORDS[sample.verdict]}
        for sample in kept.samples[-_MOST_LISTED:]
    )
    name, unit, reason = (shown(text, MOST_TEXT_CHARS) for text in (kept.name, kept.unit, kept.reason))
    return Check(
        name=name,
        min=kept.least,
        max=kept.most,
        unit=unit,
        samples=samples,
        reason=reason,
        dry=kept.is_dry_run,
        needs=kept.failures_needed,
        evidence=evidence,
    )


def _run(entry: HistoryEntry) -> Run:
    revision, change, by, reason = (
        shown(text, MOST_TEXT_CHARS) for text in (entry.revision, entry.change, entry.by, entry.reason)
    )
    started, ended = write_second(entry.started_at_s), write_second(entry.ended_at_s)
    return Run(revision, change, by, started, ended, str(entry.outcome), reason)


def _asked(state: State) -> str:
    request = state.control.request
    if request is None:
        return ""
    by = f" by {request.by}" if request.by else ""
    refused = f", refused: {request.why_refused}" if request.why_refused else ""
    return shown(f"{request.text}{by}{refused}", MOST_TEXT_CHARS)


def _commands(row: Row, state: State) -> Iterator[Command]:
    """Say what to type: the page itself changes nothing, so that who may act is left to RBAC."""
    is_on, is_analysed = state.phase not in {None, *IDLE}, state.phase in ANALYSING
    is_held = row.paused or bool(row.waiting)
    verbs = (
        ("status", "show it in the terminal", True),
        ("abort", "end the run, all traffic to the primary", is_analysed),
        ("pause", "keep the weight where it is; checks go on", is_analysed and not row.paused),
        ("resume", "go on", is_held),
        ("promote", "end the analysis and promote now", is_analysed),
        ("skip", "roll back, and never roll this revision out", is_analysed),
        ("retry", _retry_text(state), state.phase is Phase.FAILED or state.queue is not None),
        ("undo", "put the release before back, by a run", not is_on),
        ("history", "list the last runs", True),
        ("events", "list the events", True),
    )
    for verb, does, is_useful in verbs:
        yield Command(f"serin {verb} {row.name} -n {row.namespace}", does, is_useful)


def _retry_text(state: State) -> str:
    return "analyse the revision again" if state.queue is None else "begin the run now, before its turn"


def _text(holder: object, field: str) -> str:
    return shown(text_of(holder, field), MOST_TEXT_CHARS)
