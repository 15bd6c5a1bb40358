"""What `status.serin.checks` keeps of each metric: its bounds, its last samples, why it last held the run."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.metrics import CanaryMetric
from canary.run.judge import CheckResult, Sample, Verdict
from canary.run.kept import KeptCheck, KeptSample, keep_samples, read_checks, write_checks
from canary.run.phase import Phase
from canary.run.status import read_state
from tests.support.canaries import canary
from tests.support.measured_cluster import DURATION, NOON_S, RATE, checks, under_way


def test_each_check_has_its_bounds_and_its_samples_in_the_order_of_the_spec() -> None:
    cluster = under_way()
    assert checks(cluster) == []
    cluster.run(15)
    assert checks(cluster) == [
        {
            "name": "request-success-rate",
            "min": 99.0,
            "unit": "%",
            "samples": [{"at": "2026-11-30T15:00:41Z", "value": 99.5, "verdict": "pass"}],
        },
        {
            "name": "request-duration",
            "max": 500.0,
            "unit": "ms",
            "samples": [{"at": "2026-11-30T15:00:41Z", "value": 120.0, "verdict": "pass"}],
        },
    ]


def test_why_a_check_held_the_run_stays_when_it_passes_again() -> None:
    cluster = under_way()
    cluster.values = {RATE: Sample(98.123456789), DURATION: Sample(error="503 Service Unavailable")}
    cluster.run(12)
    cluster.values = {RATE: Sample(), DURATION: Sample(120.0)}
    cluster.run(10)
    cluster.values = {}
    cluster.run(10)
    rate, duration = checks(cluster)
    assert [(sample["value"], sample["verdict"]) for sample in rate["samples"]] == [
        (98.1235, "fail"),
        (None, "noData"),
        (99.5, "pass"),
    ]
    assert rate["reason"] == (
        "no values found for gloo metric request-success-rate probably podinfo.test is not receiving traffic"
    )
    assert [(sample["value"], sample["verdict"]) for sample in duration["samples"]] == [
        (None, "error"),
        (120.0, "pass"),
        (120.0, "pass"),
    ]
    assert duration["reason"] == "metric query failed for request-duration: 503 Service Unavailable"


def test_the_last_ten_samples_are_kept_the_newest_last() -> None:
    cluster = under_way({"stepWeight": 1})
    for number in range(13):
        cluster.values = {DURATION: Sample(100.0 + number)}
        cluster.run(10.1)
    kept = checks(cluster)[1]["samples"]
    assert [sample["value"] for sample in kept] == [103.0 + number for number in range(10)]
    assert [sample["at"] for sample in kept] == sorted(sample["at"] for sample in kept)


def test_what_the_spec_has_no_more_goes_and_what_is_new_comes() -> None:
    cluster = under_way()
    cluster.run(12)
    metrics = [
        {"name": "orders", "templateRef": {"name": "orders"}, "thresholdRange": {"min": 1, "max": 9}},
        {"name": "request-success-rate", "thresholdRange": {"min": 98}},
    ]
    cluster.canary, cluster.values = canary({"webhooks": [], "metrics": metrics}), {"orders": Sample(3.0)}
    cluster.run(10)
    orders, rate = checks(cluster)
    assert {key: orders[key] for key in orders if key != "samples"} == {"name": "orders", "min": 1.0, "max": 9.0}
    assert (len(orders["samples"]), len(rate["samples"]), rate["min"]) == (1, 2, 98.0)


def test_a_run_begins_without_the_samples_of_the_one_before() -> None:
    cluster = under_way({"threshold": 1})
    cluster.values = {RATE: Sample(50.0)}
    cluster.run(100)
    assert cluster.state.phase is Phase.FAILED
    assert checks(cluster)[0]["reason"] == "success rate 50.00% < 99%", "the next reader wants to know why"
    cluster.set_image("rev-3")
    cluster.settle()
    assert "checks" not in cluster.status["serin"]


def test_the_canary_is_watched_during_its_promotion_too() -> None:
    cluster = under_way({"stepWeight": 50, "stepWeightPromotion": 10})
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROMOTING)
    before = checks(cluster)[0]["samples"]
    cluster.run(60, until=lambda: len(checks(cluster)[0]["samples"]) > len(before))
    assert cluster.state.phase is Phase.PROMOTING


@pytest.mark.parametrize(
    ("sample", "writes", "samples", "end"),
    [
        (Sample(99.5), 14, 10, Phase.SUCCEEDED),
        (Sample(50.0), 9, 5, Phase.FAILED),
        (Sample(), 66, 10, Phase.FAILED),
        (Sample(error="no route to host"), 66, 10, Phase.FAILED),
    ],
)
def test_samples_cost_no_write_of_their_own(sample: Sample, writes: int, samples: int, end: Phase) -> None:
    """The numbers of writes are those of a run that keeps no samples."""
    cluster = under_way()
    cluster.values, before = {RATE: sample}, cluster.storage.writes
    cluster.run(2000)
    assert (cluster.state.phase, cluster.storage.writes - before) == (end, writes)
    assert len(checks(cluster)[0]["samples"]) == samples


# Its size.


def answers(metrics: list[CanaryMetric], value: float, text: str, verdict: Verdict) -> list[CheckResult]:
    return [CheckResult(metric.name, verdict, text, value) for metric in metrics]


def kept_of(names: list[str], value: float, text: str, verdict: Verdict = Verdict.FAIL) -> list[dict[str, Any]]:
    """Return what is kept after twelve intervals with the same answers."""
    limits = {"min": -1.23456e-300, "max": 1.23456e300}
    metrics = [CanaryMetric.model_validate({"name": name, "query": "1", "thresholdRange": limits}) for name in names]
    kept: tuple[KeptCheck, ...] = ()
    for _ in range(12):
        kept = keep_samples(kept, metrics, answers(metrics, value, text, verdict), NOON_S)
    return write_checks(kept)


def test_ten_checks_of_long_names_and_long_reasons_keep_all_their_samples() -> None:
    names = [f"checkout-error-ratio-{number:02}" for number in range(10)]
    kept = kept_of(names, 99.12345678901234, "success rate 99.12% < 99.5%")
    assert [len(check["samples"]) for check in kept] == [10] * 10
    assert len(orjson.dumps(kept)) == 7_551


@pytest.mark.parametrize("text", ["x" * 5000, "\N{GRINNING FACE}" * 5000, '"\\' * 5000])
@pytest.mark.parametrize("names", [[f"{number:02}" + "n" * 251 for number in range(10)], ["a"] * 10])
def test_the_worst_ten_checks_stay_below_8_kib_each_with_a_sample(names: list[str], text: str) -> None:
    kept = kept_of(names, -1.23456789e-300, text)
    assert len(orjson.dumps(kept)) < 8192
    assert [check["name"] for check in kept] == names
    assert all(check["samples"] for check in kept)


def test_as_many_checks_as_a_spec_may_have_stay_below_8_kib() -> None:
    kept = kept_of([f"{number:03}" + "n" * 250 for number in range(100)], -1.23456789e-300, "x" * 5000)
    assert len(orjson.dumps(kept)) < 8192
    assert kept[0]["name"].startswith("000n")


def test_a_short_history_goes_before_a_reason_does() -> None:
    kept = kept_of([f"{number:02}" for number in range(10)], 1.0, "x" * 5000)
    assert {(len(check["samples"]), len(check["reason"])) for check in kept} == {(9, 200)}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_in_json_is_kept_without_its_value(value: float) -> None:
    kept = kept_of(["p99"], value, "x")
    assert [sample["value"] for sample in kept[0]["samples"]] == [None] * 10


def test_a_reason_is_fit_to_be_shown() -> None:
    (check,) = kept_of(["p99\x1b[2J"], 1.0, "no answer of http://user:secret@db/q?token=secret\nforged\x1b[2J")
    assert check["name"] == "p99\N{REPLACEMENT CHARACTER}[2J"
    assert check["reason"] == "no answer of http://…@db/q?token=… forged\N{REPLACEMENT CHARACTER}[2J"


def test_two_metrics_of_one_name_have_a_history_each() -> None:
    limits = [{"max": 1}, {"max": 2}]
    metrics = [CanaryMetric.model_validate({"name": "p99", "query": "1", "thresholdRange": limit}) for limit in limits]
    kept: tuple[KeptCheck, ...] = ()
    for number in (0.0, 10.0):
        results = [CheckResult("p99", Verdict.PASS, "", number + place) for place in (1, 2)]
        kept = keep_samples(kept, metrics, results, NOON_S)
    assert [(check.most, [sample.value for sample in check.samples]) for check in kept] == [
        (1.0, [1.0, 11.0]),
        (2.0, [2.0, 12.0]),
    ]


# What may stand in its place.

GOOD = {"name": "p99", "max": 5.0, "samples": [{"at": "2026-11-30T15:00:00Z", "value": 4.0, "verdict": "pass"}]}


@pytest.mark.parametrize(
    "found",
    [
        None,
        "text",
        {"name": "p99"},
        [None, 7, "text", [], {}, {"name": 7}, {"samples": []}],
    ],
)
def test_what_is_no_check_is_left_out(found: object) -> None:
    assert read_state({"serin": {"checks": found}}).analysis.kept == ()


@pytest.mark.parametrize(
    "sample",
    [
        None,
        {"verdict": "pass"},
        {"at": "yesterday", "value": 1, "verdict": "pass"},
        {"at": "0001-01-01T00:00:00+23:59", "value": 1, "verdict": "pass"},
        {"at": "2026-11-30T15:00:00Z", "value": 1, "verdict": "maybe"},
        {"at": "2026-11-30T15:00:00Z", "value": 1, "verdict": ["pass"]},
    ],
)
def test_what_is_no_sample_is_left_out(sample: object) -> None:
    read = read_checks([GOOD | {"samples": [sample, *GOOD["samples"]], "unit": 7, "min": "x", "reason": None}])  # type: ignore[misc]
    assert read == (KeptCheck(name="p99", most=5.0, samples=(KeptSample(NOON_S, 4.0, Verdict.PASS),)),)


def test_a_number_of_failures_that_could_not_be_written_again_is_lowered() -> None:
    (read,) = read_checks([GOOD | {"consecutiveFailures": 1e300}])
    assert read.failures_needed == 2**53


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(GOOD)), inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_whatever_stands_there_is_read_and_what_is_read_is_written_alike(found: object) -> None:
    read = read_checks(found)
    assert read_checks(orjson.loads(orjson.dumps(write_checks(read)))) == read
