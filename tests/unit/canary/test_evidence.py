"""Checks that are judged by evidence: a run goes on, back or waits by what its gateway counted."""

import json
from dataclasses import replace
from typing import Any

import pytest

from canary.api.names import Side
from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.observe import observe
from canary.judgement.plan import Bound, Plan
from canary.judgement.scrapes import Memory, SeenProcess
from canary.run.evidence import MOST_LOOKS, CheckEvidence, Look, read_evidence_of, shown_of, write_evidence_of
from canary.run.phase import Phase
from canary.run.status import read_state
from tests.support.counted_cluster import Counted, under_way, verdicts
from tests.support.measured_cluster import NOON_S
from tests.support.simulated_parts import ROLLING, UNREADY


def evidence_of(cluster: Counted) -> dict[str, Any]:
    found: list[dict[str, Any]] = cluster.status["serin"]["evidence"]
    assert len(found) == 1
    return found[0]


def test_a_release_that_is_well_goes_on_step_by_step() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.001})
    cluster.run(1800)
    assert cluster.state.phase is Phase.SUCCEEDED
    assert cluster.state.analysis.failed_checks == 0
    assert "Advance podinfo.test canary weight 50" in cluster.texts()


def test_harm_rolls_back_in_the_tick_that_shows_it_with_its_numbers() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.5, Side.PRIMARY: 0.004})
    begun_at_s = cluster.now_s
    cluster.run(600, until=lambda: cluster.state.phase is Phase.FAILED)
    assert cluster.now_s - begun_at_s <= 15
    cluster.run(1)
    assert cluster.state.analysis.failed_checks == 0, "a test needs no five failed checks"
    halted = next(text for text in cluster.texts() if "e-value" in text)
    assert halted.startswith(
        "Halt podinfo.test advancement request-success-rate: canary fails 50 % of 50 requests, primary 0.4 % of 950"
    )
    assert halted.endswith("rolled back at 100")
    assert "Rolling back podinfo.test evidence against request-success-rate" in cluster.texts()
    assert cluster.state.history[0].reason.startswith("request-success-rate: canary fails 50 %")
    assert evidence_of(cluster)["answer"] == "harm"


def test_what_is_not_known_yet_holds_and_costs_nothing() -> None:
    cluster = under_way({}, {"stepWeight": 50}, per_second=2, failing={Side.CANARY: 0.012})
    cluster.run(900)
    assert (cluster.state.phase, cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 50)
    assert (cluster.state.analysis.failed_checks, cluster.state.analysis.unobserved_s) == (0, 0.0)
    assert set(verdicts(cluster)) == {"undecided"}
    held = [text for text in cluster.remarks if "e-value" in text]
    assert len(held) == 1, "it is said once for a step, and not at each look"


@pytest.mark.parametrize(
    ("undecided", "phase"),
    [("hold", Phase.PROGRESSING), ("rollback", Phase.FAILED), ("promote", Phase.SUCCEEDED)],
)
def test_at_the_deadline_the_spec_says_what_follows(undecided: str, phase: Phase) -> None:
    cluster = under_way(
        {"deadline": "2m", "undecided": undecided}, {"stepWeight": 50}, per_second=2, failing={Side.CANARY: 0.012}
    )
    cluster.run(100)
    assert cluster.state.phase is Phase.PROGRESSING
    cluster.run(900)
    assert cluster.state.phase is phase
    alerts = [alert.text for alert in cluster.alerts() if "no evidence" in alert.text]
    assert alerts == (["There is no evidence either way after 2m0s."] if undecided == "hold" else [])


def test_a_cause_on_both_sides_holds_the_run_and_somebody_is_told_once() -> None:
    cluster = under_way({"against": "both"}, failing={Side.CANARY: 0.3, Side.PRIMARY: 0.3})
    cluster.run(300)
    assert (cluster.state.phase, cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 5)
    assert evidence_of(cluster)["answer"] == "common-cause"
    told = [alert.text for alert in cluster.alerts() if "primary is as bad" in alert.text]
    assert told == ["The primary is as bad as the canary: the run is held."]


def test_without_requests_nothing_is_known_and_the_time_without_a_sample_counts() -> None:
    cluster = under_way({}, per_second=0)
    cluster.run(90)
    assert set(verdicts(cluster)) == {"undecided"}, "with a scrape a minute nobody could know yet"
    cluster.run(130)
    assert set(verdicts(cluster)) == {"undecided", "no-data"}
    assert cluster.state.analysis.unobserved_s > 0
    cluster.run(900)
    assert cluster.state.phase is Phase.FAILED
    assert cluster.state.history[0].reason.startswith("no decisive sample for 600 s: no values found for gloo metric")


def test_a_server_that_is_away_for_five_minutes_takes_no_request_from_the_count() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.001})
    cluster.is_scraped = False
    cluster.run(300)
    assert cluster.state.analysis.failed_checks == 0
    before = cluster.state.analysis.evidence
    cluster.is_scraped = True
    cluster.run(11)
    (test,) = cluster.state.analysis.evidence
    assert before == () or before[0].state != test.state
    assert test.state is not None
    assert test.state.canary_requests >= 300 * 5, "what came meanwhile is counted when the server is back"
    cluster.run(1800)
    assert cluster.state.phase is Phase.SUCCEEDED


def test_the_threshold_holds_beside_the_test_where_the_spec_wants_both() -> None:
    cluster = under_way({"acceptable": 20}, failing={Side.CANARY: 0.001}, window=90.0)
    cluster.run(600)
    assert cluster.state.phase is Phase.FAILED
    assert "Rolling back podinfo.test failed checks threshold reached 5" in cluster.texts()


def test_a_dry_run_of_a_test_decides_nothing() -> None:
    metric = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}, "dryRun": True}
    cluster = under_way({}, {"metrics": [metric]}, failing={Side.CANARY: 0.5})
    cluster.run(1800)
    assert cluster.state.phase is Phase.SUCCEEDED


def test_all_of_it_is_in_the_status_and_goes_on_from_there() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.01, Side.PRIMARY: 0.01})
    cluster.run(60)
    (test,) = cluster.state.analysis.evidence
    assert test.state is not None
    assert read_evidence_of(write_evidence_of([test])) == (test,)
    assert read_state(cluster.status).analysis.evidence == (test,)


@pytest.mark.parametrize("found", [None, 5, "a", [5], [{}], [{"name": "a", "test": 7, "memory": [], "looks": [[1]]}]])
def test_what_somebody_wrote_into_it_begins_anew(found: object) -> None:
    assert all(test.state is None and not test.looks for test in read_evidence_of(found))


def test_looks_are_kept_few_and_lose_no_request() -> None:
    cluster = under_way({}, per_second=2, failing={Side.CANARY: 0.012})
    cluster.run(2000)
    (test,) = cluster.state.analysis.evidence
    assert test.state is not None
    assert len(test.looks) <= MOST_LOOKS
    assert sum(look.deltas.canary.requests for look in test.looks) == pytest.approx(test.state.canary_requests)


def test_a_step_with_a_time_ends_early_where_the_spec_says_so() -> None:
    steps = [{"weight": 50, "duration": "10m"}, {"weight": 100, "duration": "10m"}]
    took = {}
    for advance in ("interval", "early"):
        cluster = under_way(
            {"advance": advance}, {"stepWeight": None, "maxWeight": None, "steps": steps}, failing={Side.CANARY: 0.001}
        )
        begun_at_s = cluster.now_s
        cluster.run(7200, until=lambda seen=cluster: seen.state.phase is Phase.PROMOTING)  # type: ignore[misc]
        took[advance] = cluster.now_s - begun_at_s
    assert took["interval"] >= 1200
    assert took["early"] < 120


def test_the_next_run_counts_anew_and_remembers_how_failures_come() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.001, Side.PRIMARY: 0.01})
    cluster.run(1800)
    (before,) = cluster.state.analysis.evidence
    cluster.set_image("rev-3")
    cluster.run(30)
    (test,) = cluster.state.analysis.evidence
    assert before.state is not None
    assert test.state is not None
    assert test.state.canary_requests < before.state.canary_requests
    assert test.state.bounds[0].bursts.now.scales[0].bins >= before.state.bounds[0].bursts.now.scales[0].bins


def rarely_scraped(each_s: int, on_no_data: str, **more: Any) -> Counted:
    metric = {
        "name": "request-success-rate",
        "thresholdRange": {"min": 99},
        "evidence": {},
        "onNoData": on_no_data,
    }
    cluster = under_way({}, {"metrics": [metric]}, scraped_each_s=each_s, **more)
    cluster.remarks.clear()
    return cluster


@pytest.mark.parametrize("each_s", [15, 60])
@pytest.mark.parametrize("on_no_data", ["pass", "fail", "hold"])
def test_a_look_without_a_new_scrape_leaves_the_answer_as_it_was(each_s: int, on_no_data: str) -> None:
    """A look each ten seconds, and a scrape each fifteen or sixty: nothing is missing, and nothing has come."""
    good = rarely_scraped(each_s, on_no_data, failing={Side.CANARY: 0.001})
    good.run(1800)
    assert good.state.phase is Phase.SUCCEEDED
    assert not [text for text in good.remarks if "no values found" in text]
    bad = rarely_scraped(each_s, on_no_data, per_second=20, failing={Side.CANARY: 0.03})
    bad.run(1800, until=lambda: bad.state.phase is not Phase.PROGRESSING)
    assert bad.state.phase is Phase.FAILED
    assert bad.state.history[0].reason.startswith("request-success-rate: canary fails")


def test_what_the_run_before_failed_is_not_charged_to_the_next() -> None:
    cluster = under_way({}, scraped_each_s=60, failing={Side.CANARY: 0.9})
    cluster.run(50)
    cluster.failing = {}
    cluster.set_image("rev-3")
    cluster.run(1800)
    assert cluster.state.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("broken", [{"memory": 5}, {"memory": None}, {"memory": {"counted": "x", "processes": {}}}])
def test_where_what_was_read_last_is_lost_all_is_counted_again_and_not_twice(broken: dict[str, Any]) -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.004})
    cluster.run(60)
    (test,) = cluster.state.analysis.evidence
    (read,) = read_evidence_of([write_evidence_of([test])[0] | broken])
    assert (read.memory, read.state) == (Memory(), None)
    assert test.state is not None
    seen = test.state.canary_requests
    cluster.state = replace(cluster.state, analysis=replace(cluster.state.analysis, evidence=(read,)))
    cluster.run(11)
    (after,) = cluster.state.analysis.evidence
    assert after.state is not None
    answered = cluster.counters[Side.CANARY, "200"] + cluster.counters[Side.CANARY, "503"]
    assert seen < after.state.canary_requests <= answered


@pytest.mark.parametrize("undecided", ["rollback", "promote"])
def test_the_deadline_does_not_run_while_it_is_well_or_waits_for_its_own_time(undecided: str) -> None:
    steps = [{"weight": 50, "duration": "30m"}, {"weight": 100, "duration": "1m"}]
    cluster = under_way(
        {"deadline": "2m", "undecided": undecided},
        {"stepWeight": None, "maxWeight": None, "steps": steps},
        per_second=2,
        failing={Side.CANARY: 0.012},
    )
    cluster.run(1700)
    assert cluster.state.phase is Phase.PROGRESSING


def test_time_without_a_look_is_no_time_without_an_answer() -> None:
    cluster = under_way(
        {"deadline": "30m", "undecided": "promote"}, {"stepWeight": 50}, per_second=0.05, failing={Side.CANARY: 0.015}
    )
    cluster.run(60)
    cluster.now_s += 7200
    cluster.run(300)
    assert (cluster.state.phase, cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 50)


def test_a_dry_run_tells_its_news_and_not_each_look() -> None:
    metric = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}, "dryRun": True}
    steps = [{"weight": 50, "duration": "30m"}, {"weight": 100, "duration": "1m"}]
    analysis = {"metrics": [metric], "stepWeight": None, "maxWeight": None, "steps": steps}
    cluster = under_way({}, analysis, per_second=2, failing={Side.CANARY: 0.012})
    cluster.run(600)
    assert len([text for text in cluster.remarks if "Dry run" in text]) == 1


def test_shown_numbers_that_somebody_wrote_stay_in_their_bounds() -> None:
    (read,) = read_evidence_of(
        [{"name": "a", "answer": "well", "bar": -1e14, "canaryShare": 7e9, "primaryShare": -3, "burst": -5}]
    )
    assert (read.shown.bar, read.shown.canary_share, read.shown.primary_share, read.shown.phi) == (-1.0, 1.0, 0.0, 1.0)


def test_harm_waits_for_no_row_of_failures() -> None:
    metric = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}, "consecutiveFailures": 3}
    cluster = under_way({}, {"metrics": [metric]}, failing={Side.CANARY: 0.5})
    begun_at_s = cluster.now_s
    cluster.run(600, until=lambda: cluster.state.phase is Phase.FAILED)
    assert cluster.now_s - begun_at_s <= 15


def test_each_look_asks_for_the_share_that_comes_next() -> None:
    cluster = under_way({}, {"stepWeight": 20, "maxWeight": 60}, failing={Side.CANARY: 0.001})
    cluster.run(1800, until=lambda: cluster.state.phase is Phase.PROMOTING)
    (test,) = cluster.state.analysis.evidence
    assert list(dict.fromkeys(look.next_percent for look in test.looks)) == [40.0, 60.0, 100.0]


def test_a_step_is_told_of_once_and_the_next_one_again() -> None:
    steps = {"stepWeight": 20, "maxWeight": 60}
    cluster = under_way({"against": "both"}, steps, failing={Side.CANARY: 0.3, Side.PRIMARY: 0.3})
    cluster.run(100)
    (test,) = cluster.state.analysis.evidence
    assert test.is_told
    moved = replace(test, step="40/0/0")
    cluster.state = replace(cluster.state, analysis=replace(cluster.state.analysis, evidence=(moved,)))
    cluster.run(11)
    told = [alert.text for alert in cluster.alerts() if "primary is as bad" in alert.text]
    assert len(told) == 2


def test_the_warm_up_is_no_part_of_the_deadline() -> None:
    evidence = {"warmUp": "5m", "deadline": "2m", "undecided": "promote"}
    cluster = under_way(evidence, {"stepWeight": 50}, per_second=2, failing={Side.CANARY: 0.3})
    cluster.run(280)
    assert (cluster.state.phase, cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 50)
    cluster.run(900)
    assert cluster.state.phase is Phase.FAILED


def test_of_a_scrape_after_the_warm_up_only_what_came_after_it_counts() -> None:
    cluster = under_way({"warmUp": "70s"}, {"stepWeight": 50}, scraped_each_s=60, failing={Side.CANARY: 0.9})
    cluster.run(75)
    cluster.failing = {}
    cluster.run(1800)
    assert cluster.state.phase is Phase.SUCCEEDED


def test_harm_in_the_promotion_rolls_back_too() -> None:
    cluster = under_way({}, failing={Side.CANARY: 0.001})
    cluster.run(1800, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = ROLLING
    cluster.failing = {Side.CANARY: 0.9}
    begun_at_s = cluster.now_s
    cluster.run(600, until=lambda: cluster.state.phase is Phase.FAILED)
    assert cluster.now_s - begun_at_s <= 15
    assert cluster.state.history[0].reason.startswith("request-success-rate: canary fails")


@pytest.mark.parametrize(("second", "ends_early"), [(99, True), (99.95, False)])
def test_a_step_ends_early_only_if_each_of_its_tests_is_well(second: float, *, ends_early: bool) -> None:
    steps = [{"weight": 50, "duration": "10m"}, {"weight": 100, "duration": "10m"}]
    evidence = {"advance": "early", "deadline": "1m", "undecided": "promote"}
    metrics = [
        {"name": "request-success-rate", "thresholdRange": {"min": least}, "evidence": evidence}
        for least in (99, second)
    ]
    analysis = {"metrics": metrics, "stepWeight": None, "maxWeight": None, "steps": steps}
    cluster = under_way({}, analysis, failing={Side.CANARY: 0.001})
    cluster.run(300)
    (one, other) = cluster.state.analysis.evidence
    assert (one.shown.answer, cluster.state.phase is Phase.PROGRESSING) == ("well", not ends_early)
    assert (other.shown.answer == "well") == ends_early


def test_where_the_primary_is_lost_no_evidence_is_waited_for() -> None:
    cluster = under_way({}, {"stepWeight": 50}, per_second=2, failing={Side.CANARY: 0.012})
    cluster.run(100)
    assert cluster.state.traffic.canary_percent == 50
    cluster.primary_readiness = UNREADY
    cluster.run(120)
    assert cluster.state.traffic.canary_percent == 100


def test_who_knows_nothing_of_the_time_before_says_so_once() -> None:
    cluster = under_way({}, {"stepWeight": 50}, per_second=2, failing={Side.CANARY: 0.012}, lacks_history=True)
    cluster.run(300)
    told = [text for text in cluster.remarks if "time before" in text]
    text = (
        "request-success-rate: the samples of the time before the release are too many for one answer, so that "
        "each failure counts as one until the primary shows bursts during the run; evidence.burst says how large they "
        "are"
    )
    assert told == [text]
    pinned = under_way({"burst": 1}, per_second=2, failing={Side.CANARY: 0.012}, lacks_history=True)
    pinned.run(60)
    assert not [text for text in pinned.remarks if "time before" in text]


def test_all_that_the_status_may_have_of_tests_is_far_from_what_the_api_server_takes() -> None:
    """Eight tests of four bounds each, with the counters of 64 gateways: etcd takes 1.5 MiB."""
    most = 999_999_999.123456
    failures = (Failures(most, most),) * 4
    values = {"0a1b2c3d": (most,) * 9, "1a1b2c3d": (most,) * 9}
    memory = Memory("over 1, 2, 3, 4", {f"{at:016x}": SeenProcess(NOON_S + 0.123, values) for at in range(64)})
    plan = Plan(counted=memory.key, bounds=(Bound(limit=0.01, unacceptable=0.02),) * 4, against="both")
    state, finding = observe(plan, None, Deltas(), 50, NOON_S)
    for at in range(100):
        tally = Tally(most, tuple(Failures(most / 3, most / 2) for _ in range(4)))
        deltas = Deltas(tally, tally, (Tally(most, failures),) * 3)
        state, finding = observe(plan, state, deltas, 50, NOON_S + at)
    look = Look(at_s=NOON_S, next_percent=12.5, deltas=Deltas(Tally(most, failures), Tally(most, failures)))
    test = CheckEvidence(name="a" * 253, memory=memory, state=state, shown=shown_of(finding), looks=(look,) * 15)
    assert 100_000 < len(json.dumps(write_evidence_of([test] * 8))) < 500_000


STRATEGIES: list[dict[str, Any]] = [
    {"iterations": 5, "match": [{"headers": {"x-beta": {"exact": "yes"}}}], "stepWeight": None, "maxWeight": None},
    {"iterations": 5, "mirror": True, "mirrorWeight": 100, "stepWeight": None, "maxWeight": None},
    {"mirror": True},
    {"sessionAffinity": {"cookieName": "a"}},
]


@pytest.mark.parametrize("analysis", STRATEGIES, ids=["a/b", "blue/green", "mirror", "affinity"])
def test_releases_of_any_strategy_are_judged_by_the_limit(analysis: dict[str, Any]) -> None:
    ended = []
    for share in (0.001, 0.3):
        cluster = under_way({"against": "both"}, analysis, failing={Side.CANARY: share, Side.PRIMARY: share})
        cluster.run(900)
        ended.append((cluster.state.phase, cluster.state.history[0].reason[:43]))
    assert ended[0][0] is Phase.SUCCEEDED
    assert ended[1] == (Phase.FAILED, "request-success-rate: canary fails 30 % of ")
