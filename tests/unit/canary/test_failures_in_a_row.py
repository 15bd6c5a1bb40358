"""With `consecutiveFailures: 2` a check counts as failed once it failed twice in a row; until then the weight stays."""

from typing import Any

import orjson
import pytest

from canary.run.judge import CheckResult, Sample, Verdict
from canary.run.phase import Phase
from canary.run.status import read_state
from canary.run.streaks import count_failures, would_count
from tests.support.canaries import canary
from tests.support.measured_cluster import RATE, Measured, checks, under_way
from tests.support.simulated_runs import phase

GOOD, BAD, NOTHING, DOWN = Sample(99.5), Sample(50.0), Sample(), Sample(error="503")
TEXT = "Halt podinfo.test advancement success rate 50.00% < 99%"


def metric(needed: int, **fields: Any) -> dict[str, Any]:
    return {"name": RATE, "thresholdRange": {"min": 99}, "consecutiveFailures": needed} | fields


def run_of(needed: int, threshold: int = 5, **analysis: Any) -> Measured:
    return under_way({"metrics": [metric(needed)], "threshold": threshold} | analysis)


def measure(cluster: Measured, *samples: Sample) -> list[tuple[int, int]]:
    """Let each sample be the answer of one interval; return the failed checks and the weight after each."""
    after = []
    for sample in samples:
        cluster.values, before = {RATE: sample}, checks(cluster)
        cluster.run(30, until=lambda before=before: checks(cluster) != before)  # type: ignore[misc]
        cluster.settle()
        after.append((cluster.state.analysis.failed_checks, cluster.state.traffic.canary_percent))
    return after


def failures(cluster: Measured) -> list[str]:
    return [text for text in cluster.texts() if "success rate" in text]


def test_one_failure_of_two_holds_the_weight_and_the_second_counts() -> None:
    cluster = run_of(2)
    assert measure(cluster, BAD, BAD, BAD, GOOD, BAD) == [(0, 5), (1, 5), (2, 5), (2, 10), (2, 10)]
    assert failures(cluster) == [
        f"{TEXT}, failed 1 of 2 in a row",
        f"{TEXT}, failed 2 of 2 in a row",
        f"{TEXT}, failed 3 in a row",
        f"{TEXT}, failed 1 of 2 in a row",
    ]
    assert cluster.status["serin"]["failedInRow"] == {RATE: 1}


def test_a_value_in_range_ends_the_row_and_no_value_neither_ends_it_nor_adds_to_it() -> None:
    cluster = run_of(2)
    assert measure(cluster, BAD, GOOD, BAD, GOOD) == [(0, 5), (0, 10), (0, 10), (0, 15)]
    assert "failedInRow" not in cluster.status["serin"]
    assert measure(cluster, BAD, NOTHING, DOWN, BAD) == [(0, 15), (0, 15), (0, 15), (1, 15)]


def test_the_run_is_rolled_back_by_the_failures_that_count() -> None:
    cluster = run_of(3, threshold=2)
    measure(cluster, BAD, BAD, BAD)
    assert phase(cluster) is Phase.PROGRESSING
    measure(cluster, BAD)
    assert phase(cluster) is Phase.FAILED
    assert cluster.state.history[0].reason == "success rate 50.00% < 99%, failed 4 in a row"
    assert "Rolling back podinfo.test failed checks threshold reached 2" in cluster.texts()


def test_one_failure_is_enough_without_it_and_the_words_are_flaggers() -> None:
    cluster = run_of(1)
    assert measure(cluster, BAD) == [(1, 5)]
    assert failures(cluster) == [TEXT]


def test_it_is_known_how_the_canary_does_before_a_failure_counts() -> None:
    """What does not count yet is no time without a sample; what says nothing is."""
    cluster = run_of(2)
    measure(cluster, NOTHING, NOTHING)
    assert cluster.state.analysis.unobserved_s == 20.0
    measure(cluster, BAD)
    assert cluster.state.analysis.unobserved_s == 0.0


def test_another_checks_failure_counts_as_ever_and_its_silence_still_takes_time() -> None:
    duration = {"name": "request-duration", "thresholdRange": {"max": 500}}
    cluster = under_way({"metrics": [metric(2), duration]})
    cluster.values = {RATE: BAD, "request-duration": NOTHING}
    cluster.run(12)
    assert (cluster.state.analysis.failed_checks, cluster.state.analysis.unobserved_s) == (0, 10.0)
    cluster.values = {RATE: BAD, "request-duration": Sample(900.0)}
    cluster.run(10)
    assert cluster.state.analysis.failed_checks == 1
    # Both are told of, and what decides is what counts.
    assert cluster.texts()[-2:] == [
        f"{TEXT}, failed 2 of 2 in a row",
        "Halt podinfo.test advancement request duration 900ms > 500ms",
    ]


def test_the_row_survives_a_restart_and_a_crash_before_it_is_stored_counts_once() -> None:
    cluster = run_of(2)
    measure(cluster, BAD)
    assert read_state(cluster.status).analysis.failed_in_row == ((RATE, 1),)
    cluster.restart()
    assert measure(cluster, BAD) == [(1, 5)]


def test_a_run_begins_without_the_row_of_the_one_before() -> None:
    cluster = run_of(2, threshold=1)
    measure(cluster, BAD, BAD)
    assert cluster.state.phase is Phase.FAILED
    cluster.set_image("rev-3")
    cluster.run(60, until=lambda: cluster.state.traffic.canary_percent > 0)
    assert measure(cluster, BAD) == [(0, 5)]


def test_a_pause_that_somebody_ends_waits_for_checks_that_pass() -> None:
    steps = [{"weight": 20, "pause": {}}, {"weight": 50}]
    analysis = {"metrics": [metric(2)], "stepWeight": None, "maxWeight": None, "steps": steps}
    cluster = under_way(analysis, "rev-002")
    measure(cluster, GOOD, BAD)
    cluster.request = "resume@rev-002"
    cluster.run(5)
    assert cluster.state.traffic.canary_percent == 20
    assert measure(cluster, GOOD) == [(0, 50)]


def test_in_a_promotion_the_row_goes_on_and_counts_as_in_the_analysis() -> None:
    cluster = run_of(2, threshold=1, stepWeight=50, stepWeightPromotion=10)
    cluster.run(200, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.told.clear()
    measure(cluster, BAD)
    assert (cluster.state.phase, failures(cluster)) == (Phase.PROMOTING, [f"{TEXT}, failed 1 of 2 in a row"])
    measure(cluster, BAD)
    assert cluster.state.phase is Phase.FAILED


def test_an_edit_counts_from_then_on() -> None:
    cluster = run_of(5)
    measure(cluster, BAD, BAD)
    cluster.canary = canary({"metrics": [metric(3)], "webhooks": []})
    assert measure(cluster, BAD) == [(1, 5)]
    assert checks(cluster)[0]["consecutiveFailures"] == 3


@pytest.mark.parametrize("found", [{RATE: 2.0}, {RATE: 2}])
def test_a_row_is_read_from_what_json_makes_of_it(found: dict[str, Any]) -> None:
    assert read_state({"serin": {"failedInRow": found}}).analysis.failed_in_row == ((RATE, 2),)


def test_two_metrics_of_one_name_have_a_row_each() -> None:
    cluster = under_way({"metrics": [metric(3), metric(3, thresholdRange={"min": 10})]})
    measure(cluster, BAD, BAD)
    assert cluster.status["serin"]["failedInRow"] == {RATE: 2}
    measure(cluster, Sample(5.0))
    assert cluster.status["serin"]["failedInRow"] == {RATE: 3, f"{RATE}#2": 1}


def test_the_rows_of_a_hundred_checks_with_long_names_fit_into_the_status() -> None:
    names = [f"{'é' * 250}{n:03}" for n in range(100)]
    bad = [CheckResult(name, Verdict.FAIL, "text", failures_needed=3) for name in names]
    rows, _ = count_failures((), bad)
    rows, _ = count_failures(rows, bad)
    assert [length for _, length in rows] == [2] * 100, "each by its own name"
    assert len(orjson.dumps(dict(rows))) < 8192
    assert would_count(rows, names[7], 3)
    assert not would_count(rows, names[7], 4)
