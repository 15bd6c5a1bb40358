"""Figures of `make bench`, key `scale`: how they are made of what was measured."""

import pytest

from benchmarks.scale import table
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


def test_the_tables_show_what_was_measured_beside_its_goal_and_leave_out_what_was_not() -> None:
    small = {"canaries": 100, "detect_s": {"p50": 0.4}, "storm_s": 3.6, "busy_cpu_s": {"agent": 9.5, "etcd": 2.0}}
    replayed = {"canaries": 10_000, "detect_s": {"p50": 2.5}}
    lines = table.render({"scale": [small, replayed]}).splitlines()
    assert "| figure | 100 | 10,000, replayed | goal |" in lines
    assert "| detected, p50, s | 0.4 | 2.5 | 100: < 0.5; 300: < 1 |" in lines
    assert "| with Serin in place, s | 3.6 |  |" in lines
    assert lines.index("| agent | 9.5 |") < lines.index("| etcd | 2.0 |")
    assert not any("tick lag" in line for line in lines)


def test_the_page_has_the_place_that_the_tables_are_written_to() -> None:
    before, begin, rest = table.PAGE.read_text().partition(table.BEGIN)
    assert before
    assert begin
    assert rest.count(table.END) == 1
