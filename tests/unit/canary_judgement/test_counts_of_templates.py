"""Counting with two queries, `good` and `total`: what one of them alone has is no failure."""

import json
from collections.abc import Mapping

from canary.judgement.counts import Failures, Tally
from canary.judgement.scrapes import Memory
from canary.judgement.series import GoodOfTotal, RawSeries
from canary.judgement.stored import read_memory, write_memory
from tests.support.scraped_series import read


def test_good_and_total_of_a_template() -> None:
    def of(role: str, path: str, points: Mapping[float, float]) -> RawSeries:
        return RawSeries({"serin_role": role, "path": path, "instance": "a"}, tuple(points.items()))

    reading = read(
        of("total", "/", {100: 50, 110: 60}),
        of("total", "/x", {100: 5, 110: 6}),
        of("good", "/", {100: 50, 110: 58}),
        of("good", "/x", {100: 5, 110: 6}),
        RawSeries({"instance": "a"}, ((100, 1), (110, 900))),
        counted=GoodOfTotal("orders"),
    )
    assert reading.deltas.canary == Tally(11, (Failures(2, 2),))


def of_template(role: str, points: Mapping[float, float], **labels: str) -> RawSeries:
    return RawSeries({"serin_role": role, "instance": "a"} | labels, tuple(points.items()))


def good_of_total(
    total: Mapping[float, float], good: Mapping[float, float], memory: Memory | None = None, **labels: str
) -> tuple[float, float, Memory]:
    """Return the canary's failures and requests, and what is remembered."""
    answer = [of_template("total", total, **labels), of_template("good", good, **labels)]
    reading = read(*answer, memory=memory, counted=GoodOfTotal("orders"))
    return reading.deltas.canary.failures[0].surely, reading.deltas.canary.requests, reading.memory


def test_a_scrape_between_two_queries_fails_no_request() -> None:
    """`good` was asked just before it, or by a server that has not got it yet."""
    failed, asked, memory = good_of_total({100: 10_000, 110: 10_010, 120: 10_020}, {100: 10_000, 110: 10_010})
    assert (failed, asked) == (0, 10)
    failed, asked, _ = good_of_total({110: 10_010, 120: 10_020}, {110: 10_010, 120: 10_019}, memory)
    assert (failed, asked) == (1, 10), "and it counts when all of it is there"


def test_two_queries_that_two_servers_answer_fail_no_request() -> None:
    _, _, memory = good_of_total({100: 10_000, 110: 10_010}, {100: 10_000, 110: 10_010})
    failed, asked, memory = good_of_total({110: 10_010, 120: 10_020}, {103: 10_003, 113: 10_013}, memory)
    assert (failed, asked) == (0, 0)
    failed, asked, memory = good_of_total({120: 10_020, 130: 10_030}, {}, memory)
    assert (failed, asked) == (0, 0), "the other one has lost what it had"
    failed, asked, _ = good_of_total({130: 10_030, 140: 10_040}, {130: 10_030, 140: 10_038}, memory)
    assert (failed, asked) == (2, 30)


def test_a_process_without_a_good_request_fails_all_of_them() -> None:
    failed, asked, _ = good_of_total({100: 0, 110: 50}, {})
    assert (failed, asked) == (50, 50)
    answer = [
        of_template("total", {100: 5, 110: 15, 120: 30}),
        of_template("total", {100: 5, 110: 15}, instance="b"),
        of_template("good", {100: 5, 110: 15}, instance="b"),
    ]
    found = read(*answer, counted=GoodOfTotal("orders")).deltas.canary
    assert found == Tally(20, (Failures(10, 10),)), "what is newer than any good one waits for the next look"


def test_a_container_that_restarts_in_its_pod_and_fails_all_since_counts_at_once() -> None:
    """Its name stays, and the good requests of the one before are in the answer for two minutes more."""
    before: dict[float, float] = {100: 1_000, 110: 1_010}
    failed, asked, memory = good_of_total(before, before)
    assert (failed, asked) == (0, 10)
    failed, asked, memory = good_of_total(before | {120: 5}, before, memory)
    assert (failed, asked) == (0, 0), "at that scrape there may be a good one that is not told yet"
    failed, asked, memory = good_of_total(before | {120: 5, 130: 25, 140: 45}, before, memory)
    assert (failed, asked) == (25, 25)
    failed, asked, memory = good_of_total({120: 5, 130: 25, 140: 45, 150: 65}, {150: 10}, memory)
    assert (failed, asked) == (30, 40), "and goes on when it has good ones"


def test_series_of_a_process_that_come_at_times_of_their_own_are_no_restarts() -> None:
    """Two groups of recording rules: a sum of half of them falls each time. Where no time has all, nothing counts."""

    def of(role: str, path: str, first_s: float, failed: float = 0) -> RawSeries:
        points = {first_s + 10 * at: 1_000.0 + (10 - failed) * at for at in range(6)}
        return RawSeries({"serin_role": role, "path": path, "instance": "a"}, tuple(points.items()))

    apart = [of(role, path, first_s) for role in ("total", "good") for path, first_s in (("/", 100), ("/x", 105))]
    assert read(*apart, counted=GoodOfTotal("orders")).deltas.canary == Tally(0, (Failures(0, 0),))
    one = [*(of("total", path, 100) for path in "ab"), of("good", "a", 100), of("good", "b", 100, failed=1)]
    missing = RawSeries(one[1].labels, [*one[1].points[:2], *one[1].points[3:]])
    assert read(one[0], missing, *one[2:], counted=GoodOfTotal("orders")).deltas.canary == Tally(100, (Failures(5, 5),))


def test_counters_that_are_not_incremented_at_once_are_no_restart() -> None:
    failed, asked, memory = good_of_total({100: 1_000, 110: 1_010, 120: 1_020}, {100: 1_000, 110: 1_009, 120: 1_020})
    assert (failed, asked) == (1, 20)
    failed, asked, memory = good_of_total({120: 1_020, 130: 1_030}, {120: 1_020, 130: 1_031}, memory)
    assert (failed, asked) == (0, 10)
    stored = read_memory(json.loads(json.dumps(write_memory(memory))))
    assert stored == memory, "more good than there are is nothing that can't be kept"
    failed, asked, _ = good_of_total({130: 1_030, 140: 1_040}, {130: 1_031, 140: 1_037}, stored)
    assert (failed, asked) == (2, 10), "one of the three was counted as it was not yet good"
    failed, asked, _ = good_of_total({130: 1_030, 140: 7}, {130: 1_031, 140: 5}, stored)
    assert (failed, asked) == (2, 7), "a total that falls is one"
