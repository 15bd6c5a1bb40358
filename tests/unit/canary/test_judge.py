"""Verdicts and their sentences, which are Flagger's."""

from typing import Any

import pytest

from canary.api.metrics import CanaryMetric
from canary.run.judge import CheckResult, Sample, Verdict, judge, overall


def metric(**fields: Any) -> CanaryMetric:
    return CanaryMetric.model_validate({"name": "request-success-rate", "thresholdRange": {"min": 99}} | fields)


DURATION = metric(name="request-duration", thresholdRange={"max": 500})
CUSTOM = metric(name="404s percentage", thresholdRange={"max": 5}, templateRef={"name": "not-found-percentage"})


@pytest.mark.parametrize(
    ("checked", "value", "verdict", "text"),
    [
        (metric(), 69.17, Verdict.FAIL, "success rate 69.17% < 99%"),
        (metric(), 99.0, Verdict.PASS, "success rate 99.00%"),
        (metric(thresholdRange={"min": 10, "max": 50}), 51, Verdict.FAIL, "success rate 51.00% > 50%"),
        (DURATION, 1234.4, Verdict.FAIL, "request duration 1.234s > 500ms"),
        (DURATION, 500.0, Verdict.PASS, "request duration 500ms"),
        (metric(name="request-duration", thresholdRange={"min": 5}), 1.0, Verdict.FAIL, "request duration 1ms < 5ms"),
        (CUSTOM, 6.2, Verdict.FAIL, "404s percentage 6.20 > 5"),
        (metric(name="x", query="up", thresholdRange={"min": 1.5}), 1.0, Verdict.FAIL, "x 1.00 < 1.5"),
        (metric(thresholdRange=None, threshold=99), 98.0, Verdict.FAIL, "success rate 98.00% < 99%"),
        (metric(name="x", query="up", thresholdRange=None, threshold=1), 2.0, Verdict.FAIL, "x 2.00 > 1"),
        (metric(thresholdRange={"min": 0}), 0.0, Verdict.PASS, "success rate 0.00%"),
    ],
)
def test_a_value_is_held_against_its_range(checked: CanaryMetric, value: float, verdict: Verdict, text: str) -> None:
    result = judge(checked, Sample(value=value), "podinfo.test")
    assert (result.verdict, result.text, result.value) == (verdict, text, value)


@pytest.mark.parametrize(
    ("choice", "verdict"), [("hold", Verdict.NO_DATA), ("fail", Verdict.FAIL), ("pass", Verdict.PASS)]
)
def test_no_value_is_what_the_metric_says_it_is(choice: str, verdict: Verdict) -> None:
    result = judge(metric(onNoData=choice), Sample(), "podinfo.test")
    assert result.verdict is verdict
    nothing = "no values found for gloo metric request-success-rate probably podinfo.test is not receiving traffic"
    assert result.text == nothing


def test_too_few_requests_decide_nothing() -> None:
    checked = metric(minRequests=20)
    assert judge(checked, Sample(value=50.0, requests=19), "podinfo.test").verdict is Verdict.NO_DATA
    assert judge(checked, Sample(value=50.0, requests=20), "podinfo.test").verdict is Verdict.FAIL
    assert judge(checked, Sample(value=50.0), "podinfo.test").verdict is Verdict.FAIL, "no count, no excuse"


def test_a_failed_query_is_an_error_whatever_no_data_means() -> None:
    result = judge(metric(onNoData="pass"), Sample(error="connection refused"), "podinfo.test")
    assert result.verdict is Verdict.ERROR
    assert result.text == "metric query failed for request-success-rate: connection refused"


def test_the_worst_verdict_counts_and_fail_is_the_worst() -> None:
    def results(*verdicts: Verdict) -> list[CheckResult]:
        return [CheckResult(f"check-{verdict}", verdict, "") for verdict in verdicts]

    assert overall(results(Verdict.PASS, Verdict.NO_DATA, Verdict.FAIL, Verdict.ERROR)) is Verdict.FAIL
    assert overall(results(Verdict.PASS, Verdict.NO_DATA, Verdict.ERROR)) is Verdict.ERROR
    assert overall(results(Verdict.PASS, Verdict.NO_DATA)) is Verdict.NO_DATA
    assert overall(results(Verdict.PASS)) is Verdict.PASS
    assert overall([]) is Verdict.PASS
