"""Looks at a check: one answer each, and the same whatever way the counts come."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.finding import Answer, Finding
from canary.judgement.observe import begin, observe
from canary.judgement.plan import Against, Bound, Plan, bound_of_success, failing_over
from canary.judgement.state import EvidenceState

BOUND = bound_of_success(99)
PLAN = Plan(counted="5xx", bounds=(BOUND,), burst=1)


def tally(failures: float, requests: float) -> Tally:
    return Tally(requests, (Failures(failures, failures),))


def look(
    plan: Plan,
    canary: tuple[float, float],
    primary: tuple[float, float] = (0, 0),
    state: EvidenceState | None = None,
    *,
    next_percent: float = 100,
    now_s: float = 0,
) -> tuple[EvidenceState, Finding]:
    return observe(plan, state, Deltas(tally(*canary), tally(*primary)), next_percent, now_s)


def answer(plan: Plan, canary: tuple[float, float], primary: tuple[float, float] = (0, 0), **more: float) -> str:
    return look(plan, canary, primary, **more)[1].answer.value  # type: ignore[arg-type]


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


def test_a_common_cause_is_neither_harm_nor_well() -> None:
    sides = ((50, 1_000), (450, 9_000))
    assert answer(PLAN, *sides) == "harm", "only the limit was asked for"
    for compared in (replace(PLAN, against="primary"), replace(PLAN, against="both")):
        assert answer(compared, *sides) == "common-cause"
        assert answer(compared, (200, 1_000), (450, 9_000)) == "harm", "bad both, and the canary worse"
    assert answer(replace(PLAN, against="both"), (50, 1_000), (9, 9_000)) == "harm"


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


def test_the_bursts_of_a_service_stay_known_from_one_run_to_the_next() -> None:
    auto = replace(PLAN, burst=None)
    ticks = tuple(tally(20 if number % 20 == 7 else 0, 1_000) for number in range(100))
    state, found = observe(auto, None, Deltas(history=ticks), 100, 0)
    assert found.phi == pytest.approx(19 * (1 + math.sqrt(19 / 100)), abs=0.5)
    fresh = begin(auto, state)
    assert (fresh.canary_requests, fresh.began_at_s) == (0, None)
    assert look(auto, (0, 0), state=fresh)[1].phi == found.phi
    assert look(replace(auto, burst=3), (0, 0), state=fresh)[1].phi == 3
    assert look(replace(auto, counted="other"), (0, 0), state=begin(replace(auto, counted="other"), state))[1].phi == 1
    assert answer(PLAN, (15, 200)) == "harm"
    assert look(auto, (15, 200), state=fresh)[1].answer is Answer.UNDECIDED, "less than one burst"
    assert look(auto, (150, 2_000), state=fresh)[1].answer is Answer.HARM


def test_bursts_are_learned_from_the_primary_during_the_run_in_the_warm_up_too() -> None:
    auto = replace(PLAN, burst=None, warm_up_s=1e6)
    state, found = None, None
    for number in range(60):
        burst = 20 if number % 10 == 3 else 0
        state, found = look(auto, (burst, 1_000), (0, 1_000), state)
    assert found is not None
    assert found.phi == 1, "the canary's may be the release's own"
    for number in range(60):
        state, found = look(auto, (0, 1_000), (20 if number % 10 == 3 else 0, 1_000), state)
    assert found.phi > 15


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


def of_bounds(*bounds: tuple[tuple[float, float], tuple[float, float], float]) -> Finding:
    """Return what both sides' failures by each bound, with its limit, come to: of 10,000 requests each."""
    plan = Plan(
        counted="x",
        bounds=tuple(Bound(limit=limit, unacceptable=2 * limit) for _, _, limit in bounds),
        against="both",
        burst=1,
    )
    canary = tuple(Failures(*failed) for failed, _, _ in bounds)
    primary = tuple(Failures(*failed) for _, failed, _ in bounds)
    return observe(plan, None, Deltas(Tally(10_000, canary), Tally(10_000, primary)), 50, 0)[1]


def test_a_cause_that_is_common_by_one_bound_hides_no_harm_by_another() -> None:
    common, worse = ((3_300, 3_300), (3_300, 3_300), 0.1), ((2_000, 2_000), (10, 10), 0.01)
    for bounds in ((common, worse), (worse, common)):
        found = of_bounds(*bounds)
        assert found.answer is Answer.HARM
        assert found.text.startswith("canary fails 20 % of 10,000 requests, primary 0.1 % of 10,000: e-value over")


def test_what_is_common_is_told_with_the_numbers_of_the_bound_that_is() -> None:
    found = of_bounds(((3_300, 3_300), (3_300, 3_300), 0.1), ((20, 20), (20, 20), 0.01))
    assert found.answer is Answer.COMMON_CAUSE
    assert found.text == (
        "canary fails 33 % of 10,000 requests, primary 33 % of 10,000: both are over 10 %, held for a common cause"
    )


def test_an_outage_of_the_primary_before_the_release_makes_nobody_blind() -> None:
    """100 requests a second, of which 30 % failed for a minute: at 5 % of the traffic 5 % failed show in minutes."""
    history = tuple(Tally(1_000, (Failures(300, 300) if 30 <= at < 36 else Failures(1, 1),)) for at in range(180))
    plan = Plan(counted="5xx", bounds=(Bound(limit=0.01, unacceptable=0.02),))
    state, found = observe(plan, None, Deltas(history=history), 10, 0)
    assert found.phi == 1
    looks = 0
    while found.answer is not Answer.HARM and looks < 1_000:
        looks += 1
        deltas = Deltas(Tally(50, (Failures(2.5, 2.5),)), Tally(950, (Failures(1, 1),)))
        state, found = observe(plan, state, deltas, 10, 10 * looks)
    assert looks < 10


def test_bursts_before_the_release_are_learned() -> None:
    """Twenty failures at once, each two minutes: of 200 requests in their tick, and of no other."""
    history = tuple(tally(20 if at % 12 == 0 else 0, 200) for at in range(180))
    assert observe(PLAN, None, Deltas(history=history), 10, 0)[0].bounds[0].dispersion.phi > 15
    steady = tuple(tally(6 + 6 * (at % 2), 200) for at in range(180))
    assert observe(PLAN, None, Deltas(history=steady), 10, 0)[0].bounds[0].dispersion.scales[0].bins == 180


def test_what_is_well_at_a_small_weight_and_fails_under_load_is_not_promoted() -> None:
    """Half an hour at 5 % without an error, then half of the traffic, of which 3 % fail."""
    plan = Plan(counted="5xx", bounds=(Bound(limit=0.01, unacceptable=0.02),), burst=1)
    state, found = None, None
    for at in range(180):
        state, found = observe(plan, state, Deltas(tally(0, 50), tally(1, 950)), 50, 10 * at)
    assert found is not None
    assert found.answer is Answer.WELL
    for at in range(180, 280):
        state, found = observe(plan, state, Deltas(tally(15, 500), tally(1, 500)), 100, 10 * at)
        assert found.answer is not Answer.WELL
        if found.answer is Answer.HARM:
            break
    assert at < 190


def test_each_step_shows_something_of_its_own() -> None:
    state, _ = look(PLAN, (0, 100_000), next_percent=50)
    state, found = look(PLAN, (0, 30), state=state, next_percent=60)
    assert found.answer is Answer.UNDECIDED
    _, found = look(PLAN, (0, 30), state=state, next_percent=60)
    assert found.answer is Answer.WELL, "an unacceptable release would have failed once by now"
    _, found = look(PLAN, (0, 60), state=state, next_percent=100)
    assert found.answer is Answer.UNDECIDED
    _, found = look(PLAN, (0, 250), state=state, next_percent=100)
    assert found.answer is Answer.WELL, "and before the promotion the last step is well by itself"


def test_an_incident_of_both_sides_is_told_and_does_not_hold_for_ever() -> None:
    """A minute in which 30 % fail, with 100 requests a second, half of them the canary's."""
    plan = Plan(counted="5xx", bounds=(Bound(limit=0.01, unacceptable=0.02),), against="both")
    state, history = None, tuple(tally(1, 1_000) for _ in range(180))
    findings: list[Finding] = []
    for at in range(60):
        failed = 150.0 if 30 <= at < 36 else 0.5
        deltas = Deltas(tally(failed, 500), tally(failed, 500), () if at else history)
        state, found = observe(plan, state, deltas, 100, 10 * at)
        findings.append(found)
    answers = [found.answer for found in findings]
    assert answers[29] is Answer.WELL
    assert set(answers[30:36]) == {Answer.COMMON_CAUSE}, "though somebody might have bursts as large"
    assert set(answers[45:]) == {Answer.WELL}
    assert Answer.HARM not in answers
    assert findings[-1].phi == 64, "no more is learned"


@pytest.mark.parametrize("against", ["both", "primary"])
def test_a_release_that_ends_an_incident_is_well(against: Against) -> None:
    plan = Plan(counted="5xx", bounds=(Bound(limit=0.01, unacceptable=0.02),), against=against)
    state, answers = None, []
    for at in range(60):
        state, found = observe(plan, state, Deltas(tally(0.5, 500), tally(50, 500)), 100, 10 * at)
        answers.append(found.answer)
    assert set(answers) <= {Answer.UNDECIDED, Answer.WELL}
    assert answers[-1] is Answer.WELL


def test_worse_than_a_primary_in_an_incident_is_harm_all_the_same() -> None:
    plan = Plan(counted="5xx", bounds=(Bound(limit=0.01, unacceptable=0.02),), against="both", burst=1)
    assert observe(plan, None, Deltas(tally(250, 500), tally(50, 500)), 100, 0)[1].answer is Answer.HARM
