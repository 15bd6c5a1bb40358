"""Each step shows something of its own: what was well at a small weight must not outvote it."""

from dataclasses import replace

from canary.judgement.counts import Deltas
from canary.judgement.finding import Answer
from canary.judgement.observe import observe
from canary.judgement.plan import Bound, Plan
from tests.support.looks import PLAN, look, tally


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


def test_where_bursts_can_not_be_known_a_burst_in_one_step_is_no_harm_by_itself() -> None:
    """One of 9 failures: of 39 requests of a step it would be harm, and of the 243 of the run it is not yet."""
    auto = replace(PLAN, burst=None)
    for known, found in ((3_000, Answer.UNDECIDED), (30_000, Answer.HARM)):
        state, _ = look(auto, (0, 204), (0, known), next_percent=40)
        assert look(auto, (9, 39), state=state, next_percent=50)[1].answer is found
