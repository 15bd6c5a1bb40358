"""Failures in a row: with `consecutiveFailures: 3` a check counts as failed once it failed three times in a row.

A value within its range ends the row. No value and no answer neither end it nor are part of it: they say nothing. From
the last failure that is needed on each one counts, until the check passes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from canary.api.shown import shown
from canary.run.judge import CheckResult, Verdict

_MOST_NAME_BYTES: Final = 60
_MOST_PREFIX_BYTES: Final = 40

Streaks: TypeAlias = tuple[tuple[str, int], ...]
"""The checks that are in a row of failures: each name, and how many there are. Of one name the second is `name#2`."""


def count_failures(before: Streaks, results: Iterable[CheckResult]) -> tuple[Streaks, tuple[CheckResult, ...]]:
    """Return the rows after these results, and the results with what their failures count for.

    Only checks that need more than one failure have a row.
    """
    known, names = dict(before), Counter[str]()
    streaks, counted = [], []
    for result in results:
        if result.failures_needed <= 1 or result.is_final:
            counted.append(result)
            continue
        name = _key(result.name)
        names[name] += 1
        key = name if names[name] == 1 else f"{name}#{names[name]}"
        length = _length(known.get(key, 0), result.verdict)
        if length:
            streaks.append((key, length))
        counted.append(_with_row(result, length) if result.verdict is Verdict.FAIL else result)
    return tuple(streaks), tuple(counted)


def would_count(before: Streaks, name: str, failures_needed: int) -> bool:
    """Return whether one more failure of a check would count."""
    return dict(before).get(_key(name), 0) + 1 >= failures_needed


def _key(name: str) -> str:
    """Return what a row is stored by: the check's name, of a long one its beginning and a hash. Status holds all."""
    text = shown(name, len(name) + 1)
    encoded = text.encode(errors="replace")
    if len(encoded) <= _MOST_NAME_BYTES:
        return text
    beginning = encoded[:_MOST_PREFIX_BYTES].decode(errors="ignore")
    return f"{beginning}~{hashlib.sha256(encoded).hexdigest()[:12]}"


def _length(before: int, verdict: Verdict) -> int:
    if verdict is Verdict.PASS:
        return 0
    return before + (verdict is Verdict.FAIL)


def _with_row(result: CheckResult, length: int) -> CheckResult:
    needed = result.failures_needed
    row = f"failed {length} of {needed} in a row" if length <= needed else f"failed {length} in a row"
    return replace(result, text=f"{result.text}, {row}", is_unconfirmed=length < needed)
