"""`serin replay`: values held to edited thresholds, and what can't be judged again."""

import json

import pytest

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Ran, Serin
from tests.unit.cli.kept_runs import (
    BY_EVIDENCE,
    DURATION,
    PLAIN,
    PROMOTED,
    RATE,
    VALUES,
    WELL,
    canary_with,
    clock,
    ended,
    evidence,
    first_line,
    kept_test,
    spec_with,
    values,
)

# Thresholds.


@pytest.mark.parametrize(
    ("metric", "threshold", "line"),
    [
        ({}, 5, "each value that is kept comes to the same; it was promoted at 15:00:45"),
        (
            {"thresholdRange": {"min": 99.7}},
            5,
            (
                "4 of 5 failed checks (15:00:10, 15:00:20, 15:00:40), 1 of them before what is kept, as they were: "
                "held at each, and not rolled back by the values that are kept; it was promoted at 15:00:45"
            ),
        ),
        (
            {"thresholdRange": {"min": 99.7}},
            3,
            (
                f"{RATE}: failed checks threshold reached 3 (1 before what is kept, as they were) at 15:00:20, rolled "
                "back there; it was promoted at 15:00:45"
            ),
        ),
        (
            {"consecutiveFailures": 2},
            3,
            (
                "2 of 3 failed checks (15:00:40), 1 of them before what is kept, as they were: held at each, and not "
                "rolled back by the values that are kept; it was promoted at 15:00:45"
            ),
        ),
        (
            {"onNoData": "pass", "thresholdRange": {"min": 98}},
            5,
            "all values that are kept pass; it was promoted at 15:00:45",
        ),
    ],
)
def test_values_are_held_to_edited_thresholds(
    api: ClusterApi, serin: Serin, metric: Object, threshold: int, line: str
) -> None:
    api.put("canaries", canary_with([PLAIN], checks=[VALUES], failed_checks=3, **ended()))
    edited = spec_with([{**PLAIN, **metric}], threshold=threshold)
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=edited)) == line


def test_values_are_told_beside_what_they_were(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary_with([PLAIN], checks=[VALUES], failed_checks=3, **ended()))
    edited = spec_with([{**PLAIN, "thresholdRange": {"min": 98.2}, "consecutiveFailures": 2}])
    assert serin("replay", "podinfo", "--spec", "-", stdin=edited).stdout.splitlines()[4:] == [
        "request-success-rate  min 98.2, 2 in a row, the last 4 values",
        "  TIME      VALUE   WAS      WOULD BE",
        "  15:00:10  99.5 %  pass     pass",
        "  15:00:20  98 %    fail     fail, does not count yet",
        "  15:00:30  -       no data  no data",
        "  15:00:40  98.5 %  fail     pass",
    ]


def test_a_threshold_beside_a_test_holds_the_run_as_well(api: ClusterApi, serin: Serin) -> None:
    kept = values(RATE, *((at, 99.5, "pass") for at in (10, 20, 30, 40)))
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], checks=[kept], **ended()))
    edited = spec_with([{**BY_EVIDENCE, "thresholdRange": {"min": 99.7}, "evidence": {"acceptable": 1}}])
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=edited)).startswith(
        f"{RATE}: failed: held at 20 % from 15:00:20 on; "
    )


# What can't be judged again.


SLOW = {"name": DURATION, "thresholdRange": {"max": 500}, "evidence": {}}
SLOW_BETWEEN = {"name": DURATION, "thresholdRange": {"max": 700}, "evidence": {}}
QUERY = {"name": "errors", "templateRef": {"name": "errors"}, "thresholdRange": {"max": 1}}


def slow_test(counted: str) -> Object:
    return kept_test(WELL, counted) | {"name": DURATION}


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (
            [BY_EVIDENCE],
            (
                f"{DURATION} is left out: spec.analysis.metrics: found no metric {DURATION}; allowed: one of that "
                "name, as the run had it"
            ),
        ),
        (
            [BY_EVIDENCE, {**SLOW, "thresholdRange": {"max": 250}}],
            (
                f"{DURATION} is left out: spec.analysis.metrics[1].thresholdRange.max: found 250; allowed: 500: the "
                "run counted the requests over it"
            ),
        ),
        (
            [BY_EVIDENCE, {**SLOW, "evidence": {"bounds": [{"over": 500}, {"over": 1000}]}}],
            (
                f"{DURATION} is left out: spec.analysis.metrics[1].evidence.bounds: found 500, 1000; allowed: limits "
                "that the run counted by: over 500"
            ),
        ),
        (
            [BY_EVIDENCE, SLOW, QUERY],
            (
                "errors is left out: spec.analysis.metrics[2]: found errors, and no value of it in this run; allowed: "
                "a metric that the run asked for"
            ),
        ),
        (
            [BY_EVIDENCE, {"name": DURATION, "thresholdRange": {"max": 500}, "interval": "5m"}],
            f"{DURATION} is left out: spec.analysis.metrics[1].interval: found 5m; allowed: 1m, as the run asked",
        ),
    ],
)
def test_a_check_that_cannot_be_judged_again_is_told(
    api: ClusterApi, serin: Serin, metrics: list[Object], why: str
) -> None:
    tests = [kept_test(WELL), slow_test("over 500")]
    kept = values(DURATION, (40, 200.0, "pass"), unit="ms")
    api.put("canaries", canary_with([BY_EVIDENCE, SLOW], evidence=tests, checks=[kept], **ended()))
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(metrics))
    assert first_line(ran) == f"well at every step; promoted as it was, at 15:00:45; without {why.partition(' ')[0]}"
    assert f"  note: {why}" in ran.stdout.splitlines()


def test_another_limit_between_the_same_buckets_means_the_same_counts(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary_with([SLOW_BETWEEN], evidence=[slow_test("over 700 (500 to 1000)")], **ended()))
    edited = [{**SLOW_BETWEEN, "thresholdRange": {"max": most}} for most in (800, 1000)]
    within, beyond = (serin("replay", "podinfo", "--spec", "-", stdin=spec_with([metric])) for metric in edited)
    assert within.stdout.splitlines()[0] == "well at every step; promoted as it was, at 15:00:45"
    assert beyond.code == 1
    assert beyond.stderr == (
        "serin: <stdin>: spec.analysis.metrics[0].thresholdRange.max: found 1000; allowed: 700, or anything between "
        "500 and 1000: the run counted the requests over it\n"
    )


def test_other_steps_are_not_replayed_and_that_is_told(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], **ended()))
    edited = spec_with([BY_EVIDENCE], interval="1m", stepWeights=[10, 50])
    note = (
        "spec.analysis.interval, spec.analysis.stepWeights: not as in the cluster, which can't be replayed: looks and "
    )
    assert f"  note: {note}steps are the run's" in serin("replay", "podinfo", "--spec", "-", stdin=edited).stdout


@pytest.mark.parametrize(
    ("ours", "line"),
    [
        ({}, "Canary test/podinfo: status.serin.run: found no run; allowed: a canary that had one"),
        (
            {"run": {"startedAt": clock(0)}},
            (
                "Canary test/podinfo: status.serin.evidence: found no look of the run under way yet; allowed: one "
                "after a check"
            ),
        ),
        (
            ended(),
            (
                "Canary test/podinfo: status.serin.checks: found nothing of the last run's checks; allowed: a run with "
                "metrics"
            ),
        ),
        (
            {**ended(), "checks": [VALUES]},
            (
                "its own spec: spec.analysis.metrics[0].evidence: found no look of this run by it: evidence was off, "
                "or nothing was counted; allowed: a run that was judged by evidence"
            ),
        ),
    ],
)
def test_where_nothing_is_kept_that_is_told(api: ClusterApi, serin: Serin, ours: Object, line: str) -> None:
    api.put("canaries", canary_with([BY_EVIDENCE], **ours))
    assert serin("replay", "podinfo") == Ran(1, "", f"serin: {line}\n")


def test_a_spec_that_cannot_be_used_is_told(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", PROMOTED)
    other = json.dumps(json.loads(spec_with([BY_EVIDENCE])) | {"metadata": {"name": "web", "namespace": "test"}})
    wrong = serin("replay", "podinfo", "--spec", "-", stdin=other)
    assert wrong == Ran(2, "", "serin: <stdin>: found test/web; allowed: one Canary test/podinfo\n")
    assert serin("replay", "podinfo", "--spec", "-", stdin="kind: Pod").stderr == (
        "serin: <stdin>: found no Canary; allowed: one Canary test/podinfo\n"
    )
    assert serin("replay", "podinfo", "--spec", "no.yaml") == Ran(
        2, "", "serin: no.yaml: there is no such file or folder\n"
    )
    faulty = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(alpha=0.9)))
    assert (faulty.code, faulty.stdout) == (1, "")
    assert "spec.analysis.metrics[0].evidence.alpha: found 0.9; allowed: " in faulty.stderr
    assert faulty.stderr.splitlines()[-1] == "serin: <stdin>: 1 error; see `serin lint`"


def test_a_stored_spec_that_is_refused_does_not_stop_an_edited_one(api: ClusterApi, serin: Serin) -> None:
    stored = canary_with([{**BY_EVIDENCE, "interval": "soon"}], evidence=[kept_test(WELL)], **ended())
    api.put("canaries", stored)
    refused = serin("replay", "podinfo")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("serin: Canary test/podinfo: spec.analysis.metrics[0].interval: found 'soon'; ")
    assert refused.stderr.endswith("; or give a spec with --spec\n")
    edited = serin("replay", "podinfo", "--spec", "-", stdin=spec_with([BY_EVIDENCE]))
    assert first_line(edited) == "well at every step; promoted as it was, at 15:00:45"


@pytest.mark.parametrize(
    "found",
    [
        *(7, [5], [{}], [{"name": "a", "test": 7, "looks": [[1], "x"]}], {"a": 1}),
        [kept_test([[1e13, *WELL[0][1:]]])],  # no moment of any calendar
    ],
)
def test_what_somebody_wrote_into_the_status_is_left_out(api: ClusterApi, serin: Serin, found: object) -> None:
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=found, checks=found, **ended()))
    ran = serin("replay", "podinfo")
    assert (ran.code, ran.stdout) == (1, "")
