"""Counting from raw samples: each request once, whatever happens to Envoy, to Prometheus and to scrapes."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judgement.counts import Failures, Tally
from canary.judgement.scrapes import MOST_PROCESSES, Memory, SeenProcess, Times, read_counts
from canary.judgement.series import RawSeries, slow_answers
from canary.judgement.stored import read_memory, write_memory
from tests.support.scraped_series import CLUSTERS, CODES, PRIMARY, counts, read, series


def test_what_was_counted_since_the_first_traffic_counts_once_however_windows_overlap() -> None:
    first = read(PRIMARY, series("c", "200", {100: 500, 110: 504}), series("c", "503", {100: 7, 110: 9}))
    assert counts(first) == (2, 6, 0, 10)
    again = read(PRIMARY, series("c", "200", {100: 500, 110: 504}), memory=first.memory)
    assert counts(again) == (0, 0, 0, 0)
    later = read(
        series("p", "200", {110: 1_020, 120: 1_030, 130: 1_045}),
        series("c", "200", {110: 504, 120: 508, 130: 509}),
        series("c", "503", {110: 9, 120: 9, 130: 10}),
        memory=first.memory,
    )
    assert counts(later) == (1, 6, 0, 25)
    assert (first.newest_s, later.newest_s) == (110, 130)


def test_a_new_series_begins_at_zero_if_its_envoy_was_scraped_without_it() -> None:
    assert counts(read(PRIMARY, series("c", "500", {110: 3}))) == (3, 3, 0, 10)
    first = read(PRIMARY)
    late = read(series("p", "200", {110: 1_020, 120: 1_030}), series("c", "500", {120: 3}), memory=first.memory)
    assert counts(late) == (3, 3, 0, 10)


def test_of_an_envoy_that_nobody_scraped_before_the_first_value_tells_nothing() -> None:
    alone = series("c", "500", {110: 300})
    reading = read(alone)
    assert counts(reading) == (0, 0, 0, 0)
    assert counts(read(series("c", "500", {110: 300, 120: 304}), memory=reading.memory)) == (4, 4, 0, 0)
    other = series("c", "500", {110: 300}, instance="10.0.0.2:8081")
    assert counts(read(PRIMARY, other)) == (0, 0, 0, 10), "another gateway's samples say nothing of this one's"


def test_a_restart_is_told_by_any_number_that_falls() -> None:
    first = read(PRIMARY, series("c", "200", {100: 500, 110: 504}), series("c", "500", {110: 2}))
    back = [series("c", "200", {110: 504, 120: 5}), series("c", "500", {110: 2, 120: 1})]
    assert counts(read(PRIMARY, *back, memory=first.memory)) == (1, 6, 0, 0)
    busy = [series("c", "200", {110: 504, 120: 900}), series("c", "500", {110: 2, 120: 1})]
    assert counts(read(PRIMARY, *busy, memory=first.memory)) == (1, 901, 0, 0), "more requests, but fewer failures"
    gone = [series("c", "200", {110: 504, 120: 900}), series("c", "500", {110: 2})]
    assert counts(read(PRIMARY, *gone, memory=first.memory)) == (0, 900, 0, 0)


def test_a_missed_scrape_loses_nothing() -> None:
    first = read(PRIMARY, series("c", "200", {100: 500, 110: 504}))
    far = read(series("p", "200", {400: 1_500}), series("c", "200", {400: 900}), memory=first.memory)
    assert counts(far) == (0, 396, 0, 480)


def test_gateways_are_added_up_and_each_is_remembered_by_itself() -> None:
    two = [
        PRIMARY,
        series("c", "200", {100: 10, 110: 14}),
        series("p", "200", {95: 50, 105: 60, 115: 70}, instance="b"),
        series("c", "503", {105: 0, 115: 5}, instance="b"),
    ]
    reading = read(*two)
    assert counts(reading) == (5, 9, 0, 30)
    assert sorted(seen.at_s for seen in reading.memory.processes.values()) == [110, 115]
    again = series("c", "503", {115: 5, 125: 2}, instance="b")
    assert counts(read(again, memory=reading.memory)) == (2, 2, 0, 0)


def test_one_cluster_by_two_names_is_one_side() -> None:
    reading = read(PRIMARY, series("p-old", "200", {100: 5, 110: 9}), series("other", "500", {100: 5, 110: 900}))
    assert counts(reading) == (0, 0, 0, 14)


def test_what_was_before_the_first_traffic_is_the_primarys_history_in_ticks() -> None:
    reading = read(
        series("p", "200", {61: 0, 66: 5, 71: 10, 76: 15, 81: 20, 101: 40}),
        series("p", "500", {76: 2, 81: 2, 101: 3}),
        series("c", "500", {61: 90, 81: 90, 101: 91}),
    )
    assert counts(reading) == (1, 1, 1, 21)
    assert reading.deltas.history == (
        Tally(5, (Failures(0, 0),)),
        Tally(12, (Failures(2, 2),)),
        Tally(5, (Failures(0, 0),)),
    )
    assert read(PRIMARY, memory=reading.memory).deltas.history == ()


def test_memory_is_small_and_forgets_what_is_gone() -> None:
    def fleet(first: int, at_s: float) -> list[RawSeries]:
        return [
            series("p", "200", {at_s - 10: 10, at_s: 11}, instance=f"10.0.0.{number}")
            for number in range(first, first + 100)
        ]

    reading = read(*fleet(0, 110))
    assert len(reading.memory.processes) == MOST_PROCESSES
    assert counts(reading)[3] == MOST_PROCESSES
    same = read(*fleet(0, 120), memory=reading.memory)
    assert same.memory.processes.keys() == reading.memory.processes.keys()
    later = read(*fleet(100, 5_000), memory=same.memory)
    assert len(later.memory.processes) == MOST_PROCESSES
    assert not later.memory.processes.keys() & same.memory.processes.keys()


def test_counts_of_something_else_are_not_continued() -> None:
    reading = read(PRIMARY, series("c", "200", {100: 500, 110: 504}))
    slow = slow_answers(CLUSTERS, (500,))
    assert read(bucket("c", "+Inf", {120: 9}), memory=reading.memory, counted=slow).deltas.canary.requests == 0
    torn = Memory("5xx", {"0a1b2c3d": SeenProcess(1.0, {"00ff00ff": (1.0,)})})
    assert counts(read(PRIMARY, memory=torn)) == (0, 0, 0, 10)


def test_how_far_back_to_ask() -> None:
    assert Memory().window_s(1_000, 120) == 1_800
    memory = read(PRIMARY).memory
    assert memory.window_s(115, 120) == 125
    assert memory.window_s(1_110, 120) == 1_120
    assert memory.window_s(1e6, 120) == 3_600


def bucket(cluster: str, bound: str, points: Mapping[float, float]) -> RawSeries:
    return RawSeries({"envoy_cluster_name": cluster, "le": bound, "instance": "a"}, tuple(points.items()))


@pytest.mark.parametrize(
    ("limits", "failures"),
    [
        ((500.0,), [(6, 6)]),
        ((500.0, 1_000.0), [(6, 6), (1, 1)]),
        ((700.0,), [(1, 6)]),
        ((100.0,), [(6, 15)]),
        ((99_999.0,), [(0, 1)]),
    ],
)
def test_slow_answers_are_those_over_the_limit(limits: Sequence[float], failures: list[tuple[float, float]]) -> None:
    """A limit between two buckets counts from the next bound up for harm, from the next one down for well."""
    counted = slow_answers(CLUSTERS, limits, (500, 1_000))
    answer = [
        bucket("c", "500", {100: 100, 110: 109}),
        bucket("c", "1000", {100: 100, 110: 114}),
        bucket("c", "+Inf", {100: 100, 110: 115}),
        bucket("p", "250", {100: 1, 110: 2}),
    ]
    found = read(*answer, counted=counted).deltas.canary
    assert found == Tally(15, tuple(Failures(*pair) for pair in failures))


def test_what_slow_means_is_named() -> None:
    assert slow_answers(CLUSTERS, (500, 700)).key == "over 500, 700 (500 to 1000)"


@pytest.mark.parametrize(
    ("points", "others_until_s", "found"),
    [
        ({-60: 0, 0: 1_000, 60: 3_400}, None, (0, 0)),
        ({-60: 1_000, 0: 1_000, 60: 3_400}, None, (2_400, 2_400)),
        ({-60: 1_000, 0: 1_000, 60: 3_400}, 50.0, (0, 0)),
        ({-60: 1_000, 0: 1_000, 60: 3_400, 120: 3_410}, 50.0, (10, 10)),
        ({0: 1_000, 60: 3_400}, None, (0, 0)),
        ({-60: 1_000, 0: 1_000, 60: 3_400}, -10.0, (2_400, 2_400)),
    ],
)
def test_what_the_revision_before_failed_is_not_charged_to_the_next(
    points: Mapping[float, float], others_until_s: float | None, found: tuple[float, float]
) -> None:
    """With a scrape a minute the first one after a revision's first traffic has what was before, too."""
    answer = series("c", "503", {at_s + 1_000: value for at_s, value in points.items()})
    until_s = None if others_until_s is None else others_until_s + 1_000
    reading = read_counts(Memory(), [answer], CODES, Times(1_055, until_s), tick_s=10)
    assert counts(reading)[:2] == found


@pytest.mark.parametrize("value", [1e308, 2e15, -5.0, float("nan"), float("inf")])
def test_numbers_that_no_counter_has_are_none(value: float) -> None:
    reading = read(
        PRIMARY, series("c", "200", {100: 5, 110: 9, 120: value}), series("c", "500", {100: 0, 110: 1, 120: value})
    )
    assert counts(reading) == (1, 5, 0, 10)
    assert read_memory(json.loads(json.dumps(write_memory(reading.memory)))) == reading.memory


@given(st.data())
def test_every_request_counts_once_in_any_history_of_one_envoy(data: st.DataObject) -> None:
    """Restarts between scrapes that are seen, looks at any time, windows of any length that reach back to the last."""
    truth, at, points = 0, (0, 0), {90.0: (0, 0)}
    for number in range(data.draw(st.integers(1, 12))):
        failed, passed = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 50))
        # A restart after which both counters are as high again at the next scrape can't be seen: there is none.
        is_restart = data.draw(st.booleans()) and (failed < at[0] or passed < at[1])
        at = (failed, passed) if is_restart else (at[0] + failed, at[1] + passed)
        truth += failed + passed
        points[101.0 + 10 * number] = at
    times = sorted(points)
    memory, found, seen = Memory(), 0.0, 0
    while seen < len(times):
        until = data.draw(st.integers(seen + 1, len(times)))
        since = data.draw(st.integers(0, max(0, seen - 1)))
        window = times[since:until]
        reading = read(
            series("c", "500", {at_s: points[at_s][0] for at_s in window}),
            series("c", "200", {at_s: points[at_s][1] for at_s in window}),
            memory=memory,
        )
        memory, seen, found = reading.memory, until, found + reading.deltas.canary.requests
    assert found == truth
