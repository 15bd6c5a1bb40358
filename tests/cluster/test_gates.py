"""The load tester's gates hold a run where they stand, and the rollback gate ends it, with real traffic."""

import json
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.gates import Gates
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.own_metric import OWN_METRIC, own_metric
from tests.support.rollout import Rollouts, canary, podinfo

HALTED = "Halt {name} advancement waiting for traffic increase approval confirm-traffic-increase"


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def gates(rollouts: Rollouts) -> Gates:
    return Gates(rollouts)


def start_run(rollouts: Rollouts, *hooks: dict[str, Any], **analysis: Any) -> None:
    rollouts.apply(podinfo("app"), canary("app", {"webhooks": list(hooks)} | analysis))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")


def told(rollouts: Rollouts, text: str) -> int:
    """Count the events with a text about the canary; `{name}` in it is the canary's own."""
    wanted = text.format(name=f"app.{rollouts.namespace}")
    return [said for _, said in rollouts.events("app")].count(wanted)


def holds(rollouts: Rollouts, phase: str, weight: int) -> None:
    """See a canary stay where it is for longer than some of its intervals."""
    rollouts.wait_for(f"{phase} at {weight}", lambda: where(rollouts) == (phase, weight))
    rollouts.see_stay(lambda: where(rollouts), (phase, weight), for_s=4)


def where(rollouts: Rollouts) -> tuple[str, int]:
    status = rollouts.status("app")
    return status["phase"], status["canaryWeight"]


def test_confirm_rollout_holds_the_canary_side_back_until_its_gate_opens(rollouts: Rollouts, gates: Gates) -> None:
    start_run(rollouts, gates.hook("confirm-rollout"))
    holds(rollouts, "Waiting", 0)
    assert rollouts.get("deployment", "app")["spec"]["replicas"] == 0
    assert told(rollouts, "Halt {name} advancement waiting for approval confirm-rollout") == 1
    assert rollouts.condition("app", "Promoted")["message"] == "Waiting for approval."
    gates.post("gate/open")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert told(rollouts, "Confirm-rollout check confirm-rollout passed") == 1


@pytest.mark.long
def test_confirm_traffic_increase_holds_the_weight_until_its_gate_opens(rollouts: Rollouts, gates: Gates) -> None:
    start_run(rollouts, gates.hook("confirm-traffic-increase"), interval="4s", stepWeight=5)
    rollouts.wait_for("it is told", lambda: told(rollouts, HALTED) == 1)
    holds(rollouts, "Progressing", 0)
    assert told(rollouts, HALTED) == 1
    gates.post("gate/open")
    rollouts.wait_for("the first step", lambda: where(rollouts)[1] > 0)
    gates.post("gate/close")
    rollouts.wait_for("the next gate", lambda: told(rollouts, HALTED) == 2)
    holds(rollouts, "Progressing", where(rollouts)[1])
    patch = json.dumps({"spec": {"analysis": {"stepWeight": 50}}})
    rollouts.cluster.kubectl("-n", rollouts.namespace, "patch", "canary", "app", "--type=merge", "-p", patch)
    gates.post("gate/open")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)


@pytest.mark.long
def test_confirm_promotion_holds_the_last_weight_until_its_gate_opens(rollouts: Rollouts, gates: Gates) -> None:
    start_run(rollouts, gates.hook("confirm-promotion"))
    holds(rollouts, "WaitingPromotion", 50)
    assert told(rollouts, "Halt {name} advancement waiting for promotion approval confirm-promotion") == 1
    primary = rollouts.get("deployment", "app-primary")
    assert primary["spec"]["template"]["spec"]["containers"][0]["image"] == "stefanprodan/podinfo:3.1.0"
    gates.post("gate/open")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    primary = rollouts.get("deployment", "app-primary")
    assert primary["spec"]["template"]["spec"]["containers"][0]["image"] == "stefanprodan/podinfo:3.1.1"


@pytest.mark.long
def test_a_failing_check_rolls_back_although_a_gate_is_shut(rollouts: Rollouts, gates: Gates) -> None:
    rollouts.apply(own_metric())
    start_run(rollouts, gates.hook("confirm-promotion"), metrics=[OWN_METRIC])
    holds(rollouts, "WaitingPromotion", 50)
    rollouts.apply(own_metric(is_passing=False))
    rollouts.wait_for_phase("app", "Failed", deadline_s=60)
    assert rollouts.status("app")["failedChecks"] == 3


def test_the_rollback_gate_pulls_the_traffic_and_no_request_is_lost(rollouts: Rollouts, gates: Gates) -> None:
    initialize(rollouts, {"webhooks": [gates.hook("rollback"), gates.hook("confirm-promotion")]})
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        holds(rollouts, "WaitingPromotion", 50)
        assert told(rollouts, "Rollback hook rollback not signaling a rollback") >= 1
        gates.post("rollback/open")
        rollouts.wait_for_phase("app", "Failed")
        rollouts.wait_for("scaled down", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert where(rollouts) == ("Failed", 0)
    assert told(rollouts, "Rollback check rollback passed") == 1
    assert told(rollouts, "Rolling back {name} manual webhook invoked") == 1
    assert_no_request_lost(reports[0])
