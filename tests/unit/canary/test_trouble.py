"""Runs in trouble: whatever is wrong elsewhere, traffic is where it is safe, and no canary escapes its checks."""

from dataclasses import replace

import pytest

from canary.decide import decide
from canary.run.action import Action, ClaimRequest, DropRequest, Promote, SetFinalizer
from canary.run.judge import CheckResult, Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import Question, RouteState
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, always
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
NO_SCALER = Blocker("ScalerNotFound", "Canary test/podinfo spec.autoscalerRef.name: found 'x'")


def exposed(cluster: SimulatedCluster, weight: int = 20) -> None:
    """Bring a run to the moment where the canary has so much traffic."""
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == weight)
    cluster.settle()


def test_a_part_that_is_refused_neither_keeps_traffic_on_a_failed_canary_nor_the_checks_away(
    cluster: SimulatedCluster,
) -> None:
    exposed(cluster)
    cluster.parts.discard(ManagedObject.PRIMARY_SCALER)
    cluster.refused_objects = {ManagedObject.PRIMARY_SCALER}
    cluster.run(60)
    assert cluster.state.traffic.canary_percent == 20, "it advances although not all is as it should be"
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(120)
    assert phase(cluster) is Phase.FAILED
    assert cluster.weights == (100, 0)


def cleared_with_a_part_missing() -> SimulatedCluster:
    """Return a run whose checks pass once a minute, at the moment when a part is found missing and is refused."""
    cluster = bootstrapped({"interval": "1m"})
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.settle()
    cluster.now_s = cluster.state.timing.next_check_at_s
    cluster.parts.discard(ManagedObject.PRIMARY_SCALER)
    cluster.refused_objects = {ManagedObject.PRIMARY_SCALER}
    cluster.settle()
    assert (cluster.state.analysis.checks_passed, cluster.state.traffic.canary_percent) == (True, 20)
    cluster.refused_objects = set()
    return cluster


def test_a_step_that_the_checks_allowed_is_taken_when_the_missing_part_is_there() -> None:
    cluster = cleared_with_a_part_missing()
    cluster.run(45)
    assert cluster.state.traffic.canary_percent == 25


@pytest.mark.parametrize("happening", ["the canary side is down", "the run is paused"])
def test_checks_that_passed_before_the_canary_was_down_or_the_run_paused_allow_no_step(happening: str) -> None:
    cluster = cleared_with_a_part_missing()
    if happening == "the run is paused":
        cluster.request = f"pause@{REVISION}"
        cluster.run(2)
        cluster.request = f"resume@{REVISION}"
    else:
        cluster.target_readiness = UNREADY
        cluster.run(2)
        cluster.target_readiness = READY
    cluster.run(43)
    assert cluster.state.traffic.canary_percent == 20, "a step is taken on checks of a time before"
    cluster.run(30)
    assert cluster.state.traffic.canary_percent == 25


def test_a_part_that_is_still_due_at_the_next_checks_is_told(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.parts.discard(ManagedObject.PRIMARY_SCALER)
    passed = {Question.CHECKS: (CheckResult("check", Verdict.PASS, "all is well"),)}
    seen = replace(cluster.observe(), answers=passed, now_s=cluster.state.timing.next_check_at_s)
    first = decide(cluster.canary, cluster.state, seen)
    assert first.intent is not None
    assert first.remarks == ()
    second = decide(cluster.canary, first.intent, replace(seen, now_s=first.intent.timing.next_check_at_s))
    assert [remark.text for remark in second.remarks] == [
        "Halt podinfo.test advancement not applied yet: primary scaler"
    ]


@pytest.mark.parametrize("trouble", ["primary", "gateway", "canary", "obstacle"])
def test_trouble_elsewhere_does_not_shield_a_bad_canary_from_its_checks(
    cluster: SimulatedCluster, trouble: str
) -> None:
    exposed(cluster)
    match trouble:
        case "primary":
            cluster.primary_readiness = ROLLING
        case "gateway":
            cluster.route_state = RouteState.WARNED
        case "canary":
            cluster.target_readiness = ROLLING
        case _:
            cluster.blockers = (NO_SCALER,)
    cluster.run(30)
    assert (phase(cluster), cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, 20)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(100)
    assert phase(cluster) is Phase.FAILED
    assert cluster.weights == (100, 0)


@pytest.mark.parametrize("is_suspended", [True, False])
def test_a_new_revision_loses_its_traffic_at_once_even_where_the_canary_stands_still(
    cluster: SimulatedCluster, *, is_suspended: bool
) -> None:
    exposed(cluster)
    cluster.canary = canary(suspend=is_suspended)
    cluster.blockers = () if is_suspended else (NO_SCALER,)
    cluster.settle()
    cluster.set_image("rev-3")
    cluster.settle()
    assert cluster.weights == (100, 0)
    cluster.run(60)
    assert cluster.weights == (100, 0)


def test_a_rollback_that_was_decided_is_carried_out_even_where_the_canary_stands_still(
    cluster: SimulatedCluster,
) -> None:
    exposed(cluster)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(100, until=lambda: cluster.state.phase is Phase.FAILED)
    cluster.blockers = (NO_SCALER,)
    cluster.settle()
    assert cluster.weights == (100, 0)


def test_a_primary_that_was_deleted_is_made_again_from_the_promoted_revision(cluster: SimulatedCluster) -> None:
    cluster.primary_revision = None
    cluster.settle()
    assert cluster.promoted == ["rev-1"]
    exposed(cluster)
    cluster.primary_revision = None
    cluster.run(600)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.promoted == ["rev-1", "rev-1", "rev-2"]


def test_the_canary_side_stays_while_requests_reach_it_or_the_primary_is_down(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.run(600, until=lambda: cluster.state.phase is Phase.FINALISING)
    cluster.primary_readiness = UNREADY
    cluster.run(900)
    assert cluster.target_replicas == 2
    cluster.primary_readiness = READY
    cluster.is_drained = False
    cluster.run(120)
    assert cluster.target_replicas == 2
    cluster.is_drained = True
    cluster.run(5)
    assert cluster.target_replicas == 0


def test_a_revision_found_during_a_stepwise_promotion_loses_its_traffic_at_once(cluster: SimulatedCluster) -> None:
    cluster.canary = canary({"stepWeightPromotion": 10})
    cluster.set_image("rev-2")
    cluster.run(
        900, until=lambda: cluster.state.phase is Phase.PROMOTING and cluster.state.traffic.canary_percent == 40
    )
    cluster.set_image("rev-3")
    cluster.settle()
    assert cluster.weights == (100, 0)


def test_a_promotion_that_can_not_end_gives_way_to_a_newer_revision_after_the_deadline(
    cluster: SimulatedCluster,
) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = ROLLING
    cluster.run(60)
    cluster.set_image("rev-3")
    cluster.run(700)
    assert phase(cluster) is Phase.PROGRESSING
    assert cluster.state.revisions.analysed == "rev-3"
    assert cluster.primary_revision == "rev-1", "it was left on a template that does not come up"
    cluster.primary_readiness = READY
    cluster.run(600)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.primary_revision == "rev-3"


def test_skip_analysis_rescues_a_broken_primary() -> None:
    cluster = SimulatedCluster(canary(skipAnalysis=True))
    cluster.run(30)
    cluster.primary_readiness = UNREADY
    cluster.set_image("rev-2")
    cluster.run(30)
    assert cluster.primary_revision == "rev-2"


def test_a_deleted_target_leaves_no_traffic_without_endpoints(cluster: SimulatedCluster) -> None:
    exposed(cluster)
    cluster.is_target_gone = True
    cluster.blockers = (Blocker("TargetNotFound", "no such target"),)
    cluster.settle()
    assert cluster.weights == (100, 0)


def test_holding_is_said_once_and_the_beginning_too(cluster: SimulatedCluster) -> None:
    cluster.verdicts = always(Verdict.ERROR)
    cluster.set_image("rev-2")
    cluster.run(100)
    assert cluster.texts().count("Starting canary analysis for podinfo.test") == 1
    assert not [text for text in cluster.texts() if text.startswith("Halt advancement")], "a remark, not news"


def test_a_new_default_of_the_api_server_during_a_promotion_is_no_newer_revision(cluster: SimulatedCluster) -> None:
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.primary_readiness = ROLLING
    cluster.settle()
    cluster.revision = "rev-2-with-a-new-default"
    cluster.run(20)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (50, 50))


@pytest.mark.parametrize("held_by", ["a pause", "the primary"])
def test_each_short_trouble_of_the_canary_side_has_a_deadline_of_its_own(
    cluster: SimulatedCluster, held_by: str
) -> None:
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    if held_by == "a pause":
        cluster.request = f"pause@{REVISION}"
    else:
        cluster.primary_readiness = ROLLING
    for _ in range(3):
        cluster.target_readiness = ROLLING
        cluster.run(3)
        cluster.target_readiness = READY
        cluster.run(700)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (80, 20))


def test_a_side_that_was_up_before_its_run_was_held_has_its_deadline_anew(cluster: SimulatedCluster) -> None:
    cluster.primary_readiness = ROLLING
    cluster.set_image(REVISION)
    cluster.run(700)
    cluster.target_readiness = ROLLING
    cluster.run(3)
    assert phase(cluster) is Phase.PROGRESSING


@pytest.mark.parametrize("refused", [ClaimRequest, DropRequest, SetFinalizer, Promote])
def test_a_write_that_is_refused_for_good_keeps_no_checks_from_an_exposed_canary(refused: type[Action]) -> None:
    cluster = bootstrapped(revertOnDeletion=refused is SetFinalizer)
    cluster.has_finalizer = True
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.refused_actions = {refused}
    cluster.has_finalizer = refused is not SetFinalizer
    if refused is Promote:
        cluster.primary_revision = "made-by-hand"
    else:
        cluster.request = f"pause@{REVISION}"
    cluster.run(120)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


@pytest.mark.parametrize("refused", [SetFinalizer, Promote])
def test_what_was_refused_is_tried_again(refused: type[Action]) -> None:
    cluster = SimulatedCluster(canary(revertOnDeletion=True), refused_actions={refused})
    cluster.run(100)
    cluster.refused_actions.clear()
    cluster.run(100)
    assert (phase(cluster), cluster.has_finalizer) == (Phase.INITIALIZED, True)
