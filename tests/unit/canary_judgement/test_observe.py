"""Looks at a check: one answer each, and the same whatever way the counts come."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.finding import Answer, Finding
from canary.judgement.observe import observe
from canary.judgement.plan import Against, Bound, Plan, bound_of_success, failing_over
from tests.support.looks import BOUND, PLAN, answer, look


def test_three_of_forty_on_a_friday_decide_nothing() -> None:
    assert answer(PLAN, (3, 40)) == "undecided"
    assert answer(PLAN, (5, 40)) == "harm"
    assert answer(PLAN, (0, 40), next_percent=10) == "well"
    assert answer(PLAN, (0, 40)) == "undecided"
    assert answer(PLAN, (0, 200)) == "well"
    assert answer(PLAN, (0, 0)) == "undecided"


def test_harm_goes_before_the_little_that_a_first_step_asks_for() -> None:
    _, finding = look(PLAN, (40, 1_000), next_percent=5)
    assert finding.e_well > 20
    assert (finding.answer, finding.bar) == (Answer.HARM, 1.0)


def test_the_checks_of_a_canary_share_its_error() -> None:
    assert answer(PLAN, (23, 940)) == "harm"
    assert look(PLAN, (23, 940))[1].e_harm == pytest.approx(110.26, abs=0.01)
    assert answer(replace(PLAN, checks=2), (23, 940)) == "undecided"
    assert replace(PLAN, checks=2).harm_at == 200


def test_against_the_primary_a_canary_under_the_limit_can_do_harm() -> None:
    sides = ((45, 10_000), (90, 90_000))
    assert answer(PLAN, *sides) == "well"
    assert answer(replace(PLAN, against="primary"), *sides) == "harm"
    assert answer(replace(PLAN, against="both"), *sides) == "harm"


def test_against_the_primary_being_no_worse_is_enough_and_so_is_being_well() -> None:
    against = replace(PLAN, against="primary", bounds=(Bound(limit=0.001, unacceptable=0.002),))
    assert answer(against, (50, 10_000), (450, 90_000)) == "common-cause"
    lenient = replace(PLAN, against="primary", bounds=(Bound(limit=0.005, unacceptable=0.0051),))
    assert answer(lenient, (50, 10_000), (450, 90_000)) == "well"
    assert answer(lenient, (0, 1_000), (0, 9_000)) == "well", "where nothing fails nothing can be compared"


def test_where_nothing_goes_to_the_primary_the_limit_holds() -> None:
    against = replace(PLAN, against="primary")
    state, found = look(against, (1, 100), (10, 900))
    assert found.answer is Answer.UNDECIDED
    assert look(against, (30, 300), (0, 0), state)[1].answer is Answer.HARM
    assert look(against, (2, 300), (0, 0), state)[1].answer is not Answer.HARM
    assert look(against, (30, 300), (90, 900), state)[1].answer is not Answer.HARM


def test_of_several_bounds_each_must_be_well_and_their_mean_may_do_harm() -> None:
    plan = Plan(
        counted="slow",
        bounds=(
            Bound(limit=0.01, unacceptable=0.02, failing="is over 100 ms in"),
            Bound(limit=0.01, unacceptable=0.02, failing="is over 500 ms in"),
        ),
        burst=1,
    )

    def of(low: float, high: float) -> Finding:
        tally = Tally(1_000, (Failures(low, low), Failures(high, high)))
        return observe(plan, None, Deltas(tally, Tally()), 100, 0)[1]

    assert of(0, 0).answer is Answer.WELL
    assert of(10, 0).answer is Answer.UNDECIDED, "1 % over 100 ms may be 2 % in truth"
    found = of(30, 0)
    assert found.answer is Answer.HARM
    assert found.log_e_harm == pytest.approx(of(30, 30).log_e_harm - math.log(2), abs=1e-6)
    assert found.text.startswith("canary is over 100 ms in 3 % of 1,000 requests: e-value ")


def test_a_limit_between_two_buckets_is_doubtful_both_ways() -> None:
    doubtful = Tally(1_000, (Failures(0, 40),))
    assert observe(PLAN, None, Deltas(doubtful, Tally()), 100, 0)[1].answer is Answer.UNDECIDED


def test_in_the_warm_up_nothing_counts_and_nothing_is_decided() -> None:
    plan = replace(PLAN, warm_up_s=30)
    state, finding = look(plan, (50, 100), now_s=1_000)
    state, late = look(plan, (50, 100), state=state, now_s=1_029)
    assert (finding.answer, late.answer, late.canary.requests) == (Answer.UNDECIDED, Answer.UNDECIDED, 0)
    _, warm = look(plan, (50, 100), state=state, now_s=1_030)
    assert (warm.answer, warm.canary.requests) == (Answer.HARM, 100)


def test_after_the_deadline_it_is_overdue_and_a_clock_that_was_set_back_is_not() -> None:
    plan = replace(PLAN, deadline_s=60)
    state, _ = look(plan, (0, 10), now_s=1_000)
    overdue = [look(plan, (0, 0), state=state, now_s=now_s)[1].is_overdue for now_s in (500, 1_059.9, 1_060)]
    assert overdue == [False, False, True]
    assert not look(replace(plan, deadline_s=None), (0, 0), state=state, now_s=1e9)[1].is_overdue


def test_an_edited_plan_is_held_to_all_that_was_counted() -> None:
    state, before = look(PLAN, (10, 1_000), (100, 9_000), now_s=5)
    _, edited = look(replace(PLAN, bounds=(bound_of_success(99.9),)), (0, 0), state=state, now_s=6)
    assert (before.answer, edited.answer) == (Answer.UNDECIDED, Answer.HARM)
    closer, _ = look(replace(PLAN, ratio=1.5), (0, 0), state=state)
    assert (closer.ratio, closer.canary_requests, closer.bounds[0].worse) == (1.5, 1_000, state.bounds[0].worse)
    assert set(closer.bounds[0].not_worse) == {0.0}
    other, _ = look(replace(PLAN, counted="over 500"), (0, 7), state=state)
    assert (other.canary_requests, other.counted) == (7, "over 500")


def test_the_bar_goes_from_well_to_harm() -> None:
    bars = [look(PLAN, (failures, 940))[1].bar for failures in (0, 8, 12, 16, 20, 30)]
    assert (bars[0], bars[-1]) == (-1.0, 1.0)
    assert bars == sorted(bars)
    assert look(PLAN, (0, 0))[1].bar == 0


COUNTS = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)).map(lambda pair: (min(pair), max(pair)))
AGAINST: st.SearchStrategy[Against] = st.sampled_from(["limit", "primary", "both"])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5),
    AGAINST,
    st.integers(1, 100),
    st.sampled_from([None, 1.0]),
)
def test_whatever_is_counted_there_is_one_answer_and_no_number_is_nan(
    ticks: list[tuple[tuple[int, int], tuple[int, int]]], against: Against, percent: int, burst: float | None
) -> None:
    plan = replace(PLAN, against=against, burst=burst)
    state, finding = None, None
    for number, (canary, primary) in enumerate(ticks):
        state, finding = look(plan, canary, primary, state, next_percent=percent, now_s=number)
        numbers = (finding.log_e_harm, finding.log_e_well, finding.e_harm, finding.e_well, finding.bar, finding.phi)
        assert all(math.isfinite(value) for value in numbers)
        assert -1 <= finding.bar <= 1
        assert (finding.bar == 1) >= (finding.answer is Answer.HARM)
        assert finding.text


@given(COUNTS, st.tuples(st.integers(0, 10**6), st.integers(10**6, 10**9)), AGAINST, st.integers(1, 1_000))
def test_more_failures_never_make_less_harm_nor_more_well(
    canary: tuple[int, int], primary: tuple[int, int], against: Against, more: int
) -> None:
    plan = replace(PLAN, against=against)
    failures, requests = canary
    _, some = look(plan, canary, primary)
    _, many = look(plan, (min(failures + more, requests), requests), primary)
    room = 1e-9 * max(1.0, abs(some.log_e_harm), abs(some.log_e_well))
    assert many.log_e_harm >= some.log_e_harm - room
    assert many.log_e_well <= some.log_e_well + room


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5_000)), min_size=2, max_size=20), st.integers(1, 20), AGAINST
)
def test_it_is_all_the_same_whether_counts_come_at_once_or_in_pieces(
    pieces: list[tuple[int, int]], share: int, against: Against
) -> None:
    """Of a split that stays, for the observed one is all that a piece tells besides; and of a primary that is well."""
    plan = replace(PLAN, against=against)
    state, finding, there = None, None, 0
    for failures, passed in pieces:
        requests = failures + passed
        few = min(failures, share * requests // 200)
        there += few
        state, finding = look(plan, (failures, requests), (few, share * requests), state)
    failures = sum(failed for failed, _ in pieces)
    requests = sum(failed + passed for failed, passed in pieces)
    _, whole = look(plan, (failures, requests), (there, share * requests))
    assert finding is not None
    assert finding.log_e_harm == pytest.approx(whole.log_e_harm, rel=1e-9, abs=1e-9)
    assert finding.log_e_well == pytest.approx(whole.log_e_well, rel=1e-9, abs=1e-9)
    assert finding.answer is whole.answer


def test_counts_that_cannot_be_are_none() -> None:
    _, finding = look(PLAN, (float("nan"), -5), (float("inf"), float("inf")))
    assert (finding.canary.requests, finding.canary.failures, finding.primary.requests) == (0, 0, 0)
    _, more = look(PLAN, (7, 5))
    assert (more.canary.failures, more.canary.requests) == (5, 5)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"alpha": 0.5}, "alpha: found 0.5; allowed: between 0 and 0.5"),
        ({"beta": 0.0}, "beta: found 0; allowed: between 0 and 0.5"),
        ({"alpha": float("nan")}, "alpha: found nan; allowed: between 0 and 0.5"),
        ({"ratio": 1.0}, "ratio: found 1; allowed: more than 1"),
        ({"burst": 0.5}, "burst: found 0.5; allowed: 1 or more"),
        ({"checks": 0}, "checks: found 0; allowed: 1 or more"),
        ({"bounds": ()}, "bounds: found none; allowed: one or more"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match="^" + text.replace(".", r"\.")):
        Plan(**({"counted": "5xx", "bounds": (BOUND,)} | wrong))  # type: ignore[arg-type]


def test_the_bounds_of_the_builtin_checks() -> None:
    assert bound_of_success(99) == Bound(limit=0.01, unacceptable=0.02)
    assert bound_of_success(30).unacceptable == pytest.approx(0.85)
    assert bound_of_success(99, 0.05).unacceptable == 0.05
    assert failing_over(2500) == "is over 2500 ms in"
    for percent in (0, 100):
        with pytest.raises(ValueError, match="allowed: 0 < limit < unacceptable < 1"):
            bound_of_success(percent)
