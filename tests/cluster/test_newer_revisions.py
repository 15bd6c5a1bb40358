"""The target changes again in the middle of a run, under load: what was not analysed is not promoted."""

import pytest

from tests.support.cluster import Cluster
from tests.support.gates import Gates
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.mortal_agent import watching_weights
from tests.support.rollout import Rollouts
from tests.support.users import BEFORE, Served, asking

# Half the interval of that run.
AT_ONCE_S = 30.0


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def test_a_target_that_is_set_back_to_the_promoted_revision_gives_the_traffic_back_at_once(rollouts: Rollouts) -> None:
    initialize(rollouts, {"interval": "1m"})
    before = rollouts.status("app")["lastPromotedSpec"]
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("it has traffic", lambda: rollouts.weights("app") == (75, 25))
        rollouts.set_image("app", "3.1.0")
        rollouts.wait_for("the primary has it all", lambda: rollouts.weights("app") == (100, 0), AT_ONCE_S)
        rollouts.wait_for_phase("app", "Succeeded")
        assert rollouts.get("deployment", "app")["spec"]["replicas"] == 0
    assert_no_request_lost(reports[0])
    assert rollouts.status("app")["lastPromotedSpec"] == before
    assert rollouts.tags_of_primary("app") == {"3.1.0"}
    texts = [text for _, text in rollouts.events("app")]
    returned = f"Revision of app.{rollouts.namespace} is the promoted one again, nothing to analyse"
    assert [text for text in texts if text.startswith((returned, "Copying"))] == [
        f"{returned}. Routing all traffic to primary"
    ]


def test_a_newer_revision_takes_the_place_of_the_one_that_waits_at_a_gate(rollouts: Rollouts) -> None:
    gates = Gates(rollouts)
    initialize(rollouts, {"webhooks": [gates.hook("confirm-rollout"), gates.hook("confirm-promotion", "rollback")]})
    with steady_load(rollouts.cluster, rollouts.namespace) as reports, asking(rollouts) as user:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for_phase("app", "Waiting")
        replaced = rollouts.status("app")["lastAppliedSpec"]
        rollouts.set_image("app", "3.1.2")
        rollouts.wait_for("3.1.2 waits", lambda: rollouts.status("app")["lastAppliedSpec"] != replaced)
        assert rollouts.status("app")["phase"] == "Waiting"

        gates.post("gate/open")
        rollouts.wait_for_phase("app", "WaitingPromotion")
        gates.post("gate/close")
        rollouts.set_image("app", "3.1.3")
        rollouts.wait_for_phase("app", "Waiting")
        rollouts.wait_for("the traffic is back", lambda: rollouts.weights("app") == (100, 0))
        asked = len(gates.checks("gate"))
        rollouts.wait_for("the gate is asked about it, too", lambda: len(gates.checks("gate")) > asked)
        assert rollouts.status("app")["phase"] == "Waiting"

        gates.post("gate/open")
        gates.post("rollback/open")
        rollouts.wait_for_phase("app", "Succeeded")
        rollouts.wait_for("its primary serves", lambda: user.last() == Served("primary", "3.1.3"))
    assert_no_request_lost(reports[0])
    assert rollouts.tags_of_primary("app") == {"3.1.0", "3.1.3"}
    sides = {Served("canary", "3.1.2"), Served("canary", "3.1.3"), Served("primary", "3.1.3")}
    assert set(user.answers()) == {BEFORE, *sides}, "3.1.1 had traffic, or somebody got no answer"


def test_a_newer_revision_that_comes_while_the_promoted_one_drains_has_a_run_of_its_own(rollouts: Rollouts) -> None:
    # Prometheus can't be asked whether the canary side still gets requests: the whole drain is waited for.
    initialize(rollouts, {"drainSeconds": 12, "metrics": []}, metricsServer="http://127.0.0.1:1")
    cluster, namespace = rollouts.cluster, rollouts.namespace
    with watching_weights(cluster, namespace, "app") as weights, steady_load(cluster, namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for_phase("app", "Finalising")
        rollouts.set_image("app", "3.1.2")
        rollouts.wait_for("3.1.2 is promoted", lambda: "3.1.2" in rollouts.tags_of_primary("app"))
        rollouts.wait_for_phase("app", "Succeeded")
    assert weights == [0, 25, 50, 0, 25, 50, 0]
    assert rollouts.tags_of_primary("app") == {"3.1.0", "3.1.1", "3.1.2"}
    rollouts.wait_until_told_times("app", f"Promotion completed! Scaling down app.{namespace}", 2)
    assert_no_request_lost(reports[0])
