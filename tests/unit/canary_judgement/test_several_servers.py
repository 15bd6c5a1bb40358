"""Counting what several Prometheus servers, or several jobs of one, have scraped: once."""

from collections.abc import Mapping, Sequence

from canary.judgement.scrapes import Memory
from canary.judgement.series import RawSeries
from tests.support.scraped_series import PRIMARY, counts, read, series


def test_another_prometheus_with_a_clock_of_its_own_makes_no_restart() -> None:
    """Behind one Service there may be two, each with its own times for the same counter."""
    first = read(PRIMARY, series("c", "200", {100: 500, 110: 504}))
    other = [series("p", "200", {103: 1_009, 113: 1_018}), series("c", "200", {103: 499, 113: 503})]
    second = read(*other, memory=first.memory)
    assert counts(second) == (0, 0, 0, 0)
    back = [series("p", "200", {110: 1_020, 120: 1_030}), series("c", "200", {110: 504, 120: 508})]
    assert counts(read(*back, memory=second.memory)) == (0, 5, 0, 12)


def test_a_prometheus_that_lost_its_samples_goes_on_with_the_counters() -> None:
    first = read(PRIMARY, series("c", "200", {100: 500, 110: 504}))
    empty = [series("p", "200", {150: 1_100}), series("c", "200", {150: 540})]
    assert counts(read(*empty, memory=first.memory)) == (0, 36, 0, 80)


def test_of_a_pair_whose_series_have_a_label_each_one_is_read_and_stays_the_one() -> None:
    def pair(a: Mapping[float, float], b: Mapping[float, float]) -> list[RawSeries]:
        return [
            series(cluster, "200", points, prometheus_replica=name)
            for name, points in (("a", a), ("b", b))
            for cluster in ("p", "c")
        ]

    first = read(*pair({100: 10, 110: 14}, {95: 9, 103: 12, 113: 15}), since_s=90)
    assert counts(first) == (0, 6, 0, 6), "the longer one"
    second = read(*pair({100: 10, 110: 14, 115: 16, 120: 18, 125: 19}, {113: 15, 123: 18}), memory=first.memory)
    assert counts(second) == (0, 3, 0, 3), "the same one again, though the other one has more now"
    third = read(*pair({120: 18, 130: 24}, {}), memory=second.memory)
    assert counts(third) == (0, 6, 0, 6), "and the other one, when it is gone"


def test_an_envoy_that_two_jobs_scrape_counts_once() -> None:
    jobs = (("podmonitor", 0, 0, "pod"), ("annotations", 3, 1, "kubernetes_pod_name"))

    def twice(times: Sequence[float]) -> list[RawSeries]:
        return [
            series(cluster, "200", {at_s + late: at_s for at_s in times[drop:]}, job=job, **{label: "gateway-proxy-1"})
            for job, late, drop, label in jobs
            for cluster in ("p", "c")
        ]

    first = read(*twice([90, 100, 110, 120]))
    assert counts(first) == (0, 20, 0, 20)
    second = read(*twice([110, 120, 130]), memory=first.memory)
    assert counts(second) == (0, 10, 0, 10)
    late = [one for one in twice([120, 130, 140, 150, 400]) if one.labels["job"] == "annotations"]
    third = read(*twice([110, 120, 130])[:2], *late, memory=second.memory)
    assert counts(third) == (0, 270, 0, 270), "what only the other one goes on to scrape counts from where it was read"


def test_two_gateways_whose_jobs_differ_are_two() -> None:
    other = series("c", "200", {100: 0, 110: 7}, instance="10.0.0.2:8081", job="b")
    assert counts(read(series("c", "200", {100: 0, 110: 5}, job="a"), other)) == (0, 12, 0, 0)


def test_of_a_pair_with_rare_scrapes_one_stays_the_one() -> None:
    """Each of them scrapes every five minutes, and the other half of that later."""

    def both(until_s: float) -> list[RawSeries]:
        times = [at_s for at_s in (300, 600, 900, 1_200, 1_500) if at_s <= until_s]
        others = [at_s + 150 for at_s in times if at_s + 150 <= until_s]
        return [
            series(cluster, "200", {at_s: at_s / 10 for at_s in found}, prometheus_replica=name)
            for name, found in (("a", times), ("b", others))
            for cluster in ("p", "c")
        ]

    memory, found = Memory(), 0.0
    for until_s in range(600, 1_600, 50):
        reading = read(*both(until_s), memory=memory, since_s=300)
        memory, found = reading.memory, found + reading.deltas.canary.requests
    assert found == 120, "30 for each five minutes, of one of them"
