"""Promotions of a primary that has no pod while it rolls: the canary side carries everything before it does."""

from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.observation import Question, RouteState
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.serving_rules import check_at_rest, check_before_promote
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, Refused, always
from tests.support.simulated_runs import hook, phase

REVISION = "aaaaaaaaaaaaaaaa"

WEIGHTS: dict[str, Any] = {"threshold": 2, "stepWeight": 20, "maxWeight": 40}
ITERATIONS: dict[str, Any] = {"threshold": 2, "stepWeight": None, "maxWeight": None, "iterations": 2}
AB = ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
BY_MATCH = WEIGHTS | {"match": AB["match"]}
AFFINE = WEIGHTS | {"mirror": True, "sessionAffinity": {"cookieName": "side"}}
GROWN = "Scaling up podinfo.test to 3 replicas, for it is to carry all that podinfo-primary.test carries"


def bootstrapped(analysis: dict[str, Any], **spec: Any) -> SimulatedCluster:
    """Return an initialized canary whose primary rolls without a pod, held against the rules from then on."""
    cluster = SimulatedCluster(canary(analysis, **spec), rolls_without_gap=False)
    cluster.run(30)
    assert cluster.state.phase is Phase.INITIALIZED
    cluster.told.clear()

    def before_effect(effect: str) -> None:
        if effect.startswith("Promote"):
            check_before_promote(cluster, effect)

    cluster.before_effect, cluster.at_rest = before_effect, partial(check_at_rest, cluster)
    return cluster


def is_all_on_canary(cluster: SimulatedCluster) -> bool:
    return cluster.shares == (0, 100)


@pytest.mark.parametrize("analysis", [WEIGHTS, BY_MATCH, AB, ITERATIONS, AFFINE])
def test_everyone_is_on_the_canary_while_the_primary_rolls_and_comes_back_after(analysis: dict[str, Any]) -> None:
    cluster = bootstrapped(analysis)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: bool(cluster.promoted[1:]))
    assert is_all_on_canary(cluster)
    assert cluster.is_in_gap
    cluster.run(4)
    assert is_all_on_canary(cluster)
    cluster.run(300)
    assert (phase(cluster), cluster.shares, cluster.primary_revision) == (Phase.SUCCEEDED, (100, 0), REVISION)
    told = [text for text in cluster.texts() if "outing" in text or "opying" in text or "ompleted" in text]
    assert told == [
        "Routing all traffic to canary",
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down podinfo.test",
    ]


def test_all_the_traffic_is_checked_for_an_interval_as_in_blue_green() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 100)
    shifted_s, checks = cluster.now_s, cluster.questions.count(Question.CHECKS)
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROMOTING)
    assert cluster.now_s - shifted_s == pytest.approx(10)
    assert cluster.questions.count(Question.CHECKS) == checks + 1


def test_failures_under_all_the_traffic_bring_everyone_back_to_the_untouched_primary() -> None:
    cluster = bootstrapped(AB)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.includes_unmatched)
    cluster.settle()
    assert is_all_on_canary(cluster)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(60)
    assert (phase(cluster), cluster.shares, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")
    assert not cluster.includes_unmatched


def test_the_canary_side_has_the_primarys_size_before_it_carries_everything() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.target_replicas == 3)
    cluster.target_readiness = ROLLING
    cluster.run(120)
    assert cluster.texts()[-1] == GROWN
    assert cluster.weights == (60, 40), "more than it can carry"
    cluster.target_readiness = READY
    cluster.run(20, until=lambda: cluster.weights == (0, 100))
    assert cluster.weights == (0, 100)
    cluster.run(120)
    assert (phase(cluster), cluster.texts().count(GROWN)) == (Phase.SUCCEEDED, 1)


def test_fewer_pods_carry_everything_where_there_is_no_room_for_more() -> None:
    cluster = bootstrapped(WEIGHTS, progressDeadlineSeconds=120)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.target_replicas == 3)
    cluster.target_readiness = ROLLING
    cluster.run(100)
    assert (phase(cluster), cluster.weights) == (Phase.PROGRESSING, (60, 40))
    cluster.run(60, until=lambda: cluster.is_in_gap)
    assert cluster.weights == (0, 100)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_an_autoscaler_that_wants_less_is_not_fought_for_ever() -> None:
    cluster = bootstrapped(WEIGHTS, progressDeadlineSeconds=60)
    cluster.set_image(REVISION)
    scaled = 0

    def scale_back(effect: str) -> None:
        nonlocal scaled
        if effect == "ScaleTarget(replicas=3)":
            scaled += 1
            cluster.target_replicas, cluster.now_s = 2, cluster.now_s + 15

    cluster.after_effect = scale_back
    cluster.run(300)
    assert phase(cluster) is Phase.SUCCEEDED
    assert scaled < 6


def test_a_shut_gate_to_promotion_keeps_users_and_replicas_as_they_are() -> None:
    cluster = bootstrapped(WEIGHTS | {"webhooks": [hook("confirm-promotion"), hook("confirm-traffic-increase")]})
    cluster.gates = {"confirm-promotion": Verdict.FAIL}
    cluster.set_image(REVISION)
    cluster.run(120)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.WAITING_PROMOTION, (60, 40), 2)
    cluster.gates = {}
    cluster.asked.clear()
    cluster.run(120)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.asked == ["confirm-promotion/confirm-promotion"], "nothing more grows after it"


def test_the_primary_is_not_rolled_before_the_gateway_serves_the_shift_and_no_request_reaches_it() -> None:
    cluster = bootstrapped(ITERATIONS, skipAnalysis=True)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.route_state = RouteState.PENDING
    cluster.run(60)
    assert cluster.primary_revision == "rev-1"
    cluster.route_state, cluster.is_drained = RouteState.SETTLED, False
    cluster.run(60)
    assert cluster.primary_revision == "rev-1"
    cluster.is_drained = True
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize("moment", ["drained", "rolling"])
def test_a_newer_revision_brings_the_traffic_to_whatever_primary_serves(moment: str) -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    if moment == "drained":
        cluster.is_drained = None
        cluster.run(5)
    else:
        cluster.run(30, until=lambda: cluster.is_in_gap)
    cluster.set_image("rev-3")
    cluster.settle()
    if moment == "drained":
        assert cluster.shares == (100, 0)
        assert cluster.state.revisions.analysed == "rev-3", (
            "a primary that serves is rolled for a revision that is over"
        )
    else:
        assert cluster.shares == (0, 100), "everyone is on a primary without a pod"
        cluster.run(60, until=lambda: not cluster.is_in_gap)
        cluster.run(10)
        assert cluster.shares[0] >= 80
    cluster.is_drained = True
    cluster.run(600)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "rev-3")


def test_a_canary_side_that_goes_down_before_the_copying_is_analysed_again() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.is_drained = None
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.target_readiness = UNREADY
    cluster.settle()
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.PROGRESSING, (100, 0), "rev-1")
    assert any(text.startswith("Promotion of podinfo.test is taken back") for text in cluster.texts())
    cluster.target_readiness = READY
    cluster.run(600)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_canary_side_that_goes_down_during_the_copying_gives_the_traffic_to_the_first_that_serves() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.is_in_gap)
    cluster.target_readiness = UNREADY
    cluster.run(3)
    assert cluster.shares == (0, 100), "neither serves"
    cluster.run(10, until=lambda: not cluster.is_in_gap)
    cluster.run(6)
    assert cluster.shares == (100, 0)


@pytest.mark.parametrize("how", ["spec", "request", "request while waiting"])
def test_what_skips_the_analysis_brings_the_canary_side_up_first_and_makes_way_at_once(how: str) -> None:
    gate = {"webhooks": [hook("confirm-rollout")]} if how == "request while waiting" else {}
    cluster = bootstrapped(WEIGHTS | gate, **({"skipAnalysis": True} if how == "spec" else {}))
    cluster.gates = {"confirm-rollout": Verdict.FAIL}
    cluster.set_image(REVISION)
    cluster.target_readiness = UNREADY
    cluster.run(20)
    if how != "spec":
        cluster.request = f"promote@{REVISION}"
    cluster.run(20)
    assert (cluster.primary_revision, cluster.shares) == ("rev-1", (100, 0))
    cluster.target_readiness = READY
    cluster.run(20, until=lambda: cluster.is_in_gap)
    assert cluster.primary_revision == REVISION
    assert cluster.target_replicas == 3
    assert cluster.questions.count(Question.CHECKS) == 0
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_what_skips_the_analysis_is_not_held_for_ever_by_a_canary_side_that_does_not_come_up() -> None:
    cluster = bootstrapped(WEIGHTS, skipAnalysis=True, progressDeadlineSeconds=60)
    cluster.target_readiness = UNREADY
    cluster.set_image(REVISION)
    cluster.run(120)
    assert (phase(cluster), cluster.primary_revision) == (Phase.FAILED, "rev-1")


def test_what_skips_the_analysis_is_held_by_a_gateway_that_refuses_the_route_too() -> None:
    cluster = bootstrapped(WEIGHTS, skipAnalysis=True, progressDeadlineSeconds=60)
    cluster.set_image(REVISION)
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.route_state = RouteState.REJECTED
    cluster.run(3600)
    assert cluster.primary_revision == "rev-1"
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_strategy_that_was_edited_after_the_analysis_is_made_way_for_too() -> None:
    cluster = bootstrapped(AB)
    cluster.rolls_without_gap = True
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.rolls_without_gap = False
    cluster.run(300, until=lambda: cluster.is_in_gap)
    assert is_all_on_canary(cluster)
    cluster.run(300)
    assert (phase(cluster), cluster.shares) == (Phase.SUCCEEDED, (100, 0))


def test_a_primary_that_rolls_without_a_gap_needs_no_way() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.rolls_without_gap = True
    cluster.set_image(REVISION)
    cluster.run(300)
    assert phase(cluster) is Phase.SUCCEEDED
    assert max(share for _, share in cluster.history) == 40
    assert GROWN not in cluster.texts()


def test_users_who_came_back_to_a_primary_that_goes_down_again_return_to_the_canary() -> None:
    cluster = bootstrapped(WEIGHTS | {"stepWeightPromotion": 30})
    cluster.set_image(REVISION)
    cluster.run(
        300, until=lambda: cluster.state.phase is Phase.PROMOTING and cluster.state.traffic.canary_percent == 70
    )
    cluster.settle()
    cluster.primary_readiness = UNREADY
    cluster.settle()
    assert cluster.shares == (0, 100)
    cluster.primary_readiness = READY
    cluster.run(120)
    assert (phase(cluster), cluster.shares) == (Phase.SUCCEEDED, (100, 0))


def test_a_primary_that_carries_everything_is_not_brought_back_but_replaced_by_a_newer_run() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.primary_revision == REVISION)
    cluster.run(4)
    cluster.primary_readiness = ROLLING
    cluster.run(20)
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.PROGRESSING, REVISION)
    cluster.primary_readiness = READY
    cluster.run(300)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "bbbbbbbbbbbbbbbb")


def test_a_side_that_shrank_in_a_long_pause_grows_again_before_it_carries_everything() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.target_replicas == 3)
    cluster.request = f"pause@{REVISION}"
    cluster.run(300)
    cluster.target_replicas = 1
    cluster.run(900)
    cluster.request = f"resume@{REVISION}"
    cluster.run(60, until=lambda: cluster.weights == (0, 100))
    assert (cluster.weights, cluster.target_replicas) == ((0, 100), 3)


def test_a_side_that_lost_its_size_has_the_time_for_it_anew() -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.verdicts = always(Verdict.NO_DATA)
    cluster.set_image(REVISION)
    cluster.run(30)
    cluster.verdicts = always(Verdict.PASS)
    cluster.run(300, until=lambda: cluster.target_replicas == 3)
    cluster.settle()
    assert cluster.state.analysis.growth_started_at_s is None


@pytest.mark.parametrize("moment", ["before all the traffic goes to it", "before the primary is rolled"])
def test_a_target_that_changed_behind_a_cache_that_lags_is_never_all_that_serves(moment: str) -> None:
    cluster = bootstrapped(WEIGHTS)
    cluster.set_image(REVISION)
    reached = (60, 40) if moment.startswith("before all") else (0, 100)
    cluster.run(100, until=lambda: cluster.weights == reached and cluster.target_replicas == 3)
    cluster.stale = {"target": cluster.observe().target}
    cluster.set_image("rev-1")
    for _ in range(20):
        with suppress(Refused):
            cluster.run(5)
        cluster.now_s += 1
    assert (cluster.promoted, cluster.primary_revision) == (["rev-1"], "rev-1"), "the primary was rolled"
    assert cluster.history[-2:] == [reached, (100, 0)], "everybody was sent to what nobody analysed"
    assert phase(cluster) is Phase.SUCCEEDED
