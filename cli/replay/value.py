"""A replay as a value, for programs."""

from collections.abc import Iterable
from typing import Any

from canary.judgement.finding import Finding
from canary.run.kept import VERDICT_WORDS
from canary.run.moments import write_second
from cli.replay.course import LookedAt, MeasuredAt, Stay
from cli.replay.report import Told, headline, notes


def as_value(told: Told) -> dict[str, Any]:
    """Return all of it for programs."""
    course, record = told.course, told.record
    rollback = course.rollback
    return {
        "canary": told.canary,
        "revision": record.revision,
        "spec": told.spec,
        "text": headline(told)[0],
        "was": {
            "outcome": None if record.fate.outcome is None else str(record.fate.outcome),
            "endedAt": _moment(record.fate.ended_at_s),
            "reason": record.fate.reason,
        },
        "rollback": None
        if rollback is None
        else {"at": _moment(rollback.at_s), "checks": list(rollback.names), "why": rollback.why},
        "held": [_stay_value(stay) for stay in course.stays],
        "isWellAtEveryStep": course.by_steps and course.is_through and rollback is None,
        "failedChecks": course.failed_checks,
        "notes": list(notes(told)),
        "checks": [
            *({"name": test.name, "looks": _look_values(course.looks[test.name])} for test in told.tests),
            *({"name": each.name, "values": _value_values(course.values[each.name])} for each in told.measured),
        ],
    }


def _stay_value(stay: Stay) -> dict[str, Any]:
    return {
        "at": _moment(stay.at_s),
        "until": _moment(stay.until_s),
        "weight": stay.percent,
        "checks": list(stay.names),
        "why": stay.why,
    }


def _look_values(rows: Iterable[LookedAt]) -> list[dict[str, Any]]:
    return [
        {
            "at": _moment(row.at_s),
            "nextWeight": row.next_percent,
            **_finding_value(row.finding),
            "verdict": VERDICT_WORDS[row.verdict],
            "hasOtherSplit": row.is_other_split,
        }
        for row in rows
    ]


def _finding_value(found: Finding) -> dict[str, Any]:
    return {
        "canary": {"failures": found.canary.failures, "requests": found.canary.requests},
        "primary": {"failures": found.primary.failures, "requests": found.primary.requests},
        "harm": found.e_harm,
        "harmAt": found.harm_at,
        "well": found.e_well,
        "wellAt": found.well_at,
        "answer": found.answer.value,
    }


def _value_values(rows: Iterable[MeasuredAt]) -> list[dict[str, Any]]:
    return [
        {
            "at": _moment(row.at_s),
            "value": row.value,
            "was": VERDICT_WORDS[row.before],
            "verdict": VERDICT_WORDS[row.verdict],
            "isFailedCheck": row.is_counted,
            "hasOtherSplit": row.is_other_split,
        }
        for row in rows
    ]


def _moment(at_s: float | None) -> str | None:
    return None if at_s is None else write_second(at_s)
