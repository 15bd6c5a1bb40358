"""The rules for checks that are judged by evidence: the good Canary with one change has exactly that problem."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules import evidence
from canary.rules.canary import Rule, check_canary
from tests.support.rule_cases import CanaryWith, Case, assert_only_problem, case_name, good_canary_with

warning = partial(Problem, is_warning=True)

RATE = "analysis/metrics/0/evidence"
DURATION = "analysis/metrics/1/evidence"
OWN: dict[str, Any] = {"name": "own", "threshold": 1, "templateRef": {"name": "t"}}

CASES: list[Case] = [
    (
        evidence.evidence_can_be_counted,
        {"analysis/metrics/0": {"name": "own", "threshold": 1, "query": "up", "evidence": {"acceptable": 1}}},
        Problem(
            "spec.analysis.metrics[0].evidence",
            {"acceptable": 1},
            "nothing beside a query of one number; request-success-rate, request-duration, and a templateRef to a "
            "MetricTemplate with spec.counts can be judged so",
        ),
    ),
    *(
        (
            evidence.errors_are_probabilities,
            {RATE: {"alpha": alpha}},
            Problem(
                "spec.analysis.metrics[0].evidence.alpha",
                alpha,
                "more than 0 and less than 0.5: the share of good releases that are rolled back at the most; "
                "0.01 is 1 %",
            ),
        )
        for alpha in (0, -0.1, 0.5, 5)
    ),
    (
        evidence.errors_are_probabilities,
        {RATE: {"beta": 0.5}},
        Problem(
            "spec.analysis.metrics[0].evidence.beta",
            0.5,
            "more than 0 and less than 0.5: the share of bad ones that are promoted at the most; 0.01 is 1 %",
        ),
    ),
    (
        evidence.ratio_is_worse,
        {RATE: {"ratio": 1}},
        Problem(
            "spec.analysis.metrics[0].evidence.ratio",
            1,
            "more than 1: how many times the primary's share of bad requests is not acceptable, such as 2",
        ),
    ),
    (
        evidence.limit_can_be_tested,
        {RATE: {}, "analysis/metrics/0/thresholdRange/min": 100},
        Problem(
            "spec.analysis.metrics[0].thresholdRange.min",
            100,
            "a limit that some bad requests keep, such as 99; without one there is no test but "
            "evidence.against: primary",
        ),
    ),
    (
        evidence.limit_can_be_tested,
        {RATE: {"acceptable": 0}},
        Problem(
            "spec.analysis.metrics[0].evidence.acceptable",
            0,
            "percent of bad requests, such as 1; without one there is no test but evidence.against: primary",
        ),
    ),
    (
        evidence.limit_can_be_tested,
        {"analysis/metrics/1": {**OWN, "evidence": {"against": "limit"}}},
        Problem(
            "spec.analysis.metrics[1].evidence.acceptable",
            None,
            "percent of bad requests, such as 1; without one there is no test but evidence.against: primary",
        ),
    ),
    (
        evidence.limit_can_be_tested,
        {DURATION: {"bounds": [{"over": 250, "share": 100}]}},
        Problem(
            "spec.analysis.metrics[1].evidence.bounds[0].share",
            100,
            "percent of bad requests, such as 1; without one there is no test but evidence.against: primary",
        ),
    ),
    *(
        (
            evidence.unacceptable_is_above_the_limit,
            {RATE: {"unacceptable": worst}},
            Problem(
                "spec.analysis.metrics[0].evidence.unacceptable",
                worst,
                "percent of bad requests, more than the limit of 1 and less than 100",
            ),
        )
        for worst in (1, 0.5, 100)
    ),
    (
        evidence.evidence_times_are_bounded,
        {RATE: {"deadline": "721h"}},
        Problem("spec.analysis.metrics[0].evidence.deadline", "721h", "at most 720h"),
    ),
    (
        evidence.evidence_times_are_bounded,
        {RATE: {"deadline": "0s"}},
        Problem("spec.analysis.metrics[0].evidence.deadline", "0s", "a duration such as 1h, more than 0s"),
    ),
    (
        evidence.duration_bounds_are_buckets,
        {DURATION: {}, "analysis/metrics/1/thresholdRange/max": 400},
        warning(
            "spec.analysis.metrics[1].thresholdRange.max",
            400,
            "a bound of Envoy's buckets, such as 500; requests count as harm over 500 ms, and against being well over "
            "250 ms",
        ),
    ),
    (
        evidence.duration_bounds_are_buckets,
        {DURATION: {"bounds": [{"over": 3_600_001}]}},
        Problem(
            "spec.analysis.metrics[1].evidence.bounds[0].over",
            3_600_001,
            "milliseconds, from 0.5 to 3,600,000",
        ),
    ),
    (
        evidence.duration_bounds_are_buckets,
        {DURATION: {"bounds": [{"over": 0.3}]}},
        Problem("spec.analysis.metrics[1].evidence.bounds[0].over", 0.3, "milliseconds, from 0.5 to 3,600,000"),
    ),
    (
        evidence.checks_by_evidence_are_few,
        {"analysis/metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}}] * 9},
        Problem("spec.analysis.metrics[8].evidence", {}, "nothing: at most 8 checks of a Canary are judged so"),
    ),
    (
        evidence.shares_are_percent,
        {RATE: {"acceptable": 0.01}},
        warning(
            "spec.analysis.metrics[0].evidence.acceptable",
            0.01,
            "percent of requests: this is one in 10,000, and one in 100 is 1",
        ),
    ),
    (
        evidence.shares_are_percent,
        {DURATION: {"bounds": [{"over": 250, "share": 0.02}]}},
        warning(
            "spec.analysis.metrics[1].evidence.bounds[0].share",
            0.02,
            "percent of requests: this is one in 5,000, and one in 100 is 1",
        ),
    ),
    (
        evidence.bounds_are_of_a_duration,
        {RATE: {"bounds": [{"over": 250}]}},
        warning(
            "spec.analysis.metrics[0].evidence.bounds",
            [{"over": 250}],
            "nothing beside a check that is not request-duration",
        ),
    ),
    (
        evidence.sides_can_be_compared,
        {RATE: {"against": "both"}, "analysis/sessionAffinity": {"cookieName": "a"}},
        warning(
            "spec.analysis.metrics[0].evidence.against",
            "both",
            "limit, which alone is tested: with sessionAffinity the sides have different users",
        ),
    ),
    (
        evidence.sides_can_be_compared,
        {"analysis/metrics/1": {**OWN, "evidence": {"against": "primary"}}},
        Problem(
            "spec.analysis.metrics[1].evidence.against",
            "primary",
            "limit, for a MetricTemplate counts the canary's requests only",
        ),
    ),
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


@pytest.mark.parametrize(
    "changes",
    [
        {RATE: {}, DURATION: {}},
        {RATE: {"against": "both"}, DURATION: {"against": "both"}},
        {RATE: {"against": "primary"}, "analysis/metrics/0/thresholdRange/min": 100},
        {RATE: {"alpha": 0.001, "beta": 0.2, "acceptable": 0.5, "unacceptable": 0.6, "burst": 7, "warmUp": "1m"}},
        {DURATION: {"bounds": [{"over": 250, "share": 5}, {"over": 1000, "share": 0.1}], "deadline": "720h"}},
        {"analysis/metrics/1": {**OWN, "evidence": {"against": "limit", "acceptable": 1}}},
    ],
)
def test_what_can_be_tested_has_no_problem(changes: Mapping[str, object]) -> None:
    assert check_canary(Canary.model_validate(good_canary_with(changes))) == ()
