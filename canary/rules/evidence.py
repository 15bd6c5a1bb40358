"""Rules for checks that are judged by evidence: what a test of probabilities can be asked, and what it can't."""

import math
from collections.abc import Iterator
from typing import Final

from canary.api.bounds import HOUR_S, MOST_EVIDENCE_DEADLINE_S, MOST_EVIDENCE_TESTS
from canary.api.canary import Canary
from canary.api.duration import parse_duration_s
from canary.api.evidence import Evidence
from canary.api.metrics import REQUEST_DURATION, SUCCESS_RATE, CanaryMetric
from canary.api.problems import Problem
from canary.api.schema import as_written
from canary.judgement.series import ENVOY_BUCKETS_MS, around
from canary.judgement.spec import (
    ALL_PERCENT,
    has_one_number,
    is_about_duration,
    limits,
    slow_bounds,
    why_not_compared,
)

_MOST_ERROR: Final = 0.5
"""A coin is right as often."""

_LEAST_USUAL_PERCENT: Final = 0.05
"""Who writes less means a share of 1 more often than a service that fails one request in thousands."""


def evidence_can_be_counted(canary: Canary) -> Iterator[Problem]:
    """Refuse it beside a query that gives one number: there is nothing to be counted in it."""
    for path, metric, _ in _tested(canary):
        if has_one_number(metric):
            allowed = (
                f"nothing beside a query of one number; {SUCCESS_RATE}, {REQUEST_DURATION}, and a templateRef to a "
                "MetricTemplate with spec.counts can be judged so"
            )
            yield Problem(f"{path}.evidence", as_written(metric.evidence), allowed)


def checks_by_evidence_are_few(canary: Canary) -> Iterator[Problem]:
    """Refuse what the status has no room for."""
    for path, _, evidence in list(_tested(canary))[MOST_EVIDENCE_TESTS:]:
        allowed = f"nothing: at most {MOST_EVIDENCE_TESTS} checks of a Canary are judged so"
        yield Problem(f"{path}.evidence", as_written(evidence), allowed)


def errors_are_probabilities(canary: Canary) -> Iterator[Problem]:
    for path, _, evidence in _tested(canary):
        for field, what in (("alpha", "good releases that are rolled back"), ("beta", "bad ones that are promoted")):
            value: float = getattr(evidence, field)
            if not 0 < value < _MOST_ERROR:
                allowed = f"more than 0 and less than {_MOST_ERROR:g}: the share of {what} at the most; 0.01 is 1 %"
                yield Problem(f"{path}.evidence.{field}", as_written(value), allowed)


def ratio_is_worse(canary: Canary) -> Iterator[Problem]:
    for path, _, evidence in _tested(canary):
        if evidence.ratio <= 1:
            allowed = "more than 1: how many times the primary's share of bad requests is not acceptable, such as 2"
            yield Problem(f"{path}.evidence.ratio", as_written(evidence.ratio), allowed)


def limit_can_be_tested(canary: Canary) -> Iterator[Problem]:
    """Refuse a limit that the first bad request breaks, or that none breaks, where the test is about the limit."""
    for path, metric, evidence in _tested(canary):
        if evidence.against == "primary" or has_one_number(metric):
            continue
        for field, limit in limits(metric, evidence):
            if limit is not None and 0 < limit < ALL_PERCENT:
                continue
            is_share = field.startswith("evidence.")
            found = limit if is_share or limit is None else ALL_PERCENT - limit
            what = (
                "percent of bad requests, such as 1" if is_share else "a limit that some bad requests keep, such as 99"
            )
            if field.endswith(".max"):
                what = "milliseconds, the limit that the evidence is about"
            allowed = f"{what}; without one there is no test but evidence.against: primary"
            yield Problem(f"{path}.{field}", as_written(found), allowed)


def unacceptable_is_above_the_limit(canary: Canary) -> Iterator[Problem]:
    for path, metric, evidence in _tested(canary):
        worst = evidence.unacceptable
        if worst is None:
            continue
        least = max((limit for _, limit in limits(metric, evidence) if limit is not None), default=0.0)
        if not least < worst < ALL_PERCENT:
            allowed = f"percent of bad requests, more than the limit of {least:g} and less than 100"
            yield Problem(f"{path}.evidence.unacceptable", as_written(worst), allowed)


def shares_are_percent(canary: Canary) -> Iterator[Problem]:
    """Warn of a share that is so small that it is most likely one of 1, as alpha and beta are."""
    for path, _, evidence in _tested(canary):
        shares = [("acceptable", evidence.acceptable), ("unacceptable", evidence.unacceptable)]
        shares += [(f"bounds[{index}].share", bound.share) for index, bound in enumerate(evidence.bounds)]
        for field, share in shares:
            if share is not None and 0 < share < _LEAST_USUAL_PERCENT:
                allowed = f"percent of requests: this is one in {ALL_PERCENT / share:,.0f}, and one in 100 is 1"
                yield Problem(f"{path}.evidence.{field}", as_written(share), allowed, is_warning=True)


def evidence_times_are_bounded(canary: Canary) -> Iterator[Problem]:
    for path, _, evidence in _tested(canary):
        for field, written, has_to_be_some in (
            ("deadline", evidence.deadline, True),
            ("warmUp", evidence.warm_up, False),
        ):
            written_s = parse_duration_s(written) if written else 0.0
            if written_s > MOST_EVIDENCE_DEADLINE_S:
                yield Problem(f"{path}.evidence.{field}", written, f"at most {MOST_EVIDENCE_DEADLINE_S // HOUR_S}h")
            elif written and has_to_be_some and written_s <= 0:
                yield Problem(f"{path}.evidence.{field}", written, "a duration such as 1h, more than 0s")


def duration_bounds_are_buckets(canary: Canary) -> Iterator[Problem]:
    """Warn of a limit between two of Envoy's buckets, and say which of them counts; refuse one beyond all of them."""
    for path, metric, evidence in _tested(canary):
        if not is_about_duration(metric):
            continue
        for field, bound in slow_bounds(metric, evidence):
            low, high = around(bound.over, ENVOY_BUCKETS_MS)
            if low <= 0 or math.isinf(high):
                # Below the first bucket no request is known to be fast enough.
                allowed = f"milliseconds, from {ENVOY_BUCKETS_MS[0]:g} to {ENVOY_BUCKETS_MS[-1]:,}"
                yield Problem(f"{path}.{field}", as_written(bound.over), allowed)
            elif low != high:
                allowed = (
                    f"a bound of Envoy's buckets, such as {high:g}; requests count as harm over {high:g} ms, and "
                    f"against being well over {low:g} ms"
                )
                yield Problem(f"{path}.{field}", as_written(bound.over), allowed, is_warning=True)


def bounds_are_of_a_duration(canary: Canary) -> Iterator[Problem]:
    for path, metric, evidence in _tested(canary):
        if evidence.bounds and not is_about_duration(metric):
            allowed = f"nothing beside a check that is not {REQUEST_DURATION}"
            yield Problem(f"{path}.evidence.bounds", as_written(evidence.bounds), allowed, is_warning=True)


def sides_can_be_compared(canary: Canary) -> Iterator[Problem]:
    """Warn where the two sides don't serve the same sort of requests: there the limit alone is tested."""
    for path, metric, evidence in _tested(canary):
        if evidence.against == "limit":
            continue
        reason = why_not_compared(canary, metric)
        if reason and evidence.against == "primary":
            allowed = f"limit, for {reason}"
            yield Problem(f"{path}.evidence.against", evidence.against, allowed)
        elif reason:
            allowed = f"limit, which alone is tested: {reason}"
            yield Problem(f"{path}.evidence.against", evidence.against, allowed, is_warning=True)


def _tested(canary: Canary) -> Iterator[tuple[str, CanaryMetric, Evidence]]:
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        if metric.evidence is not None:
            yield f"{canary.analysis_path}.metrics[{index}]", metric, metric.evidence


EVIDENCE_RULES = (
    evidence_can_be_counted,
    checks_by_evidence_are_few,
    errors_are_probabilities,
    ratio_is_worse,
    limit_can_be_tested,
    unacceptable_is_above_the_limit,
    shares_are_percent,
    evidence_times_are_bounded,
    duration_bounds_are_buckets,
    bounds_are_of_a_duration,
    sides_can_be_compared,
)
