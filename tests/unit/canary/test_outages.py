"""Metric servers that go away, or have nothing to tell yet: a good release is promoted all the same, a bad one not."""

from typing import Any

from canary.run.judge import Sample
from canary.run.phase import Phase
from tests.support.measured_cluster import DURATION, NOON_S, RATE, Measured, checks, under_way
from tests.support.simulated_runs import phase

DOWN = Sample(error="http://prometheus:9090: no answer within 10 s")
NOTHING, BAD = Sample(), Sample(50.0)
OUTAGE_S = 300.0
NO_VALUES = "no values found for gloo metric request-success-rate probably podinfo.test is not receiving traffic"
REFUSED = (
    "metric query failed for request-success-rate: MetricTemplate test/own spec.provider.secretRef.name: found "
    "'login'; allowed: a Secret in namespace test, and there is none of this name"
)


def verdicts(cluster: Measured) -> list[str]:
    return [sample["verdict"] for sample in checks(cluster)[0]["samples"]]


def break_down(cluster: Measured, seconds: float, sample: Sample = DOWN) -> None:
    """Let nobody answer for a time."""
    cluster.values = {RATE: sample, DURATION: sample}
    cluster.run(seconds)


def second_step(analysis: dict[str, Any] | None = None) -> Measured:
    """Return a run that has passed its first checks, at 15:00:41."""
    cluster = under_way(analysis)
    cluster.run(30, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.settle()
    assert cluster.now_s == NOON_S + 41.0
    return cluster


def test_five_minutes_without_a_metric_server_cost_a_good_release_time_and_no_failed_check() -> None:
    cluster = second_step()
    break_down(cluster, OUTAGE_S)
    assert (phase(cluster), cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 10)
    assert (cluster.state.analysis.failed_checks, cluster.state.analysis.unobserved_s) == (0, 290.0)
    assert verdicts(cluster) == ["error"] * 10
    cluster.values = {}
    cluster.run(600, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert (phase(cluster), cluster.state.analysis.failed_checks) == (Phase.SUCCEEDED, 0)
    assert cluster.state.revisions.promoted == "rev-2"
    assert not [text for text in cluster.texts() if text.startswith("Halt podinfo.test advancement")]
    undisturbed = second_step()
    undisturbed.run(600, until=lambda: undisturbed.state.phase is Phase.SUCCEEDED)
    assert (undisturbed.now_s - NOON_S, cluster.now_s - NOON_S) == (132.0, 422.0), "15:02:12 and 15:07:02"


def test_a_bad_release_is_rolled_back_by_the_first_samples_after_the_outage() -> None:
    cluster = second_step({"threshold": 1})
    break_down(cluster, OUTAGE_S)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.values = {RATE: BAD}
    back_at_s = cluster.now_s
    cluster.run(60, until=lambda: cluster.state.phase is Phase.FAILED)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (Phase.FAILED, 1)
    assert cluster.now_s - back_at_s <= 10.0, "the next checks, an interval later at the most"
    assert cluster.state.history[0].reason == "success rate 50.00% < 99%"


def test_a_bad_release_takes_as_many_failed_checks_after_the_outage_as_without_one() -> None:
    cluster = second_step({"threshold": 3})
    break_down(cluster, OUTAGE_S)
    cluster.values = {RATE: BAD}
    cluster.run(60, until=lambda: cluster.state.phase is Phase.FAILED)
    assert cluster.state.analysis.failed_checks == 3
    assert verdicts(cluster)[-4:] == ["error", "fail", "fail", "fail"]


def test_no_values_before_the_load_arrives_are_no_failed_check() -> None:
    """Flagger's guide: its first checks find `no values`, and each of them counts there as failed."""
    cluster = under_way()
    cluster.values = {RATE: NOTHING, DURATION: NOTHING}
    cluster.run(60)
    assert (cluster.state.traffic.canary_percent, cluster.state.analysis.failed_checks) == (5, 0)
    assert checks(cluster)[0]["reason"] == NO_VALUES
    cluster.values = {}
    cluster.run(600, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (Phase.SUCCEEDED, 0)


def test_an_outage_that_outlasts_the_deadline_rolls_back_and_says_for_how_long_and_why() -> None:
    cluster = second_step({"unobservedDeadlineSeconds": 120})
    break_down(cluster, 119)
    assert phase(cluster) is Phase.PROGRESSING
    break_down(cluster, 10)
    assert (phase(cluster), cluster.state.analysis.failed_checks) == (Phase.FAILED, 0)
    assert cluster.state.history[0].reason.startswith(
        "no decisive sample for 120 s: metric query failed for request-success-rate: http://prometheus:9090: no answer"
    )


def test_no_answer_is_not_no_data() -> None:
    """Whoever says what no data means says nothing of a server that is away."""
    metrics = [{"name": RATE, "thresholdRange": {"min": 99}, "onNoData": "fail"}]
    cluster = under_way({"metrics": metrics})
    cluster.values = {RATE: DOWN}
    cluster.run(60)
    assert (cluster.state.analysis.failed_checks, verdicts(cluster)) == (0, ["error"] * 5)
    cluster.values = {RATE: NOTHING}
    cluster.run(10)
    assert (cluster.state.analysis.failed_checks, verdicts(cluster)[-1]) == (1, "fail")


def ready(cluster: Measured) -> tuple[str, str, str]:
    found = next(one for one in cluster.status["conditions"] if one["type"] == "Ready")
    return found["status"], found["reason"], found["message"]


def test_what_somebody_has_to_mend_is_told_at_once_and_picked_up_when_it_is() -> None:
    cluster = second_step()
    break_down(cluster, 15, Sample(error=REFUSED.partition(": ")[2], is_refused=True))
    expected = f"podinfo.test {REFUSED}. Until that is mended the weight stays, for 600 s; then it is rolled back"
    assert ready(cluster) == ("False", "CheckRefused", expected)
    assert cluster.texts()[-1] == f"podinfo.test is not ready: {expected}"
    assert checks(cluster)[0]["refused"] is True
    cluster.values = {}
    cluster.run(15)
    assert ready(cluster)[:2] == ("True", "Reconciling")
    assert "refused" not in checks(cluster)[0]
    cluster.run(600)
    assert (phase(cluster), cluster.state.analysis.failed_checks) == (Phase.SUCCEEDED, 0)


def test_a_server_that_does_not_answer_is_told_after_a_minute_with_what_it_said() -> None:
    cluster = second_step()
    break_down(cluster, 55)
    assert ready(cluster)[0] == "True"
    break_down(cluster, 30)
    status, reason, message = ready(cluster)
    assert (status, reason) == ("False", "ChecksUndecided")
    assert "metric query failed for request-duration: http://prometheus:9090: no answer within 10 s" in message


def test_a_dry_run_that_nobody_can_ask_leaves_the_canary_ready() -> None:
    dry = {"name": DURATION, "thresholdRange": {"max": 500}, "dryRun": True}
    cluster = under_way({"metrics": [{"name": RATE, "thresholdRange": {"min": 99}}, dry]})
    cluster.values = {DURATION: Sample(error="no such Secret", is_refused=True)}
    cluster.run(40)
    assert ready(cluster)[0] == "True"
    assert (checks(cluster)[1]["refused"], checks(cluster)[1]["dryRun"]) == (True, True)


def test_after_the_run_nothing_is_told_of_it_any_more() -> None:
    cluster = second_step({"unobservedDeadlineSeconds": 30})
    break_down(cluster, 200, Sample(error="no such Secret", is_refused=True))
    assert phase(cluster) is Phase.FAILED
    assert ready(cluster)[:2] == ("True", "Reconciling")
