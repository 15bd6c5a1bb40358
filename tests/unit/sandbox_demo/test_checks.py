"""Checks as the timeline shows them."""

from sandbox.demo.checks import Answers, Check, checks_of, parse_answers

PAGE = """\
# HELP flagger_canary_metric_analysis Last value of a metric, in its own unit
# TYPE flagger_canary_metric_analysis gauge
flagger_canary_metric_analysis{metric="request-success-rate",name="podinfo",namespace="test"} 100.0
flagger_canary_metric_analysis{metric="request-duration",name="podinfo",namespace="test"} 0.25
flagger_canary_metric_analysis{name="podinfo",metric="404s percentage",namespace="test"} 0.5
flagger_canary_metric_analysis{metric="request-success-rate",name="backend",namespace="test"} 12
flagger_canary_duration_seconds_bucket{le="5",name="podinfo",namespace="test"} 3
flagger_canary_duration_seconds_count{name="podinfo",namespace="test"} 7
flagger_canary_duration_seconds_count{name="backend",namespace="test"} 9
flagger_canary_total{namespace="test"} 2
"""


def test_the_page_tells_how_often_was_asked_and_the_last_values() -> None:
    values = {"request-success-rate": 100.0, "request-duration": 250.0, "404s percentage": 0.5}
    assert parse_answers(PAGE, "podinfo") == Answers(rounds=7, values=values)


def test_a_page_without_the_canary_tells_nothing() -> None:
    assert parse_answers("", "podinfo") == Answers(rounds=0, values={})


def test_the_checks_of_a_canary() -> None:
    analysis = {
        "metrics": [
            {"name": "request-success-rate", "thresholdRange": {"min": 99}},
            {"name": "request-duration", "thresholdRange": {"max": 500}},
        ]
    }
    assert checks_of({"spec": {"analysis": analysis}}) == [
        Check("request-success-rate", 99, None),
        Check("request-duration", None, 500),
    ]


def test_a_value_is_shown_with_the_relation_that_holds_or_is_broken() -> None:
    success, duration = Check("request-success-rate", 99, None), Check("request-duration", None, 500)
    assert success.text(100.0) == " 100.00 % ≥ 99"
    assert success.text(69.17) == "  69.17 % < 99"
    assert duration.text(4.9) == "   4.90 ms ≤ 500"
    assert duration.text(1500) == "1500.00 ms > 500"


def test_a_value_on_the_threshold_passes() -> None:
    both = Check("404s percentage", 1, 5)
    assert [both.passes(value) for value in (0.9, 1, 5, 5.1)] == [False, True, True, False]
