"""Bursts: told from failures that come alone, and how large they are."""

import random
from collections.abc import Sequence

import pytest

from canary.judgement.dispersion import Dispersion


def learned(ticks: Sequence[tuple[float, float]]) -> Dispersion:
    return Dispersion().learn(ticks)


def poisson(drawn: random.Random, mean: float) -> int:
    """Arrivals in a time of 1."""
    count, at = 0, drawn.expovariate(mean)
    while at < 1:
        count, at = count + 1, at + drawn.expovariate(mean)
    return count


def test_nothing_is_known_at_first_nor_without_failures_or_requests() -> None:
    assert Dispersion().phi == 1
    assert learned([(0, 1_000)] * 50).phi == 1
    assert learned([(0, 0)] * 50) == Dispersion()
    assert learned([(20, 1_000)] + [(0, 1_000)] * 5).phi == 1, "seven ticks"


def test_failures_that_come_alone_hardly_ever_look_like_bursts() -> None:
    drawn = random.Random(17)  # noqa: S311
    shown = [
        learned([(poisson(drawn, mean), 1_000) for _ in range(180)]).phi
        for mean in (0.02, 0.3, 5.0)
        for _ in range(200)
    ]
    assert sum(phi > 1 for phi in shown) <= 18, "3 %"
    assert max(shown) < 4


def test_more_requests_at_noon_are_no_bursts() -> None:
    drawn = random.Random(18)  # noqa: S311
    waves = [(requests, poisson(drawn, requests / 1_000)) for requests in (500, 8_000, 2_000, 16_000) * 45]
    assert learned([(failures, requests) for requests, failures in waves]).phi == 1


@pytest.mark.parametrize(("size", "phi"), [(5, 5), (20, 20)])
def test_causes_of_so_many_failures_are_found(size: int, phi: float) -> None:
    drawn = random.Random(19)  # noqa: S311
    ticks = [(size * poisson(drawn, 0.3), 1_000.0) for _ in range(400)]
    assert learned(ticks).phi == pytest.approx(phi, rel=0.35)


def test_bursts_of_a_mean_of_five_are_nine() -> None:
    """Of geometric ones E[B^2] / E[B] is 9."""
    drawn = random.Random(20)  # noqa: S311

    def burst() -> int:
        size = 1
        while drawn.random() > 0.2:
            size += 1
        return size

    ticks = [(float(sum(burst() for _ in range(poisson(drawn, 0.5)))), 1_000.0) for _ in range(600)]
    assert learned(ticks).phi == pytest.approx(9, rel=0.4)


def test_a_burst_that_lasts_for_a_minute_is_one() -> None:
    ticks = ([(5.0, 1_000.0)] * 6 + [(0.0, 1_000.0)] * 54) * 8
    assert learned(ticks).phi == pytest.approx(27 * 1.33, rel=0.1), "30 less their share, and more as it is uncertain"


def test_what_is_long_ago_is_forgotten() -> None:
    bursty = learned([(20.0 if number % 10 == 0 else 0.0, 1_000.0) for number in range(720)])
    assert bursty.phi > 15
    assert bursty.learn([(2.0, 1_000.0)] * 10_000).phi == 1
