"""Gates: what waits for which, in which phase and words, and that nobody who said yes is asked again."""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.messages import Alert
from canary.run.observation import Question
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import UNREADY, always
from tests.support.simulated_runs import bootstrapped, hook, phase

WEIGHTS: dict[str, Any] = {"stepWeight": 20, "maxWeight": 40, "threshold": 2}
ITERATIONS: dict[str, Any] = {"stepWeight": None, "maxWeight": None, "threshold": 2, "iterations": 2}
AB = ITERATIONS | {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}

PASS, FAIL, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.ERROR


def gated(*kinds: str, analysis: dict[str, Any] = WEIGHTS, **spec: Any) -> SimulatedCluster:
    """Bootstrap a canary whose gates are shut."""
    cluster = bootstrapped(analysis | {"webhooks": [hook(kind) for kind in kinds]}, **spec)
    cluster.gates = dict.fromkeys(kinds, FAIL)
    return cluster


def alerts(cluster: SimulatedCluster) -> list[Alert]:
    return [news.alert for news in cluster.told if news.alert is not None]


@pytest.mark.parametrize("answer", [FAIL, ERROR])
def test_an_unconfirmed_rollout_waits_at_zero(answer: Verdict) -> None:
    cluster = gated("confirm-rollout")
    cluster.gates = {"confirm-rollout": answer}
    cluster.set_image("rev-2")
    cluster.run(95)
    assert (phase(cluster), cluster.target_replicas, cluster.history) == (Phase.WAITING, 0, [])
    assert cluster.texts() == ["Halt podinfo.test advancement waiting for approval confirm-rollout"]
    assert alerts(cluster) == [Alert("warn", "Canary is waiting for approval.")]
    assert len(cluster.asked) == 10, "once an interval"
    assert cluster.state.analysis.failed_checks == 0
    assert cluster.status["serin"]["waitingFor"] == ["confirm-rollout/confirm-rollout"]


def test_a_confirmed_rollout_goes_on_and_is_not_confirmed_again() -> None:
    cluster = gated("confirm-rollout")
    cluster.set_image("rev-2")
    cluster.run(25)
    cluster.gates = {}
    asked = len(cluster.asked)
    cluster.run(200)
    assert len(cluster.asked) == asked + 1
    assert cluster.texts()[1:4] == [
        "Confirm-rollout check confirm-rollout passed",
        "New revision detected! Scaling up podinfo.test",
        "Starting canary analysis for podinfo.test",
    ]
    assert phase(cluster) is Phase.SUCCEEDED


def test_the_time_of_waiting_is_not_taken_from_the_progress_deadline() -> None:
    cluster = gated("confirm-rollout", progressDeadlineSeconds=60)
    cluster.set_image("rev-2")
    cluster.run(300)
    cluster.gates, cluster.target_readiness = {}, UNREADY
    cluster.run(50)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(30)
    assert phase(cluster) is Phase.FAILED


def test_every_revision_is_confirmed_for_itself() -> None:
    cluster = gated("confirm-rollout")
    cluster.gates = {}
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.gates = {"confirm-rollout": FAIL}
    cluster.set_image("rev-3")
    cluster.run(60)
    assert (phase(cluster), cluster.state.revisions.analysed) == (Phase.WAITING, "rev-3")
    assert (cluster.weights, cluster.target_replicas) == ((100, 0), 0), "nobody confirmed these pods"
    cluster.gates = {}
    cluster.run(200)
    assert (phase(cluster), cluster.promoted) == (Phase.SUCCEEDED, ["rev-3"])


def test_setting_the_target_back_ends_the_waiting() -> None:
    cluster = gated("confirm-rollout")
    cluster.set_image("rev-2")
    cluster.run(25)
    cluster.set_image("rev-1")
    cluster.run(25)
    assert (phase(cluster), cluster.target_replicas) == (Phase.SUCCEEDED, 0)


def test_each_step_of_weight_is_confirmed_and_a_yes_is_for_one_step() -> None:
    cluster = gated("confirm-traffic-increase")
    cluster.gates = {}
    cluster.set_image("rev-2")
    cluster.run(300)
    key = "confirm-traffic-increase/confirm-traffic-increase@"
    assert cluster.asked == [key + "0", key + "20", key + "40"], "the last one is before the promotion, as in Flagger"
    assert cluster.texts().count("Confirm-traffic-increase check confirm-traffic-increase passed") == 3
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize("weight", [0, 20, 40])
def test_a_shut_gate_to_traffic_holds_the_weight_and_not_the_checks(weight: int) -> None:
    cluster = gated("confirm-traffic-increase")
    cluster.gates = {}
    cluster.set_image("rev-2")
    cluster.run(
        100, until=lambda: cluster.state.traffic.canary_percent == weight and cluster.state.phase is Phase.PROGRESSING
    )
    cluster.gates = {"confirm-traffic-increase": FAIL}
    asked, checks = len(cluster.asked), cluster.questions.count(Question.CHECKS)
    cluster.run(900)
    assert (phase(cluster), cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, weight)
    said = "Halt podinfo.test advancement waiting for traffic increase approval confirm-traffic-increase"
    assert cluster.texts().count(said) == 1
    assert alerts(cluster)[-1] == Alert("warn", "Canary traffic increase is waiting for approval.")
    assert 89 <= len(cluster.asked) - asked <= 90, "once an interval"
    if weight == 0:
        return
    assert 89 <= cluster.questions.count(Question.CHECKS) - checks <= 90
    cluster.verdicts = always(FAIL)
    cluster.run(30)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_a_gate_is_asked_after_checks_that_passed_and_only_then() -> None:
    cluster = gated("confirm-traffic-increase")
    cluster.gates = {}
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.verdicts = always(Verdict.NO_DATA)
    asked = len(cluster.asked)
    cluster.run(100)
    assert len(cluster.asked) == asked


@pytest.mark.parametrize(("analysis", "weight"), [(WEIGHTS, 40), (AB, 100), (ITERATIONS, 0)])
@pytest.mark.parametrize("answer", [FAIL, ERROR])
def test_a_promotion_waits_for_its_gate_with_the_checks_going_on(
    analysis: dict[str, Any], weight: int, answer: Verdict
) -> None:
    cluster = gated("confirm-promotion", analysis=analysis)
    cluster.gates = {"confirm-promotion": answer}
    cluster.set_image("rev-2")
    cluster.run(900)
    assert (phase(cluster), cluster.state.traffic.canary_percent) == (Phase.WAITING_PROMOTION, weight)
    said = "Halt podinfo.test advancement waiting for promotion approval confirm-promotion"
    assert cluster.texts().count(said) == 1
    assert alerts(cluster)[-1] == Alert("warn", "Canary promotion is waiting for approval.")
    checks, asked = cluster.questions.count(Question.CHECKS), len(cluster.asked)
    cluster.run(100)
    assert cluster.questions.count(Question.CHECKS) - checks == len(cluster.asked) - asked == 10
    cluster.gates = {}
    cluster.run(100)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "rev-2")
    assert cluster.texts().count("Confirm-promotion check confirm-promotion passed") == 1


@pytest.mark.parametrize("analysis", [WEIGHTS, AB, ITERATIONS], ids=["weights", "A/B", "blue/green"])
def test_failed_checks_roll_back_while_the_promotion_waits(analysis: dict[str, Any]) -> None:
    cluster = gated("confirm-promotion", analysis=analysis)
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.WAITING_PROMOTION)
    cluster.verdicts = always(FAIL)
    cluster.run(30)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")


def test_a_newer_revision_takes_the_place_of_one_that_waits_for_its_promotion() -> None:
    cluster = gated("confirm-promotion")
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.WAITING_PROMOTION)
    cluster.set_image("rev-3")
    cluster.settle()
    assert (phase(cluster), cluster.state.revisions.analysed) == (Phase.PROGRESSING, "rev-3")
    assert (100, 0) in cluster.history
    cluster.gates = {}
    cluster.run(300)
    assert cluster.promoted == ["rev-3"]


@pytest.mark.parametrize("kind", ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"])
def test_a_muted_gate_alerts_nobody(kind: str) -> None:
    cluster = bootstrapped(WEIGHTS | {"webhooks": [hook(kind, muteAlert=True)]})
    cluster.gates = {kind: FAIL}
    cluster.set_image("rev-2")
    cluster.run(120)
    assert any("waiting for" in text for text in cluster.texts())
    assert [alert for alert in alerts(cluster) if "waiting" in alert.text] == []


@pytest.mark.parametrize("kind", ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"])
def test_a_gate_that_is_removed_while_the_run_waits_holds_it_no_longer(kind: str) -> None:
    cluster = gated(kind)
    cluster.set_image("rev-2")
    cluster.run(120)
    assert cluster.state.hooks.waiting_for
    cluster.canary = bootstrapped(WEIGHTS | {"webhooks": []}).canary
    cluster.run(200)
    assert (phase(cluster), cluster.state.hooks.waiting_for) == (Phase.SUCCEEDED, ())


def test_of_two_gates_only_the_one_that_is_shut_is_asked_again() -> None:
    cluster = bootstrapped(WEIGHTS | {"webhooks": [hook("confirm-rollout", "qa"), hook("confirm-rollout", "legal")]})
    cluster.gates = {"legal": FAIL}
    cluster.set_image("rev-2")
    cluster.run(45)
    assert cluster.asked == ["confirm-rollout/qa", *["confirm-rollout/legal"] * 5]
    assert cluster.texts() == [
        "Confirm-rollout check qa passed",
        "Halt podinfo.test advancement waiting for approval legal",
    ]


def test_one_name_may_stand_for_gates_of_several_types() -> None:
    cluster = bootstrapped(WEIGHTS | {"webhooks": [hook("pre-rollout", "gate"), hook("confirm-promotion", "gate")]})
    cluster.gates = {"gate": FAIL}
    cluster.set_image("rev-2")
    cluster.run(200)
    assert phase(cluster) is Phase.WAITING_PROMOTION


def test_a_skipped_analysis_skips_its_gates_but_for_the_first() -> None:
    cluster = gated("confirm-rollout", "confirm-traffic-increase", "confirm-promotion", skipAnalysis=True)
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) is Phase.WAITING
    cluster.gates["confirm-rollout"] = PASS
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
