"""What a replay comes to: the one line that matters first, then each check with its looks and values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from canary.api.duration import format_duration
from canary.judgement.finding import Answer, Rate, of_enough
from canary.judgement.plan import Plan
from canary.run.history import Outcome
from canary.run.judge import Verdict
from canary.run.kept import VERDICT_WORDS
from canary.run.traffic import TOTAL_PERCENT
from cli.get.table import Cell, lines, widths
from cli.replay.checks import LeftOut, Measured, Tested
from cli.replay.course import Course, LookedAt, MeasuredAt, Rollback, Sooner, Stay
from cli.replay.record import Record
from cli.rollout.ages import span
from cli.rollout.canary import Check
from cli.rollout.styles import BAD, GOOD, HELD, QUIET, STRONG
from cli.terminal import Line

_VERDICTS: Final = VERDICT_WORDS | {Verdict.NO_DATA: "no data"}
_STYLES: Final = {Verdict.PASS: GOOD, Verdict.FAIL: BAD}
_WORDS: Final = {Outcome.PROMOTED: "promoted", Outcome.ROLLED_BACK: "rolled back", Outcome.SUPERSEDED: "superseded"}
_TOLD_IF_CHANGED: Final = {"ratio", "burst", "deadline", "undecided", "warmUp"}
_OTHER_SPLIT: Final = "*"
_MOST_SHOWN: Final = 1e6
_LEAST_SHOWN: Final = 0.01
_MOST_SPANS: Final = 3
_WHOLE_FROM: Final = 10
_JOINED_FROM: Final = 2.5
"""Intervals: one look may be late, or missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that is told. `spec` names where the spec is from, `not_replayed` the fields of it that differ in vain.

    `interval_s` is how long after one look the next came, unless they are kept as one.
    """

    canary: str
    spec: str
    record: Record
    course: Course
    tests: Sequence[Tested]
    baseline: Sequence[Tested]
    measured: Sequence[Measured]
    left_out: Sequence[LeftOut]
    not_replayed: Sequence[str]
    interval_s: float


# The line that matters.


def headline(told: Told) -> tuple[str, str]:
    """Return in one line what would have happened, and its style."""
    text, style = _headline(told)
    names = ", ".join(dict.fromkeys(each.name for each in told.left_out))
    return f"{text}; without {names}" if names else text, style


def _headline(told: Told) -> tuple[str, str]:
    course, stays = told.course, told.course.stays
    if course.rollback is not None:
        return _rolled_back(told, course.rollback), BAD
    if stays and stays[-1].until_s is None:
        return f"{_spans(told, stays)}; {_was(told)}", HELD
    if not course.by_steps:
        return _by_values(told), HELD if course.failed_checks else GOOD
    if stays:
        spans = _spans(told, stays)
        if course.is_through:
            return f"well at every step, but later ({spans}); {_was(told)}", HELD
        last = "" if course.percent is None else f", at {course.percent} % when the looks end"
        return f"well, but later ({spans}){last}; {_was(told)}", HELD
    outcome = told.record.fate.outcome
    if course.sooner is not None:
        every = "well at every step, and sooner: " if outcome is Outcome.PROMOTED else "well: "
        return f"{every}{_on_sooner(told, course.sooner)}; {_was(told)}", GOOD
    if outcome is Outcome.PROMOTED:
        return f"well at every step; promoted as it was, at {_end(told)}", GOOD
    text, style = "well", GOOD
    if course.open is not None:
        text, style = f"{', '.join(course.open.names)}: {course.open.why}{_at_percent(course.open)}", HELD
    if outcome is Outcome.ROLLED_BACK:
        return f"{text} until it was rolled back at {_end(told)}; nothing is known of what would have followed", style
    return f"{text} so far; {_was(told)}", style


def _rolled_back(told: Told, rollback: Rollback) -> str:
    course, fate = told.course, told.record.fate
    first = f"{_spans(told, course.stays)}, then " if course.stays else ""
    is_joined = any(at_s == rollback.at_s for at_s, _ in _joined(told))
    at = f"at {_clock(told, rollback.at_s)}{' or before' if is_joined else ''}"
    is_told = bool(course.stays) and course.stays[-1].names == rollback.names
    text = f"{'' if is_told else ', '.join(rollback.names) + ': '}{rollback.why} {at}"
    is_same = fate.outcome is Outcome.ROLLED_BACK and rollback.at_s == told.record.last_at_s and not course.stays
    return f"{text}, rolled back as it was" if is_same else f"{first}{text}, rolled back there; {_was(told)}"


def _spans(told: Told, stays: Sequence[Stay]) -> str:
    """Return where the run would have been held, the first and the last of many."""
    shown = stays if len(stays) <= _MOST_SPANS else (stays[0], stays[-1])
    texts, before = [], None
    for stay in shown:
        why = f"{', '.join(stay.names)}: {stay.why}: held"
        until = "on" if stay.until_s is None else f"until {_clock(told, stay.until_s)}"
        text = f"{_at_percent(stay)} from {_clock(told, stay.at_s)} {until}"
        texts.append(text.strip() if why == before else f"{why}{text}")
        before = why
    return (", " if shown is stays else ", ..., ").join(texts)


def _at_percent(stay: Stay) -> str:
    return "" if stay.percent is None else f" at {stay.percent} %"


def _on_sooner(told: Told, sooner: Sooner) -> str:
    start = "on" if sooner.percent is None else f"on from {sooner.percent} %"
    taken = "" if sooner.taken_at_s is None else f", and not at {_clock(told, sooner.taken_at_s)}"
    return f"{start} at {_clock(told, sooner.at_s)}{taken}"


def _was(told: Told) -> str:
    fate = told.record.fate
    if fate.outcome is None:
        return "the run is under way"
    text = f"it was {_WORDS[fate.outcome]} at {_end(told)}"
    is_open = fate.outcome is Outcome.ROLLED_BACK and told.course.rollback is None
    return f"{text}, and nothing is known of what would have followed" if is_open else text


def _end(told: Told) -> str:
    return _clock(told, told.record.fate.ended_at_s or 0.0)


def _by_values(told: Told) -> str:
    """Return what the values of thresholds come to, of a run without a look."""
    course = told.course
    rows = [row for rows in course.values.values() for row in rows]
    if all(row.verdict is Verdict.PASS for row in rows):
        return f"all values that are kept pass; {_was(told)}"
    if all(row.verdict is row.before for row in rows) and course.failed_checks == told.record.failed_checks:
        return f"each value that is kept comes to the same; {_was(told)}"
    failed = {row.at_s for row in rows if row.is_counted}
    moments = f" ({', '.join(_clock(told, at_s) for at_s in sorted(failed))})" if failed else ""
    before = f", {course.failed_before} of them before what is kept, as they were" if course.failed_before else ""
    text = f"{course.failed_checks} of {course.threshold} failed checks{moments}{before}"
    return f"{text}: held at each, and not rolled back by the values that are kept; {_was(told)}"


# The lines below it.


def as_lines(told: Told, *, is_wide: bool) -> Iterator[Line]:
    """Return the lines."""
    text, style = headline(told)
    yield [(text, style)]
    yield ""
    record = told.record
    first, last = record.first_at_s, record.fate.ended_at_s or record.last_at_s
    when = f"{_date(first)} {_clock(told, first or 0.0)} to {_clock(told, last or 0.0)} UTC"
    yield [
        (f"Canary {told.canary}", STRONG),
        (f"  revision {record.revision or '-'}  {when}, judged again by {told.spec}", QUIET),
    ]
    if record.fate.reason:
        yield [("  it ended by: ", QUIET), (record.fate.reason, "")]
    for text in notes(told):
        yield [("  note: ", HELD), (text, "")]
    for test in told.tests:
        yield from _of_test(told, test, is_wide=is_wide)
    for each in told.measured:
        yield from _of_values(told, each)
    if _is_parted(told):
        yield ""
        yield [(f"{_OTHER_SPLIT} by then the traffic would have had another split: {_other(told)}", QUIET)]


def notes(told: Told) -> Iterator[str]:
    """Return what has to be known of it: checks that are left out, and what is not judged as it would have been."""
    for each in told.left_out:
        yield f"{each.name} is left out: {each.why}"
    if told.not_replayed:
        fields = ", ".join(f"spec.analysis.{field}" for field in told.not_replayed)
        yield f"{fields}: not as in the cluster, which can't be replayed: looks and steps are the run's"
    if joined := list(_joined(told)):
        at_s, span_s = max(joined, key=lambda each: each[1])
        longest = f"{span(span_s)} up to {_clock(told, at_s)}"
        yield f"older looks are kept as one ({longest}): what they show may have been so at any time in it"
    for test in told.tests:
        is_learned = test.metric.evidence is not None and test.metric.evidence.pinned_burst is None
        if is_learned and test.plan.burst is not None and test.plan.burst > 1:
            known = "as was known of its bursts when the run ended"
            yield f"{test.name}: {test.plan.burst:.2g} failures count as one from the first look on, {known}"


def _joined(told: Told) -> Iterator[tuple[float, float]]:
    """Return the looks that are several kept as one: when, and of how long a time."""
    spans = dict[float, float]()
    for test in told.tests:
        before_s = test.begun.began_at_s
        for look in test.looks:
            waited_s = look.at_s - (look.at_s if before_s is None else before_s)
            spans[look.at_s] = min(spans.get(look.at_s, waited_s), waited_s)
            before_s = look.at_s
    yield from ((at_s, span_s) for at_s, span_s in sorted(spans.items()) if span_s > _JOINED_FROM * told.interval_s)


def _is_parted(told: Told) -> bool:
    rows: list[LookedAt | MeasuredAt] = [row for looks in told.course.looks.values() for row in looks]
    rows += [row for values in told.course.values.values() for row in values]
    return any(row.is_other_split for row in rows)


def _other(told: Told) -> str:
    return "more on the canary sooner" if told.course.sooner is not None else "less on the canary than it had"


def _of_test(told: Told, test: Tested, *, is_wide: bool) -> Iterator[Line]:
    rows = told.course.looks[test.name]
    before = next((one for one in told.baseline if one.name == test.name), test)
    yield ""
    yield [
        (test.name, STRONG),
        (f"  {_plan(test.plan, before.plan)}{', dry run' if test.metric.dry_run else ''}", QUIET),
    ]
    shown = rows if is_wide else _telling(rows)
    has_primary = any(row.finding.primary.requests for row in rows)
    headings = ["  TIME", "NEXT", "CANARY", *(["PRIMARY"] if has_primary else []), "HARM", "WELL", "ANSWER"]
    cells = [[Cell(heading) for heading in headings], *(_look_cells(told, row, has_primary) for row in shown)]
    yield from lines(cells, widths(cells))
    if hidden := len(rows) - len(shown):
        yield [(f"  {hidden} {'look' if hidden == 1 else 'looks'} between them that changed nothing: -o wide", QUIET)]


def _telling(rows: Sequence[LookedAt]) -> Sequence[LookedAt]:
    """Return the looks at which something changed, and the last one of each time in which nothing did."""
    keys = [(row.next_percent, row.finding.answer, row.verdict, row.is_other_split) for row in rows]
    last = len(rows) - 1
    return [
        row for at, row in enumerate(rows) if at in {0, last} or keys[at] != keys[at - 1] or keys[at] != keys[at + 1]
    ]


def _look_cells(told: Told, row: LookedAt, has_primary: bool) -> list[Cell]:  # noqa: FBT001  of this page alone
    found, style = row.finding, _STYLES.get(row.verdict, HELD)
    following = "promotion" if row.next_percent >= TOTAL_PERCENT else f"{row.next_percent:g} %"
    sides = [found.canary, found.primary] if has_primary else [found.canary]
    return [
        Cell(f"{_OTHER_SPLIT if row.is_other_split else ' '} {_clock(told, row.at_s)}", QUIET),
        Cell(following),
        *(Cell(_rate(side)) for side in sides),
        Cell(of_enough(found.e_harm, found.harm_at, _number)),
        Cell(of_enough(found.e_well, found.well_at, _number)),
        Cell(_answer(row), style),
    ]


def _answer(row: LookedAt) -> str:
    word = row.finding.answer.value
    if row.verdict is Verdict.PASS and row.finding.answer is not Answer.WELL:
        return f"{word}, passes"
    if row.verdict is Verdict.NO_DATA:
        return "no request"
    return f"{word}, rolls back" if row.verdict is Verdict.FAIL else word


def _plan(plan: Plan, before: Plan) -> str:
    """Return the limits in words, each that was another one with what it was; some only where they were."""
    now, then = _limits(plan), _limits(before)
    return ", ".join(
        f"{name} {text}" if then[name] == text else f"{name} {text} (was {then[name]})"
        for name, text in now.items()
        if then[name] != text or name not in _TOLD_IF_CHANGED
    )


def _limits(plan: Plan) -> dict[str, str]:
    return {
        "limit": "/".join(_percent(bound.limit) for bound in plan.bounds),
        "unacceptable": "/".join(_percent(bound.unacceptable) for bound in plan.bounds),
        "against": plan.against,
        "alpha": f"{plan.alpha:g}" + (f" shared by {plan.checks}" if plan.checks > 1 else ""),
        "beta": f"{plan.beta:g}",
        "ratio": f"{plan.ratio:g}",
        "burst": f"{plan.burst or 1:.2g}",
        "deadline": format_duration(plan.deadline_s or 0),
        "undecided": plan.undecided,
        "warmUp": format_duration(plan.warm_up_s),
    }


def _of_values(told: Told, each: Measured) -> Iterator[Line]:
    rows = told.course.values[each.name]
    check = _as_shown(each)
    yield ""
    yield [(each.name, STRONG), (f"  {check.threshold}, the last {len(each.samples)} values", QUIET)]
    cells = [[Cell("  TIME"), Cell("VALUE"), Cell("WAS"), Cell("WOULD BE")]]
    for row in rows:
        value = "-" if row.value is None else f"{check.short(row.value)} {each.unit}".strip()
        mark = f"{_OTHER_SPLIT if row.is_other_split else ' '} {_clock(told, row.at_s)}"
        is_alone = row.verdict is Verdict.FAIL and not row.is_counted and not each.metric.dry_run
        word = f"{_VERDICTS[row.verdict]}{', does not count yet' if is_alone else ''}"
        style = _STYLES.get(row.verdict, HELD)
        cells.append([Cell(mark, QUIET), Cell(value), Cell(_VERDICTS[row.before], QUIET), Cell(word, style)])
    yield from lines(cells, widths(cells))


def _as_shown(each: Measured) -> Check:
    bounds = each.bounds
    return Check(
        each.name,
        bounds.min,
        bounds.max,
        each.unit,
        each.samples,
        "",
        is_dry_run=each.metric.dry_run,
        failures_needed=each.metric.failures_needed,
    )


def _rate(rate: Rate) -> str:
    share = f" ({_percent(rate.share)})" if rate.share is not None and rate.failures else ""
    return f"{rate.failures:,.0f} of {rate.requests:,.0f}{share}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else "100 %"


def _number(value: float) -> str:
    if value > _MOST_SHOWN:
        return f"over {_MOST_SHOWN:,.0f}"
    if value < _LEAST_SHOWN:
        return "under 0.01"
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.2g}"


def _date(at_s: float | None) -> str:
    return "-" if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d}"


def _clock(told: Told, at_s: float) -> str:
    """Return the time of day, and the date where it is another one than the run began on."""
    day = _date(at_s)
    clock = f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}"
    return clock if day == _date(told.record.first_at_s) else f"{day} {clock}"
