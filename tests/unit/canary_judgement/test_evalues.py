"""E-values: held to another implementation, to what they must be by definition, and to figures worked out by hand."""

import importlib
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judgement import evalues


def legendre(order: int) -> list[tuple[float, float]]:
    """Nodes and weights on (0, 1) that integrate each polynomial of a degree under 2 * order exactly."""
    nodes = []
    for number in range(1, order + 1):
        x, slope = math.cos(math.pi * (number - 0.25) / (order + 0.5)), 0.0
        for _ in range(50):
            before, value = 0.0, 1.0
            for degree in range(order):
                before, value = value, ((2 * degree + 1) * x * value - degree * before) / (degree + 1)
            slope = order * (x * value - before) / (x * x - 1)
            x -= value / slope
        nodes.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return nodes


NODES = legendre(64)


def library() -> Any:
    """Return ville. It loads scipy, for a second, which only the process that runs these tests should wait for."""
    return importlib.import_module("ville")


def beta_binomial(failures: int, total: int, null: float) -> float:
    """The same mixture over all rates, as the library has it: its last log e-value."""
    test = library().BernoulliTest(null)
    test.update([1.0] * failures + [0.0] * (total - failures))
    return float(test.log_e_values_[-1])


@pytest.mark.parametrize("null", [0.01, 0.1, 0.5])
@pytest.mark.parametrize(("failures", "total"), [(0, 1), (1, 1), (0, 100), (3, 40), (21, 100), (100, 100)])
def test_the_evidence_for_each_rate_adds_up_to_the_librarys_mixture_of_all_rates(
    failures: int, total: int, null: float
) -> None:
    ours = sum(
        weight * math.exp(evalues._against(failures, total - failures, evalues._alternatives(null, (rate / null,)), 1))
        for rate, weight in NODES
    )
    assert math.log(ours) == pytest.approx(beta_binomial(failures, total, null), abs=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize(("failures", "both"), [(0, 1), (1, 1), (3, 40), (40, 40), (55, 60)])
def test_of_given_failures_the_canarys_part_is_tested_as_the_library_tests_a_share(
    failures: int, both: int, share: float
) -> None:
    ours = 0.0
    for chance, weight in NODES:
        ratio = chance * (1 - share) / (share * (1 - chance))
        requests, there = 10_000 * share, 10_000 * (1 - share)
        sums = evalues._compared((0.0,), (ratio,), 1.0, (failures, requests), (both - failures, there))
        ours += weight * math.exp(sums[0])
    assert math.log(ours) == pytest.approx(beta_binomial(failures, both, share), abs=1e-9)


@pytest.mark.parametrize("logs", [[0.0], [1.0, 2.0, 3.0], [-700.0, 3.0, 4.5]])
def test_the_mean_of_e_values_is_the_librarys(logs: list[float]) -> None:
    expected = math.log(float(library().evalues.combine([math.exp(log) for log in logs])))
    assert evalues.log_mean(logs) == pytest.approx(expected, abs=1e-9)


def test_the_grids_are_those_of_the_page() -> None:
    """By fractions: 3 of 40 failed, with a limit of 1 in 100."""
    limit = Fraction(1, 100)
    rates = [limit * Fraction(step) for step in ("5/4", "3/2", 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 90)]
    over = sum((rate / limit) ** 3 * ((1 - rate) / (1 - limit)) ** 37 for rate in rates) / 14
    assert math.exp(evalues.above(3, 40, 0.01)) == pytest.approx(float(over), rel=1e-9)
    assert float(over) == pytest.approx(10.09, abs=0.01), (
        "not enough for a rollback at 100: the Friday of three in forty"
    )
    bound = Fraction(2, 100)
    rates = [bound * Fraction(step) / 1000 for step in (800, 650, 500, 400, 300, 200, 100, 50, 20, 5)]
    under = sum(((1 - rate) / (1 - bound)) ** 185 for rate in rates) / 10
    assert math.exp(evalues.below(0, 185, 0.02)) == pytest.approx(float(under), rel=1e-9)


@pytest.mark.parametrize(("bound", "requests"), [(0.5, 6), (0.1, 36), (0.02, 186), (0.002, 1870)])
def test_without_a_failure_some_3_7_requests_by_the_bound_are_enough(bound: float, requests: int) -> None:
    assert math.exp(evalues.below(0, requests, bound)) >= 20 > math.exp(evalues.below(0, requests - 1, bound))


def test_the_bound_of_a_step_lets_no_more_harm_through_than_a_promotion_does() -> None:
    assert evalues.advance_bound(0.01, 0.02, 1.0) == 0.02
    assert evalues.advance_bound(0.01, 0.02, 0.5) == pytest.approx(0.03)
    assert evalues.advance_bound(0.01, 0.02, 0.05) == pytest.approx(0.21)
    assert evalues.advance_bound(0.01, 0.02, 0.01) == 0.5, "half of the requests, at most"
    assert evalues.advance_bound(0.6, 0.8, 0.05) == 0.8


def mean_of_one(log_factor: dict[int, float], chance: float) -> float:
    return chance * math.exp(log_factor[1]) + (1 - chance) * math.exp(log_factor[0])


@given(st.floats(0.001, 0.9), st.floats(0, 1), st.floats(1, 50), st.sampled_from([evalues.above, evalues.below]))
def test_no_request_is_worth_more_than_one_on_average_as_long_as_the_hypothesis_holds(
    null: float, share: float, phi: float, evidence: object
) -> None:
    """By its definition, at each rate that the hypothesis allows, for the first request."""
    assert callable(evidence)
    rate = null * share if evidence is evalues.above else null + (1 - null) * share
    factor = {failed: evidence(failed, 1, null, phi) for failed in (0, 1)}
    assert mean_of_one(factor, rate) <= 1 + 1e-9


@given(st.floats(0.01, 0.99), st.floats(1, 5), st.floats(1, 50))
def test_no_failure_is_worth_more_than_one_on_average_as_long_as_both_sides_fail_alike(
    share: float, ratio: float, phi: float
) -> None:
    sides = {1: ((1.0, 1e4 * share), (0.0, 1e4 * (1 - share))), 0: ((0.0, 1e4 * share), (1.0, 1e4 * (1 - share)))}
    worse = {failed: evalues.of_sums(evalues.worse(evalues.NO_LOSSES, *each), phi) for failed, each in sides.items()}
    assert mean_of_one(worse, share) <= 1 + 1e-9
    allowed = ratio * share / (ratio * share + 1 - share)
    gains = {
        failed: evalues.of_sums(evalues.not_worse(evalues.NO_GAINS, *each, ratio), phi)
        for failed, each in sides.items()
    }
    assert mean_of_one(gains, allowed) <= 1 + 1e-9


def test_failures_of_one_side_alone_say_nothing_of_a_difference() -> None:
    assert evalues.worse(evalues.NO_LOSSES, (50, 100), (0, 0)) == evalues.NO_LOSSES
    assert evalues.not_worse(evalues.NO_GAINS, (0, 0), (50, 100), 2.0) == evalues.NO_GAINS
