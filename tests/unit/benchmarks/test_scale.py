"""Figures of `make bench`, key `scale`: how they are made of what was measured."""

import pytest

from benchmarks.scale.series import Scrape, quantile_between


def scraped(*counts: int, name: str = "lag") -> Scrape:
    bounds = ("0.1", "1.0", "+Inf")
    return Scrape(
        tuple((f"{name}_bucket", f'le="{bound}"', float(count)) for bound, count in zip(bounds, counts, strict=True))
    )


@pytest.mark.parametrize(
    ("share", "quantile_s"),
    [
        (0.5, 0.1),  # the fifth of ten is the last one of the first bucket
        (0.7, 0.55),  # the seventh is in the middle of the second bucket
        (1.0, 1.0),  # what lies beyond the last bound is known to be no less than it
    ],
)
def test_a_quantile_is_of_what_came_between_two_scrapes(share: float, quantile_s: float) -> None:
    before, after = scraped(90, 90, 90), scraped(95, 99, 100)
    assert quantile_between(before, after, "lag", share) == pytest.approx(quantile_s)


def test_a_histogram_that_got_nothing_has_no_lag() -> None:
    assert quantile_between(scraped(3, 3, 3), scraped(3, 3, 3), "lag", 0.99) == 0
