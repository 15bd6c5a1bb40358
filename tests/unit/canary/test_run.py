"""Whole runs of one canary on a simulated cluster: what is told, in which order, and where the traffic is."""

from collections.abc import Iterator

import pytest

from canary.decide.timing import ENDPOINTS_KNOWN_S
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import Question, RouteState
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import phase


def verdicts(*first: Verdict, then: Verdict = Verdict.PASS) -> Iterator[Verdict]:
    """Answer with a list, then always alike."""
    yield from first
    yield from always(then)


def test_bootstrap_generates_everything_before_the_target_goes() -> None:
    cluster = SimulatedCluster(canary())
    effects: list[str] = []
    cluster.before_effect = effects.append
    cluster.run(30)
    assert phase(cluster) is Phase.INITIALIZED
    assert cluster.parts == set(ManagedObject)
    assert cluster.weights == (100, 0)
    assert cluster.target_replicas == 0
    order = [next(i for i, effect in enumerate(effects) if word in effect) for word in ("Promote", "apex", "ScaleT")]
    assert order == sorted(order)
    assert cluster.texts() == ["Initialization done! podinfo.test"]


def test_bootstrap_keeps_the_target_while_the_primary_is_not_ready() -> None:
    cluster = SimulatedCluster(canary(), primary_readiness=UNREADY)
    cluster.run(300)
    assert phase(cluster) is Phase.INITIALIZING
    assert cluster.target_replicas == 2
    assert ManagedObject.APEX_SERVICE not in cluster.parts


def test_bootstrap_lets_the_gateway_know_the_primary_before_a_route_leads_to_it() -> None:
    cluster = SimulatedCluster(canary(), primary_readiness=UNREADY)
    cluster.run(60)
    cluster.primary_readiness = READY
    ready_s = cluster.now_s
    cluster.run(60, until=lambda: ManagedObject.ROUTE in cluster.parts)
    assert ENDPOINTS_KNOWN_S <= cluster.now_s - ready_s < ENDPOINTS_KNOWN_S + 1


def test_promotion_tells_what_the_guide_shows(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    cluster.settle()
    weights = [f"Advance podinfo.test canary weight {weight}" for weight in range(5, 55, 5)]
    assert cluster.texts() == [
        "New revision detected! Scaling up podinfo.test",
        "Starting canary analysis for podinfo.test",
        "Pre-rollout check acceptance-test passed",
        *weights,
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down podinfo.test",
    ]
    assert not any(news.is_warning for news in cluster.told)
    assert cluster.weights == (100, 0)
    assert cluster.target_replicas == 0
    assert cluster.primary_revision == "rev-2"
    assert (cluster.state.revisions.promoted, cluster.state.revisions.finished, cluster.state.revisions.analysed) == (
        "rev-2",
        "rev-2",
        "rev-2",
    )


def test_each_step_takes_one_interval(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 5)
    started_s = cluster.now_s
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 50)
    assert cluster.now_s - started_s == pytest.approx(9 * 10)


def test_failed_checks_up_to_the_threshold_roll_back_in_the_same_tick(cluster: SimulatedCluster) -> None:
    cluster.verdicts = verdicts(Verdict.PASS, Verdict.PASS, then=Verdict.FAIL)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.FAILED)
    checks = cluster.questions.count(Question.CHECKS)
    cluster.settle()
    assert checks == 1 + 5, "one that passed and the five of the threshold, none to roll back"
    assert cluster.weights == (100, 0)
    assert cluster.state.analysis.failed_checks == 5
    cluster.run(60)
    assert cluster.target_replicas == 0
    assert cluster.primary_revision == "rev-1"
    assert cluster.texts()[-7:] == [
        *(["Halt podinfo.test advancement a fail of the tape"] * 5),
        "Rolling back podinfo.test failed checks threshold reached 5",
        "Canary failed! Scaling down podinfo.test",
    ]
    assert all(news.is_warning for news in cluster.told[-7:])


def test_a_rolled_back_revision_is_not_tried_again_and_the_next_one_is(cluster: SimulatedCluster) -> None:
    cluster.verdicts = always(Verdict.FAIL)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.FAILED)
    cluster.run(600)
    assert phase(cluster) is Phase.FAILED
    cluster.verdicts = always(Verdict.PASS)
    cluster.set_image("rev-3")
    cluster.run(600)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.primary_revision == "rev-3"
    assert cluster.state.analysis.failed_checks == 0


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.ERROR])
def test_no_decisive_sample_holds_the_weight_and_burns_no_check(cluster: SimulatedCluster, verdict: Verdict) -> None:
    cluster.verdicts = verdicts(Verdict.PASS, Verdict.PASS, then=verdict)
    cluster.set_image("rev-2")
    cluster.run(300)
    assert phase(cluster) is Phase.PROGRESSING
    assert cluster.state.traffic.canary_percent == 10
    assert cluster.state.analysis.failed_checks == 0


def test_a_canary_that_can_not_be_observed_is_rolled_back_after_the_deadline(cluster: SimulatedCluster) -> None:
    cluster.verdicts = verdicts(Verdict.PASS, Verdict.PASS, then=Verdict.NO_DATA)
    cluster.set_image("rev-2")
    cluster.run(600)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(60)
    assert phase(cluster) is Phase.FAILED
    assert any("no decisive sample" in text for text in cluster.texts())


def test_a_newer_revision_pulls_the_traffic_and_starts_again(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.settle()
    cluster.target_readiness = UNREADY
    cluster.set_image("rev-3")
    cluster.settle()
    assert cluster.weights == (100, 0)
    assert "New revision detected! Restarting analysis for podinfo.test" in cluster.texts()
    cluster.target_readiness = UNREADY.__class__(is_ready=True, has_available=True)
    cluster.run(600)
    assert cluster.promoted == ["rev-3"]


def test_setting_the_target_back_in_mid_run_ends_the_run_without_analysis(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.set_image("rev-1")
    asked = len(cluster.questions)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.weights == (100, 0)
    assert cluster.target_replicas == 0
    assert Question.CHECKS not in cluster.questions[asked:]


def test_a_revision_found_during_promotion_moves_traffic_to_the_primary_and_gets_its_own_run(
    cluster: SimulatedCluster,
) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = ROLLING
    cluster.settle()
    assert cluster.weights == (50, 50)
    cluster.set_image("rev-3")
    cluster.settle()
    assert cluster.weights == (100, 0)
    cluster.primary_readiness = cluster.target_readiness
    cluster.run(600)
    assert cluster.promoted == ["rev-2", "rev-3"]
    assert phase(cluster) is Phase.SUCCEEDED


def test_traffic_stays_on_the_canary_while_the_promoted_primary_does_not_come_up(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = UNREADY
    cluster.settle()
    assert cluster.weights == (0, 100), "half of the users ask a primary that is down"
    cluster.run(1200)
    assert phase(cluster) is Phase.PROMOTING
    assert cluster.weights == (0, 100)
    assert cluster.target_replicas == 2


def test_a_canary_side_that_never_comes_up_is_rolled_back_at_the_progress_deadline() -> None:
    cluster = SimulatedCluster(canary(progressDeadlineSeconds=50))
    cluster.run(30)
    cluster.target_readiness = UNREADY
    cluster.set_image("rev-2")
    cluster.run(45)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(10)
    assert phase(cluster) is Phase.FAILED
    assert cluster.texts()[-2:] == [
        f"Rolling back podinfo.test progress deadline exceeded {UNREADY.explanation}",
        "Canary failed! Scaling down podinfo.test",
    ]


@pytest.mark.parametrize("refusal", [RouteState.WARNED, RouteState.REJECTED])
def test_the_gateway_refusing_the_route_holds_the_run(cluster: SimulatedCluster, refusal: RouteState) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.route_state = refusal
    cluster.run(120)
    assert cluster.state.traffic.canary_percent == 10
    cluster.route_state = RouteState.SETTLED
    cluster.run(30)
    assert cluster.state.traffic.canary_percent > 10


def test_skip_analysis_promotes_as_soon_as_the_canary_is_up() -> None:
    cluster = SimulatedCluster(canary(skipAnalysis=True))
    cluster.run(30)
    cluster.told.clear()
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.questions.count(Question.CHECKS) == 0
    assert cluster.texts()[-1] == "Promotion completed! Canary analysis was skipped for podinfo.test"
    assert (0, 100) not in cluster.history
    assert all(canary_weight == 0 for _, canary_weight in cluster.history)


def test_the_canary_side_is_not_scaled_down_before_it_is_drained(cluster: SimulatedCluster) -> None:
    cluster.is_drained = None
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.FINALISING)
    cluster.run(29)
    assert cluster.target_replicas == 2
    cluster.run(3)
    assert cluster.target_replicas == 0


def test_a_new_default_of_the_api_server_is_a_new_baseline_and_no_run(cluster: SimulatedCluster) -> None:
    cluster.settle()
    cluster.revision = "rev-1-with-a-new-default"
    cluster.run(60)
    assert phase(cluster) is Phase.INITIALIZED
    assert cluster.state.revisions.promoted == "rev-1-with-a-new-default"


def test_an_obstacle_is_told_once_and_its_end_too(cluster: SimulatedCluster) -> None:
    cluster.blockers = (Blocker("ScalerNotFound", "Canary test/podinfo spec.autoscalerRef.name: found 'x'"),)
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) is Phase.INITIALIZED
    assert cluster.texts() == ["Canary test/podinfo spec.autoscalerRef.name: found 'x'"]
    cluster.blockers = ()
    cluster.run(2)
    assert cluster.state.blocker is None
    assert phase(cluster) is Phase.PROGRESSING


def test_an_edited_interval_never_advances_early(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 5)
    cluster.canary = canary({"interval": "1s"})
    cluster.run(8)
    assert cluster.state.traffic.canary_percent == 5


def test_a_target_that_comes_late_is_bootstrapped_as_if_it_had_been_there() -> None:
    cluster = SimulatedCluster(canary(), blockers=(Blocker("TargetNotFound", "no such target"),))
    cluster.run(30)
    assert cluster.state.phase is None
    cluster.blockers = ()
    cluster.run(30)
    assert phase(cluster) is Phase.INITIALIZED
    assert cluster.state.blocker is None


def test_a_canary_side_is_not_scaled_down_while_the_gateway_serves_an_older_route(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.FINALISING)
    cluster.route_state = RouteState.REJECTED
    cluster.run(600)
    assert cluster.target_replicas == 2
    cluster.route_state = RouteState.WARNED
    cluster.run(60)
    assert cluster.target_replicas == 0


def test_a_promotion_in_steps_tells_each_of_them() -> None:
    cluster = SimulatedCluster(canary({"stepWeight": 50, "maxWeight": 50, "stepWeightPromotion": 25}))
    cluster.run(60, until=lambda: cluster.state.phase is Phase.INITIALIZED)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    cluster.settle()
    advanced = [
        text for text in cluster.texts() if "primary weight" in text or text == "Routing all traffic to primary"
    ]
    assert advanced == ["Advance podinfo.test primary weight 75", "Routing all traffic to primary"]
