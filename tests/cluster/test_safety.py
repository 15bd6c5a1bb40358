"""What fails or is changed in the middle of a run, under load: the traffic is where it is safe, no request is lost."""

import json
import time
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.mortal_agent import watching_weights
from tests.support.own_metric import OWN_METRIC, own_metric
from tests.support.rollout import Rollouts, canary, hpa, podinfo
from tests.support.users import AFTER, BEFORE, CANARY, Served, asking

WITHOUT_WEIGHTS: dict[str, Any] = {"stepWeight": None, "maxWeight": None}
INSIDERS = [{"headers": {"x-canary": {"exact": "insider"}}}]


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def begin(rollouts: Rollouts, analysis: dict[str, Any] | None = None, **spec: Any) -> None:
    """Bring a run to its first traffic."""
    initialize(rollouts, analysis, **spec)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)


def primary_image(rollouts: Rollouts) -> str:
    containers = rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"]).partition(":")[2]


def request(rollouts: Rollouts, verb: str) -> None:
    text = f"serin.dev/request={verb}@{rollouts.status('app')['lastAppliedSpec']}"
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "canary", "app", text)


def patch_spec(rollouts: Rollouts, **fields: Any) -> None:
    patch = json.dumps({"spec": fields})
    rollouts.cluster.kubectl("-n", rollouts.namespace, "patch", "canary", "app", "--type=merge", "-p", patch)


def test_a_primary_that_does_not_come_up_leaves_the_traffic_on_the_healthy_canary(rollouts: Rollouts) -> None:
    initialize(rollouts, {"stepWeight": 50, "maxWeight": 100})
    only_on_the_canary_side = podinfo("app", tag="3.1.1")
    (container,) = only_on_the_canary_side["spec"]["template"]["spec"]["containers"]
    container["command"] = [
        "sh",
        "-c",
        f"case $HOSTNAME in *-primary-*) exit 1;; esac; exec {' '.join(container['command'])}",
    ]
    fixed = Served("canary", "3.1.2"), Served("primary", "3.1.2")
    name = f"app.{rollouts.namespace}"
    with (
        steady_load(rollouts.cluster, rollouts.namespace) as reports,
        asking(rollouts) as user,
    ):
        rollouts.apply(only_on_the_canary_side)
        rollouts.wait_for_phase("app", "Promoting")
        patch_spec(rollouts, progressDeadlineSeconds=6)
        rollouts.wait_until_told(
            "app", f"app-primary.{rollouts.namespace} not ready: waiting for rollout", kind="Warning"
        )
        rollouts.wait_until_told(
            "app", f"Promotion of {name} failed, primary not ready: waiting for rollout", kind="Warning"
        )
        status = rollouts.status("app")
        assert (status["phase"], status["canaryWeight"]) == ("Promoting", 100)
        assert user.sequence()[-1] == CANARY
        rollouts.apply(podinfo("app", tag="3.1.2"))
        rollouts.wait_for("the mended one is promoted", lambda: primary_image(rollouts) == "3.1.2", deadline_s=90)
        rollouts.wait_for_phase("app", "Succeeded")
        rollouts.wait_for("its primary serves", lambda: user.last() == fixed[1])
    assert_no_request_lost(reports[0])
    assert set(user.answers()) == {BEFORE, CANARY, *fixed}


@pytest.mark.parametrize("strategy", ["ab-testing", "blue-green"])
def test_another_strategy_in_mid_run_pulls_the_traffic_and_begins_again(rollouts: Rollouts, strategy: str) -> None:
    begin(rollouts, {"stepWeight": 5, "interval": "2s"})
    edited = WITHOUT_WEIGHTS | {"iterations": 2} | ({"match": INSIDERS} if strategy == "ab-testing" else {})
    with asking(rollouts) as user, asking(rollouts, x_canary="insider") as insider:
        rollouts.wait_for("a user on the canary", lambda: CANARY in user.answers())
        rollouts.apply(canary("app", edited))

        def has_begun_again() -> bool:
            return bool(rollouts.status("app")["serin"].get("strategy") == strategy)

        rollouts.wait_for("it has begun again", has_begun_again)
        pulled_s = time.monotonic()
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        rollouts.wait_for("all on the primary", lambda: user.last() == insider.last() == AFTER)
    assert rollouts.is_told(
        "app",
        f"Strategy changed from canary to {strategy}! Restarting analysis for app.{rollouts.namespace}",
        kind="Normal",
    )
    assert set(user.answers()) | set(insider.answers()) <= {BEFORE, CANARY, AFTER}, "requests were lost"
    if strategy == "ab-testing":
        stay_s = insider.stayed_from(CANARY, 10, since_s=pulled_s)
        assert set(user.answers(since_s=stay_s)) == {BEFORE, AFTER}
        assert insider.sequence()[-3:] == [BEFORE, CANARY, AFTER]
    else:
        assert user.sequence()[-3:] == [BEFORE, CANARY, AFTER]


@pytest.mark.long
def test_edited_steps_count_from_where_the_run_stands(rollouts: Rollouts) -> None:
    analysis = WITHOUT_WEIGHTS | {"stepWeights": [5, 10, 15, 20], "interval": "8s"}
    initialize(rollouts, analysis)
    cluster, namespace = rollouts.cluster, rollouts.namespace
    with watching_weights(cluster, namespace, "app") as weights, steady_load(cluster, namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("the first step", lambda: rollouts.status("app")["canaryWeight"] == 5)
        rollouts.apply(canary("app", analysis | {"stepWeights": [3, 40, 60], "interval": "1s"}))
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert weights == [0, 5, 40, 60, 0]
    assert_no_request_lost(reports[0])


def test_a_query_that_is_edited_in_mid_run_rolls_back(rollouts: Rollouts) -> None:
    rollouts.apply(own_metric())
    begin(rollouts, {"metrics": [OWN_METRIC], "stepWeight": 2})
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.apply(own_metric(is_passing=False))
        rollouts.wait_for_phase("app", "Failed")
        rollouts.wait_for("scaled down", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert rollouts.status("app")["failedChecks"] == 3
    assert primary_image(rollouts) == "3.1.0"
    assert_no_request_lost(reports[0])


@pytest.mark.long
def test_a_metric_that_nobody_can_ask_holds_the_run_until_it_is_mended(rollouts: Rollouts) -> None:
    rollouts.apply(own_metric(is_askable=False))
    begin(rollouts, {"metrics": [OWN_METRIC], "stepWeight": 20, "interval": "2s"})
    rollouts.wait_until_told("app", "Halt advancement", kind="Warning")
    held = rollouts.status("app")

    def has_asked_again() -> bool:
        return bool(rollouts.status("app")["serin"]["notBefore"] > held["serin"]["notBefore"])

    rollouts.wait_for("asked again", has_asked_again)
    status = rollouts.status("app")
    assert (status["phase"], status["canaryWeight"]) == ("Progressing", 20), "the first step is not checked"
    assert status["failedChecks"] == 0
    rollouts.apply(own_metric())
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert primary_image(rollouts) == "3.1.1"


def test_everything_generated_is_collected_when_a_canary_goes_in_mid_run(rollouts: Rollouts) -> None:
    conf = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"PODINFO_UI_MESSAGE": "a"}}
    target = podinfo("app")
    target["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "conf"}}]
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "app"}
    rollouts.apply(conf, target, hpa("app"), canary("app", {"interval": "5s"}, autoscalerRef=scaler))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
    namespace = rollouts.namespace
    generated = (
        *(("deployment", "app-primary"), ("hpa", "app-primary"), ("configmap", "conf-primary"), ("routetable", "app")),
        *(("service", "app"), ("service", "app-primary"), ("service", "app-canary")),
        *(("upstream", f"{namespace}-app-{side}upstream-9898") for side in ("primary", "canary")),
    )
    assert all(rollouts.get(kind, name) for kind, name in generated)
    rollouts.cluster.kubectl("-n", namespace, "delete", "canary", "app", "--timeout=20s")
    rollouts.wait_for_collection(*generated)
    target = rollouts.get("deployment", "app")
    assert target["spec"]["replicas"] == 1
    assert target["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":3.1.1")
    assert rollouts.get("configmap", "conf")
    assert rollouts.get("hpa", "app")


def test_a_second_canary_with_the_same_service_is_refused_and_the_first_goes_on(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", service={"port": 9898, "name": "shop"}))
    rollouts.wait_for_phase("app", "Initialized")
    second = canary("other", service={"port": 9898, "name": "shop"})
    rollouts.apply(podinfo("other"))
    applied = rollouts.cluster.try_kubectl("-n", rollouts.namespace, "apply", "-f", "-", stdin=json.dumps(second))
    assert applied.returncode != 0
    assert "spec.service.name: found 'shop'; allowed: a name of services that no other canary has" in applied.stderr
    rollouts.apply_unseen(second)
    rollouts.wait_for("refused", lambda: rollouts.condition("other", "Ready").get("reason") == "OwnedByOther")
    message = rollouts.condition("other", "Ready")["message"]
    found = f"Canary {rollouts.namespace}/other spec.service.name: found RouteTable shop of Canary app, uid "
    assert message.startswith(found)
    assert not rollouts.get("deployment", "other-primary")
    assert rollouts.get("deployment", "other")["spec"]["replicas"] == 1
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)


@pytest.mark.long
def test_a_skipped_revision_is_rolled_back_and_only_another_one_runs(rollouts: Rollouts) -> None:
    begin(rollouts, {"stepWeight": 5, "interval": "2s"})
    revision = rollouts.status("app")["lastAppliedSpec"]
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        request(rollouts, "skip")
        rollouts.wait_for_phase("app", "Failed")
        rollouts.wait_for("scaled down", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert_no_request_lost(reports[0])
    assert rollouts.status("app")["serin"]["request"]["result"] == "accepted"
    by = rollouts.status("app")["serin"]["request"]["by"]
    assert rollouts.is_told(
        "app",
        f"Rolling back app.{rollouts.namespace} revision {revision} is skipped by request of {by}",
        kind="Warning",
    )
    assert primary_image(rollouts) == "3.1.0"
    rollouts.set_image("app", "3.1.2")
    rollouts.wait_for("another run", lambda: rollouts.status("app")["phase"] == "Progressing")


def standing(rollouts: Rollouts) -> dict[str, Any]:
    """What of the status shows where a run stands; its checks go on meanwhile."""
    status = rollouts.status("app")
    return {key: status[key] for key in ("phase", "canaryWeight", "iterations", "failedChecks", "conditions")}


@pytest.mark.long
def test_a_suspended_run_stands_still_and_goes_on_from_there(rollouts: Rollouts) -> None:
    begin(rollouts, {"stepWeight": 10, "interval": "2s"})
    cluster, namespace = rollouts.cluster, rollouts.namespace
    with watching_weights(cluster, namespace, "app") as weights, steady_load(cluster, namespace) as reports:
        patch_spec(rollouts, suspend=True)
        rollouts.wait_for("it stands", lambda: rollouts.condition("app", "Ready").get("reason") == "Suspended")
        rollouts.see_stay(lambda: standing(rollouts), standing(rollouts), for_s=5)  # two steps would be due
        patch_spec(rollouts, suspend=False)
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert weights == [*range(weights[0], 51, 10), 0], "a step was left out, taken twice, or taken back"
    assert rollouts.condition("app", "Ready")["status"] == "True"
    assert_no_request_lost(reports[0])
