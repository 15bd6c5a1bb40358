"""Traffic that somebody, or something, keeps from going on: it is checked as long as it is there, or it goes."""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import Question
from canary.run.phase import Phase
from canary.run.state import Blocker, State
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
OTHER = "bbbbbbbbbbbbbbbb"
NO_SCALER = Blocker("ScalerNotFound", "Canary test/podinfo spec.autoscalerRef.name: found 'x'")
FLAGGER = "Lease flagger-system/flagger-leader-election: held by 'flagger-1'"
INTERVAL_S = 10.0


def exposed(cluster: SimulatedCluster, percent: int = 20) -> SimulatedCluster:
    """Bring a run of REVISION to the moment where the canary has so much traffic."""
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == percent)
    cluster.settle()
    cluster.told.clear()
    return cluster


def promoting(analysis: dict[str, Any] | None = None, *, rolls_without_gap: bool = True) -> SimulatedCluster:
    """Return a promotion whose primary, which has the template, does not come up: its old pods serve on."""
    cluster = bootstrapped(analysis)
    cluster.rolls_without_gap = rolls_without_gap
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: cluster.primary_revision == REVISION)
    cluster.primary_readiness = ROLLING
    cluster.run(8)
    cluster.told.clear()
    cluster.questions.clear()
    assert (phase(cluster), cluster.weights[1] > 0) == (Phase.PROMOTING, True)  # type: ignore[index]
    return cluster


def ready_reason(cluster: SimulatedCluster) -> str:
    conditions = cluster.status["conditions"]
    return next(str(one["reason"]) for one in conditions if one["type"] == "Ready" and one["status"] == "False")


def test_a_suspended_run_stays_where_it_is_and_goes_on_being_checked(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.canary = canary(suspend=True)
    cluster.parts.discard(ManagedObject.PRIMARY_SCALER)
    cluster.questions.clear()
    cluster.run(300)
    assert (phase(cluster), cluster.weights, ready_reason(cluster)) == (Phase.PROGRESSING, (80, 20), "Suspended")
    assert cluster.questions.count(Question.CHECKS) in {29, 30, 31}
    assert ManagedObject.PRIMARY_SCALER not in cluster.parts, "it does more than to watch"
    cluster.canary = canary()
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_suspended_run_whose_checks_fail_is_rolled_back(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.canary = canary(suspend=True)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_a_suspended_run_skips_nothing_of_its_analysis() -> None:
    cluster = exposed(bootstrapped())
    cluster.canary = canary(suspend=True, skipAnalysis=True)
    cluster.run(300)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (80, 20))


def test_a_suspended_promotion_rolls_nothing_and_goes_back_where_its_checks_fail() -> None:
    cluster = promoting()
    cluster.canary, cluster.primary_readiness = canary(suspend=True), READY
    cluster.run(100)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (50, 50))
    assert cluster.questions.count(Question.CHECKS) in {9, 10, 11}
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_a_side_that_was_to_come_up_while_its_run_was_suspended_has_its_deadline_anew(
    cluster: SimulatedCluster,
) -> None:
    cluster.target_readiness = UNREADY
    cluster.set_image(REVISION)
    cluster.run(20)
    cluster.canary = canary(suspend=True)
    cluster.run(3600)
    cluster.canary = canary()
    cluster.run(590)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED


def test_a_flagger_that_comes_in_mid_run_finds_no_traffic_on_the_canary_and_the_run_begins_again_after_it(
    cluster: SimulatedCluster,
) -> None:
    exposed(cluster)
    cluster.flagger = FLAGGER
    cluster.settle()
    assert (phase(cluster), cluster.weights, ready_reason(cluster)) == (Phase.PROGRESSING, (100, 0), "FlaggerRunning")
    assert [news.text for news in cluster.told] == [
        f"{FLAGGER}: nothing is done until that Flagger has stopped.",
        "Routing all traffic to primary",
    ]
    cluster.weights = (55, 45)
    cluster.run(600)
    assert cluster.weights == (55, 45), "the Flagger's own weight is written over"
    cluster.weights, cluster.flagger = (100, 0), ""
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_flagger_that_comes_during_a_promotion_finds_no_traffic_on_the_canary_once_the_primary_can_serve() -> None:
    cluster = promoting()
    cluster.primary_readiness = UNREADY
    cluster.settle()
    assert cluster.weights == (0, 100)
    cluster.flagger = FLAGGER
    cluster.run(60)
    assert cluster.weights == (0, 100), "nobody can be served elsewhere"
    cluster.primary_readiness = ROLLING
    cluster.settle()
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (100, 0))


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.NO_DATA, Verdict.ERROR])
def test_a_hanging_promotion_of_a_bad_canary_goes_back_to_what_was_promoted_before(verdict: Verdict) -> None:
    cluster = promoting()
    cluster.verdicts = always(verdict)
    cluster.run(5 * INTERVAL_S + 5 if verdict is Verdict.FAIL else 610)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")
    reason = "Failed checks threshold reached 5" if verdict is Verdict.FAIL else "No decisive sample for 60"
    [alert] = [news.alert for news in cluster.told if news.alert is not None and news.text.startswith("Rolling back")]
    assert alert.severity == "error"
    assert alert.text.startswith(reason)
    cluster.primary_readiness = READY
    cluster.run(120)
    assert (phase(cluster), cluster.target_replicas) == (Phase.FAILED, 0)


def test_a_hanging_promotion_whose_canary_is_well_hangs_on(cluster: SimulatedCluster) -> None:
    cluster = promoting()
    cluster.run(3600)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (50, 50))
    assert cluster.questions.count(Question.CHECKS) > 300


def test_a_promotion_that_shifts_back_step_by_step_ends_though_ever_fewer_requests_tell_nothing() -> None:
    cluster = bootstrapped({"stepWeightPromotion": 1, "maxWeight": 80, "stepWeight": 40})
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: phase(cluster) is Phase.PROMOTING)
    cluster.verdicts = always(Verdict.NO_DATA)
    cluster.run(1200)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_promotion_without_an_analysis_asks_nothing() -> None:
    cluster = bootstrapped(skipAnalysis=True)
    cluster.rolls_without_gap = False
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: cluster.primary_revision == REVISION)
    cluster.primary_readiness = UNREADY
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(300)
    assert (phase(cluster), cluster.weights, cluster.questions.count(Question.CHECKS)) == (Phase.PROMOTING, (0, 100), 0)


def test_a_bad_canary_keeps_the_traffic_that_no_primary_can_serve_until_the_old_one_is_back() -> None:
    cluster = promoting()
    cluster.primary_readiness, cluster.verdicts = UNREADY, always(Verdict.FAIL)
    cluster.run(300)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.PROMOTING, (0, 100), "rev-1")
    assert (
        cluster.texts().count(
            "Rolling back podinfo.test waits: the traffic stays with the canary until podinfo-primary.test can serve it"
        )
        == 1
    )
    cluster.primary_readiness = READY
    cluster.run(5)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_a_primary_that_rolls_without_a_pod_is_brought_back_with_nobody_on_it() -> None:
    cluster = bootstrapped({"stepWeightPromotion": 30})
    cluster.rolls_without_gap = False
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: phase(cluster) is Phase.PROMOTING and cluster.weights == (30, 70))
    cluster.request = f"abort@{REVISION}"
    on_primary_when_rolled: list[int] = []

    def note(effect: str) -> None:
        if effect.startswith("Promote"):
            on_primary_when_rolled.append(cluster.shares[0])

    cluster.before_effect = note
    cluster.run(60)
    assert on_primary_when_rolled == [0]
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")


@pytest.mark.parametrize("hindrance", ["nothing", "a pause", "suspend", "a blocker", "a gate", "a hanging promotion"])
@pytest.mark.parametrize("primary", ["serves", "is down at first"])
def test_abort_works_towards_a_side_that_can_serve(hindrance: str, primary: str) -> None:
    cluster = promoting() if hindrance == "a hanging promotion" else exposed(bootstrapped())
    match hindrance:
        case "a pause":
            cluster.request = f"pause@{REVISION}"
            cluster.run(5)
        case "suspend":
            cluster.canary = canary(suspend=True)
        case "a blocker":
            cluster.blockers = (NO_SCALER,)
        case "a gate":
            gate = {"name": "gate", "type": "confirm-promotion", "url": "http://gate.test/"}
            cluster.canary, cluster.gates = canary({"webhooks": [gate]}), {"gate": Verdict.FAIL}
            cluster.run(600)
            assert phase(cluster) is Phase.WAITING_PROMOTION
        case _:
            pass
    if primary == "is down at first":
        cluster.primary_readiness = UNREADY
        cluster.settle()
    served_by_canary = cluster.weights
    cluster.request = f"abort@{REVISION}"
    cluster.settle()
    assert cluster.status["serin"]["request"]["result"] == "accepted"
    if primary == "is down at first":
        assert (cluster.weights, phase(cluster) is Phase.FAILED) == (served_by_canary, False)
        cluster.run(120)
        cluster.primary_readiness = READY
        cluster.settle()
    cluster.run(5)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")


@pytest.mark.parametrize("is_promoting", [False, True])
def test_what_can_not_be_checked_for_its_spec_is_lost_is_pulled_at_the_deadline(*, is_promoting: bool) -> None:
    cluster = promoting() if is_promoting else exposed(bootstrapped())
    before = cluster.weights
    cluster.is_spec_lost, cluster.blockers = True, (Blocker("InvalidSpec", "spec.analysis.interval: found 'x'"),)
    cluster.run(590)
    assert (cluster.weights, ready_reason(cluster)) == (before, "InvalidSpec")
    cluster.run(20)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_abort_is_all_that_can_be_asked_for_while_the_spec_is_lost(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.is_spec_lost, cluster.blockers = True, (Blocker("InvalidSpec", "spec.analysis.interval: found 'x'"),)
    cluster.request = f"promote@{REVISION}"
    cluster.run(20)
    assert (cluster.request, cluster.weights) == (f"promote@{REVISION}", (80, 20))
    cluster.request = f"abort@{REVISION}"
    cluster.run(5)
    assert (cluster.request, phase(cluster), cluster.weights) == ("", Phase.FAILED, (100, 0))


@pytest.mark.parametrize("hindrance", ["suspend", "a blocker", "a lost spec", "a primary that rolls"])
def test_a_lost_status_leaves_no_traffic_where_nobody_looks(cluster: SimulatedCluster, hindrance: str) -> None:
    exposed(cluster)
    cluster.state, cluster.status = State(), {}
    cluster.canary = canary(suspend=hindrance == "suspend")
    cluster.is_spec_lost = hindrance == "a lost spec"
    cluster.blockers = (NO_SCALER,) if hindrance in {"a blocker", "a lost spec"} else ()
    cluster.primary_readiness = ROLLING if hindrance == "a primary that rolls" else READY
    cluster.run(30)
    assert cluster.weights == (100, 0)


def test_a_status_of_a_backup_is_carried_out(cluster: SimulatedCluster) -> None:
    before = cluster.state, cluster.status
    exposed(cluster)
    cluster.state, cluster.status = before
    cluster.told_sequence = -1
    cluster.run(5, until=lambda: cluster.weights == (100, 0))
    assert cluster.weights == (100, 0)
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)
    assert cluster.texts().count(
        "The status of podinfo.test is older than its route: it was set back by somebody, and is carried out"
    )
