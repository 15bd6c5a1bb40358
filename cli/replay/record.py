"""What the status keeps of the last run: how it ended, the looks of its tests, and the last values of its checks."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from canary.api.parts import mapping_of, text_of
from canary.api.shown import shown
from canary.run.evidence import CheckEvidence, read_evidence_of
from canary.run.history import HistoryEntry, Outcome, read_history, read_run
from canary.run.kept import KeptCheck, read_checks
from canary.run.wire import SERIN_STATUS, StatusKey

_LATEST_S: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""A look that somebody's hand put later has no time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the run: no `outcome` while it is under way. `reason` is why it ended so, as the history says."""

    outcome: Outcome | None = None
    ended_at_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The run. Tests and checks by their names, `name#2` for the second of one name.

    `failed_checks` is how many failed in all of the run; `is_any`: there was one.
    """

    revision: str
    fate: Fate
    is_any: bool
    started_at_s: float | None
    failed_checks: int
    tests: Mapping[str, CheckEvidence]
    checks: Mapping[str, KeptCheck]

    @property
    def first_at_s(self) -> float | None:
        """Return when the run began, as far as that is known: else the first moment that is kept."""
        return self.started_at_s if self.started_at_s is not None else min(self.moments(), default=None)

    @property
    def last_at_s(self) -> float | None:
        """Return the last moment that is kept."""
        return max(self.moments(), default=None)

    def moments(self) -> Iterator[float]:
        """Return all moments that something is kept of."""
        for test in self.tests.values():
            yield from (look.at_s for look in test.looks)
        for check in self.checks.values():
            yield from (sample.at_s for sample in check.samples)


def read_record(obj: Mapping[str, Any]) -> Record:
    """Read a Canary of the API server's, whatever stands in its status."""
    status = mapping_of(obj, "status")
    ours = mapping_of(status, SERIN_STATUS)
    run, history = read_run(ours.get(StatusKey.RUN)), read_history(ours.get(StatusKey.HISTORY))
    last = history[0] if history and run.started_at_s is None else None
    failed = status.get("failedChecks")
    record = Record(
        revision=shown(text_of(status, "lastAppliedSpec")),
        fate=Fate() if last is None else _fate(last),
        is_any=bool(history) or run.started_at_s is not None,
        started_at_s=run.started_at_s if last is None else last.started_at_s,
        failed_checks=failed if isinstance(failed, int) and failed > 0 else 0,
        tests={shown(test.name): _dated(test) for test in read_evidence_of(ours.get(StatusKey.EVIDENCE))},
        checks=dict(_numbered(ours)),
    )
    first_kept_s = min(record.moments(), default=0.0)
    if last is not None and last.ended_at_s < first_kept_s:
        # What is kept is of a later run, whose beginning nobody noted: one that Flagger began.
        return replace(record, fate=Fate(), started_at_s=None)
    return record


def _dated(test: CheckEvidence) -> CheckEvidence:
    looks = sorted((look for look in test.looks if look.at_s < _LATEST_S), key=lambda look: look.at_s)
    return replace(test, looks=tuple(looks))


def _fate(last: HistoryEntry) -> Fate:
    return Fate(outcome=last.outcome, ended_at_s=last.ended_at_s, reason=shown(last.reason))


def _numbered(ours: Mapping[str, Any]) -> Iterator[tuple[str, KeptCheck]]:
    counts = Counter[str]()
    for check in read_checks(ours.get(StatusKey.CHECKS)):
        name = shown(check.name)
        counts[name] += 1
        yield (name if counts[name] == 1 else f"{name}#{counts[name]}"), check
