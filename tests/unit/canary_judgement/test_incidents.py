"""What both sides suffer from: no release is charged with it, and none hides behind it."""

from dataclasses import replace

import pytest

from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.finding import Answer, Finding
from canary.judgement.observe import observe
from canary.judgement.plan import Against, Bound, Plan
from tests.support.looks import PLAN, answer, tally


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


def test_a_common_cause_is_neither_harm_nor_well() -> None:
    sides = ((50, 1_000), (450, 9_000))
    assert answer(PLAN, *sides) == "harm", "only the limit was asked for"
    for compared in (replace(PLAN, against="primary"), replace(PLAN, against="both")):
        assert answer(compared, *sides) == "common-cause"
        assert answer(compared, (200, 1_000), (450, 9_000)) == "harm", "bad both, and the canary worse"
    assert answer(replace(PLAN, against="both"), (50, 1_000), (9, 9_000)) == "harm"


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
