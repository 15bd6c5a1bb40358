"""From the spec to tests: which checks are judged by evidence of themselves, and what they share."""

from typing import Any

from canary.api.canary import Canary
from canary.judgement.spec import count_tests, with_evidence
from tests.support.canaries import canary

RATE: dict[str, Any] = {"name": "request-success-rate", "thresholdRange": {"min": 99}}


def by_evidence_of(made: Canary) -> list[bool]:
    analysis = with_evidence(made).analysis
    assert analysis is not None
    return [metric.evidence is not None for metric in analysis.metrics]


def duration(most_ms: float) -> dict[str, Any]:
    return {"name": "request-duration", "thresholdRange": {"max": most_ms}}


def test_what_can_only_be_counted_between_two_buckets_keeps_its_threshold() -> None:
    made = canary({"metrics": [duration(500), duration(200), duration(0.3), RATE]})
    assert by_evidence_of(made) == [True, False, False, True]


def test_no_more_checks_are_judged_so_than_the_status_has_room_for() -> None:
    assert by_evidence_of(canary({"metrics": [RATE] * 12})) == [True] * 8 + [False] * 4


def test_a_dry_run_has_no_part_of_the_error() -> None:
    by_evidence = RATE | {"evidence": {}}
    assert count_tests(canary({"metrics": [by_evidence, by_evidence]})) == 2
    assert count_tests(canary({"metrics": [by_evidence, by_evidence | {"dryRun": True}]})) == 1
