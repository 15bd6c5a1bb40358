"""The runs of a canary: the one under way, and what became of the last ones, as `status.serin.history` keeps them.

It is read by people and their tools. Nothing is decided from it, so whatever else stands there is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from canary.api.parts import text_of
from canary.api.shown import shown
from canary.run.mark import Mark
from canary.run.moments import read_known_time, write_second, write_time

MOST_ENTRIES: Final = 10

_MOST_TEXT_BYTES: Final = 256
_MOST_USER_BYTES: Final = 128


class Outcome(StrEnum):
    """What became of a run."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolledBack"
    SUPERSEDED = "superseded"
    """A newer revision took its place before it ended."""


_OUTCOMES: Final[Mapping[object, Outcome]] = {str(outcome): outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Run:
    """The run under way; `Run()` where there is none, or where nobody knows when it began, as after Flagger.

    `reason`: why it is to end as it will, as far as that is decided: who asked for it, say.
    """

    started_at_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A run that has ended, or a bootstrap. `change` and `by` are empty where nobody marked the revision."""

    revision: str
    outcome: Outcome
    started_at_s: float
    ended_at_s: float
    change: str = ""
    by: str = ""
    reason: str = ""


def record(
    history: Iterable[HistoryEntry], run: Run, outcome: Outcome, *, revision: str, change: Mark | None, now_s: float
) -> tuple[HistoryEntry, ...]:
    """Return the history, newest first, with the end of a run; as it was where none is known to be under way."""
    if run.started_at_s is None:
        return tuple(history)
    entry = HistoryEntry(
        revision=revision,
        outcome=outcome,
        started_at_s=float(int(run.started_at_s)),
        ended_at_s=float(int(now_s)),
        change=short(change.changed, _MOST_TEXT_BYTES) if change is not None else "",
        by=short(change.by, _MOST_USER_BYTES) if change is not None else "",
        reason=short(run.reason),
    )
    return (entry, *history)[:MOST_ENTRIES]


def short(text: str, most_bytes: int = _MOST_TEXT_BYTES) -> str:
    """Return a text as a status keeps it: fit to be shown, and of so many bytes at most."""
    seen, mark = shown(text, most_bytes), "…"
    if len(seen.encode()) <= most_bytes:
        return seen
    return seen.encode()[: most_bytes - len(mark.encode())].decode(errors="ignore") + mark


# As `status.serin.history` and `status.serin.run`.


def write_history(history: Iterable[HistoryEntry]) -> list[dict[str, str]]:
    """Return what `read_history` reads. What is not known is left out."""
    return [_write_entry(entry) for entry in history]


def _write_entry(entry: HistoryEntry) -> dict[str, str]:
    known = {"change": entry.change, "by": entry.by, "reason": entry.reason}
    return {
        "revision": entry.revision,
        "outcome": str(entry.outcome),
        "startedAt": write_second(entry.started_at_s),
        "endedAt": write_second(entry.ended_at_s),
    } | {key: text for key, text in known.items() if text}


def read_history(found: object) -> tuple[HistoryEntry, ...]:
    """Read what was written; what is something else, by somebody's hand, is left out."""
    read = (_read_entry(item) for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()
    return tuple(entry for entry in read if entry is not None)[:MOST_ENTRIES]


def _read_entry(item: Mapping[str, Any]) -> HistoryEntry | None:
    outcome, revision = _OUTCOMES.get(text_of(item, "outcome")), text_of(item, "revision")
    started_at_s, ended_at_s = read_known_time(item.get("startedAt")), read_known_time(item.get("endedAt"))
    if outcome is None or not revision or started_at_s is None or ended_at_s is None:
        return None
    return HistoryEntry(
        revision=revision,
        outcome=outcome,
        started_at_s=started_at_s,
        ended_at_s=ended_at_s,
        change=text_of(item, "change"),
        by=text_of(item, "by"),
        reason=text_of(item, "reason"),
    )


def write_run(run: Run) -> dict[str, str] | None:
    """Return what `read_run` reads, None where no run is under way."""
    started_at = write_time(run.started_at_s)
    return None if started_at is None else {"startedAt": started_at} | ({"reason": run.reason} if run.reason else {})


def read_run(found: object) -> Run:
    """Read the run under way; none where something else stands there."""
    item: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    started_at_s = read_known_time(item.get("startedAt"))
    return Run() if started_at_s is None else Run(started_at_s, text_of(item, "reason"))
