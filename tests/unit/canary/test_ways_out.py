"""Ways out of what would last for ever: a dead primary, a paused target, a hook that runs for hours, a retry in Git."""

import pytest

from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, UNREADY, always
from tests.support.simulated_runs import phase

REVISION = "aaaaaaaaaaaaaaaa"
OTHER = "bbbbbbbbbbbbbbbb"


def exposed(cluster: SimulatedCluster, percent: int = 20) -> SimulatedCluster:
    """Bring a run of REVISION to the moment where the canary has so much traffic."""
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == percent)
    cluster.settle()
    cluster.told.clear()
    return cluster


def test_an_image_that_is_applied_to_cure_a_dead_primary_gets_all_users_and_is_promoted_when_its_checks_pass(
    cluster: SimulatedCluster,
) -> None:
    cluster.primary_readiness = UNREADY
    cluster.run(60)
    cluster.set_image(REVISION)
    cluster.run(36)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (0, 100))
    assert cluster.primary_revision == "rev-1", "promoted before anything of it was seen"
    cluster.run(20)
    assert cluster.primary_revision == REVISION
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.SUCCEEDED, (100, 0))


def test_a_primary_that_is_down_for_the_time_of_a_restart_changes_nothing_of_the_steps(
    cluster: SimulatedCluster,
) -> None:
    exposed(cluster)
    cluster.primary_readiness = UNREADY
    cluster.run(25)
    assert cluster.weights == (80, 20)
    cluster.primary_readiness = READY
    cluster.run(12)
    assert cluster.weights == (75, 25)


def test_a_bad_image_that_was_to_cure_a_dead_primary_is_not_left_for_a_primary_without_a_pod(
    cluster: SimulatedCluster,
) -> None:
    cluster.primary_readiness = UNREADY
    cluster.run(60)
    cluster.set_image(REVISION)
    cluster.run(36)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(300)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.PROGRESSING, (0, 100), "rev-1")
    cluster.set_image(OTHER)
    cluster.verdicts = always(Verdict.PASS)
    cluster.run(80)
    assert cluster.primary_revision == OTHER


def test_a_run_waits_for_a_target_that_somebody_paused_and_has_its_deadline_from_the_resume_on(
    cluster: SimulatedCluster,
) -> None:
    cluster.is_target_paused, cluster.target_readiness = True, UNREADY
    cluster.set_image(REVISION)
    cluster.run(3600)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (100, 0))
    [remark] = cluster.tick().remarks
    assert remark.text == (
        "Halt advancement podinfo.test is paused (spec.paused: true), waiting for `kubectl rollout resume`"
    )
    cluster.is_target_paused = False
    cluster.run(590)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.target_readiness = READY
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_paused_target_that_has_traffic_and_no_pod_has_its_deadline_all_the_same(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.is_target_paused, cluster.target_readiness = True, UNREADY
    cluster.run(620)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


METRIC_PASSED = CheckResult("request-success-rate", Verdict.PASS, "success rate 100.00%")
METRIC_SILENT = CheckResult("request-success-rate", Verdict.NO_DATA, "no values found")
HOOK_RUNS = CheckResult("load-test", Verdict.ERROR, "external check load-test has not answered yet", is_pending=True)


@pytest.mark.parametrize(
    ("checks", "end"),
    [
        ((METRIC_PASSED, HOOK_RUNS), (Phase.PROGRESSING, (80, 20))),
        ((METRIC_SILENT, HOOK_RUNS), (Phase.FAILED, (100, 0))),
        ((HOOK_RUNS,), (Phase.FAILED, (100, 0))),
    ],
)
def test_a_hook_that_runs_for_hours_holds_the_weight_and_rolls_nothing_back_that_the_metrics_pass(
    cluster: SimulatedCluster,
    monkeypatch: pytest.MonkeyPatch,
    checks: tuple[CheckResult, ...],
    end: tuple[Phase, tuple[int, int]],
) -> None:
    exposed(cluster)
    monkeypatch.setattr(cluster, "_answers", lambda *_: checks)
    cluster.run(7200)
    assert (phase(cluster), cluster.weights) == end


def test_a_retry_that_is_kept_in_git_is_not_carried_out_after_each_failure(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(120)
    for count in range(3):
        cluster.request = f"retry@{REVISION}"
        cluster.run(5)
        result = cluster.status["serin"]["request"]["result"]
        assert (cluster.request, result) == ("", "refused" if count else "accepted")
        cluster.run(200)
        assert phase(cluster) is Phase.FAILED
    assert f"allowed: retry@{REVISION[:-1]}, or as many" in cluster.texts()[-1]
    cluster.verdicts = always(Verdict.PASS)
    cluster.request = f"retry@{REVISION[:-1]}"
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED
