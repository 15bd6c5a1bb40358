"""Bursts of failures: learned from the primary, kept from run to run, and no reason for a rollback."""

import math
from dataclasses import replace

import pytest

from canary.judgement.counts import Deltas
from canary.judgement.finding import Answer
from canary.judgement.observe import observe, times_of
from canary.judgement.scrapes import Memory, Times, read_counts
from tests.support.looks import PLAN, answer, look, tally
from tests.support.scraped_series import CODES, series


def test_the_bursts_of_a_service_stay_known_from_one_run_to_the_next() -> None:
    auto = replace(PLAN, burst=None)
    ticks = tuple(tally(20 if number % 20 == 7 else 0, 1_000) for number in range(100))
    state, found = observe(auto, None, Deltas(history=ticks), 100, 0)
    assert found.phi == pytest.approx(19 * (1 + math.sqrt(19 / 100)), abs=0.5)
    fresh = state.renewed(None)
    assert (fresh.canary_requests, fresh.began_at_s) == (0, None)
    assert look(auto, (0, 0), state=fresh)[1].phi == found.phi
    assert look(replace(auto, burst=3), (0, 0), state=fresh)[1].phi == 3
    assert look(replace(auto, counted="other"), (0, 0), state=fresh)[1].phi == 1
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


def test_bursts_before_the_release_are_learned() -> None:
    """Twenty failures at once, each two minutes: of 200 requests in their tick, and of no other."""
    history = tuple(tally(20 if at % 12 == 0 else 0, 200) for at in range(180))
    assert observe(PLAN, None, Deltas(history=history), 10, 0)[0].bounds[0].bursts.now.phi > 15
    steady = tuple(tally(6 + 6 * (at % 2), 200) for at in range(180))
    assert observe(PLAN, None, Deltas(history=steady), 10, 0)[0].bounds[0].bursts.now.scales[0].bins == 180


def test_what_the_run_before_learned_is_not_learned_again_from_the_half_hour_before_the_next() -> None:
    """The primary fails 20 of a look's 200 requests now and then; the next release comes a minute after the last."""
    points = {10.0 * at: 200.0 * at for at in range(100)}
    failed = {10.0 * at: 20.0 * (at // 12) for at in range(100)}
    answer = [series("p", "200", points), series("p", "503", failed)]
    auto = replace(PLAN, burst=None)
    first = read_counts(Memory(), answer, CODES, Times(500.0), tick_s=10)
    state, _ = observe(auto, None, first.deltas, 10, 990)
    known = state.bounds[0].bursts.now
    renewed = state.renewed(first.memory.newest_s)
    again = read_counts(Memory(), answer, CODES, times_of(auto, renewed, 995.0, 995.0, 1_000.0), tick_s=10)
    assert again.deltas.history == ()
    assert observe(auto, renewed, again.deltas, 10, 1_000)[0].bounds[0].bursts.now == known
    other = replace(auto, counted="over 500")
    assert times_of(other, renewed, 995.0, None, 1_000.0) == Times(995.0), "of another test all of it is learned"


def test_an_outage_in_mid_run_holds_that_run_and_makes_no_later_one_blind() -> None:
    """100 requests a second of the primary; in the third minute 30 % of them fail for a minute."""
    auto = replace(PLAN, burst=None)
    state, found = look(auto, (0, 0))
    for at in range(60):
        primary = (300, 1_000) if 18 <= at < 24 else (1, 1_000)
        state, found = look(auto, (0, 50), primary, state, now_s=10 * at)
    assert found.phi == 64
    assert look(auto, (0, 0), state=state.renewed(600))[1].phi == 1
    state = state.renewed(600)
    for at in range(60):
        state, found = look(auto, (0, 50), (20 if at % 10 == 3 else 0, 1_000), state, now_s=10 * at)
    assert 10 < found.phi < 40, "bursts that last for one look are learned for good"
    assert look(auto, (0, 0), state=state.renewed(600))[1].phi == found.phi
