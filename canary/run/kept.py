"""What the status keeps of a run's checks: for each its bounds, its last samples, and why it last held the run.

It is read by people and their tools, and the condition Ready tells of it. No run is decided from it, so whatever else
stands there is left out.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import orjson

from canary.api.metrics import REQUEST_DURATION, SUCCESS_RATE, CanaryMetric
from canary.api.parts import text_of
from canary.api.shown import shown
from canary.run.counts import MOST_COUNT
from canary.run.judge import CheckResult, Verdict, effective_range
from canary.run.moments import read_known_time, write_second

MOST_SAMPLES: Final = 10
"""Of each check."""

MOST_BYTES: Final = 8 * 1024 - 1
"""Of all checks as they are written. The API server keeps the status, and each watcher gets all of it each time."""

_MOST_NAME_CHARS: Final = 253
_MOST_REASON_CHARS: Final = 200
_DIGITS: Final = 6
"""Significant ones: a value with all its digits takes three times the room, and tells nobody more."""

_Named = TypeVar("_Named")

VERDICT_WORDS: Final = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.NO_DATA: "noData",
    Verdict.ERROR: "error",
    Verdict.UNDECIDED: "undecided",
}
_VERDICTS: Final = {word: verdict for verdict, word in VERDICT_WORDS.items()}


@dataclass(frozen=True, slots=True)
class KeptSample:
    """One answer: when it was judged, as what, and its value in the metric's own unit, None where there was none."""

    at_s: float
    value: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheck:
    """One metric of the spec. `least` and `most` are its bounds, `unit` that of the builtin ones, empty if unknown.

    `samples` has the newest last. `reason` is the text of the last sample that did not pass, empty where all did.
    `is_refused`: it has no answer until somebody mends what `reason` says. `is_dry_run`: it decides nothing.
    `failures_needed`: how often in a row it must fail before that counts.
    """

    name: str
    least: float | None = None
    most: float | None = None
    unit: str = ""
    samples: tuple[KeptSample, ...] = ()
    reason: str = ""
    is_refused: bool = False
    is_dry_run: bool = False
    failures_needed: int = 1


def keep_samples(
    kept: Sequence[KeptCheck], metrics: Sequence[CanaryMetric], results: Sequence[CheckResult], now_s: float
) -> tuple[KeptCheck, ...]:
    """Return what is kept with the results of one interval: the checks of the spec that were asked, in its order.

    `results` may have those of hooks too, of any names; they come first, and none of them is kept.
    """
    before = _numbered((check.name, check) for check in kept)
    answers = _numbered((result.name, result) for result in results)
    asked = reversed(_numbered((metric.name, metric) for metric in metrics).items())
    return fitted(
        _with_sample(before.get((shown(name, _MOST_NAME_CHARS), number)), metric, answers[name, number], now_s)
        for (name, number), metric in asked
        if (name, number) in answers
    )


def _numbered(items: Iterable[tuple[str, _Named]]) -> dict[tuple[str, int], _Named]:
    """Return the items, the last first, by their name and by how many of that name come after it."""
    counts, numbered = Counter[str](), dict[tuple[str, int], _Named]()
    for name, item in reversed(tuple(items)):
        numbered[name, counts[name]] = item
        counts[name] += 1
    return numbered


def _with_sample(known: KeptCheck | None, metric: CanaryMetric, result: CheckResult, now_s: float) -> KeptCheck:
    bounds, sample = effective_range(metric), KeptSample(float(int(now_s)), _rounded(result.value), result.verdict)
    before, reason = (known.samples, known.reason) if known is not None else ((), "")
    return KeptCheck(
        name=shown(metric.name, _MOST_NAME_CHARS),
        least=bounds.min,
        most=bounds.max,
        unit=unit_of(metric),
        samples=(*before, sample)[-MOST_SAMPLES:],
        reason=reason if result.verdict is Verdict.PASS else shown(result.text, _MOST_REASON_CHARS),
        is_refused=result.is_refused,
        is_dry_run=metric.dry_run,
        failures_needed=metric.failures_needed,
    )


def fitted(checks: Iterable[KeptCheck]) -> tuple[KeptCheck, ...]:
    """Return as much of it as there is room for: the oldest samples go first, then reasons, then the last checks."""
    whole = tuple(checks)
    return next(some for some in _less_and_less(whole) if _size(some) <= MOST_BYTES)


def _less_and_less(whole: tuple[KeptCheck, ...]) -> Iterator[tuple[KeptCheck, ...]]:
    for number in range(MOST_SAMPLES, 0, -1):
        yield tuple(replace(check, samples=check.samples[-number:]) for check in whole)
    bare = tuple(replace(check, samples=check.samples[-1:], reason="") for check in whole)
    for number in range(len(bare), -1, -1):
        yield bare[:number]


def _size(checks: tuple[KeptCheck, ...]) -> int:
    return len(orjson.dumps(write_checks(checks)))


def unit_of(metric: CanaryMetric) -> str:
    """Return the unit of a builtin metric, empty for any other."""
    return {SUCCESS_RATE: "%", REQUEST_DURATION: "ms"}[metric.name] if metric.is_builtin else ""


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


# As `status.serin.checks`.


def write_checks(checks: Iterable[KeptCheck]) -> list[dict[str, Any]]:
    """Return what `read_checks` reads. A bound, a unit or a reason that there is not is left out."""
    return [_write_check(check) for check in checks]


def _write_check(check: KeptCheck) -> dict[str, Any]:
    samples = [
        {"at": write_second(sample.at_s), "value": sample.value, "verdict": VERDICT_WORDS[sample.verdict]}
        for sample in check.samples
    ]
    bounds = {key: bound for key, bound in (("min", check.least), ("max", check.most)) if bound is not None}
    texts = {key: text for key, text in (("unit", check.unit), ("reason", check.reason)) if text}
    counting: dict[str, Any] = {"refused": True} if check.is_refused else {}
    counting |= {"dryRun": True} if check.is_dry_run else {}
    if check.failures_needed > 1:
        counting["consecutiveFailures"] = check.failures_needed
    return {"name": check.name, **bounds, **texts, **counting, "samples": samples}


def read_checks(found: object) -> tuple[KeptCheck, ...]:
    """Read what was written; what is something else, by somebody's hand, is left out."""
    items = found if isinstance(found, list) else []
    return tuple(_read_check(item) for item in items if isinstance(item, Mapping) and text_of(item, "name"))


def _read_check(item: Mapping[str, Any]) -> KeptCheck:
    samples = item.get("samples")
    read = map(_read_sample, samples if isinstance(samples, list) else [])
    return KeptCheck(
        name=text_of(item, "name"),
        least=_number(item.get("min")),
        most=_number(item.get("max")),
        unit=text_of(item, "unit"),
        samples=tuple(sample for sample in read if sample is not None),
        reason=text_of(item, "reason"),
        is_refused=item.get("refused") is True,
        is_dry_run=item.get("dryRun") is True,
        failures_needed=int(min(max(_number(item.get("consecutiveFailures")) or 1, 1), MOST_COUNT)),
    )


def _read_sample(item: object) -> KeptSample | None:
    if not isinstance(item, Mapping):
        return None
    verdict = _VERDICTS.get(text_of(item, "verdict"))
    at_s = read_known_time(item.get("at"))
    if verdict is None or at_s is None:
        return None
    return KeptSample(at_s, _number(item.get("value")), verdict)


def _number(found: object) -> float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    try:
        return float(found) if is_number and math.isfinite(found) else None  # type: ignore[arg-type]
    except OverflowError:
        return None
