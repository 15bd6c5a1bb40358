"""Bad input that no webhook kept out: a condition and an event say what is wrong, nobody else is touched, mending is
enough."""

import pytest

from tests.support.cluster import Cluster
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, hpa, podinfo

FAULTS = {
    "metrics": [{"name": "nonsense", "thresholdRange": {"min": 99}}],
    "webhooks": [{"name": "gate", "type": "confirm-rollout", "url": "nowhere"}],
}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def wait_until_refused(rollouts: Rollouts, name: str, reason: str) -> str:
    """Wait for the condition, and give its message, which must stand in a Warning event too."""
    rollouts.wait_for(f"{name} is refused", lambda: rollouts.condition(name, "Ready").get("reason") == reason)
    condition = rollouts.condition(name, "Ready")
    assert condition["status"] == "False"
    rollouts.wait_for("its event", lambda: ("Warning", condition["message"]) in rollouts.events(name))
    return condition["message"]


def test_a_missing_target_is_named_and_its_creation_is_enough(rollouts: Rollouts) -> None:
    rollouts.apply(canary("app"))
    message = wait_until_refused(rollouts, "app", "TargetNotFound")
    assert f"Canary {rollouts.namespace}/app spec.targetRef.name: found 'app'; allowed:" in message
    rollouts.apply(podinfo("app"))
    rollouts.wait_for_phase("app", "Initialized")
    assert rollouts.condition("app", "Ready")["status"] == "True"


def test_a_missing_autoscaler_is_named_and_its_creation_is_enough(rollouts: Rollouts) -> None:
    reference = {"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "name": "app-hpa"}
    rollouts.apply(podinfo("app"), canary("app", autoscalerRef=reference))
    message = wait_until_refused(rollouts, "app", "ScalerNotFound")
    assert "spec.autoscalerRef.name: found 'app-hpa'" in message
    assert not rollouts.get("deployment", "app-primary")
    rollouts.apply(hpa("app-hpa") | {"spec": hpa("app")["spec"]})
    rollouts.wait_for_phase("app", "Initialized")
    copy = rollouts.get("hpa", "app-hpa-primary")
    assert copy["spec"]["scaleTargetRef"]["name"] == "app-primary"
    assert rollouts.get("hpa", "app-hpa")["spec"]["scaleTargetRef"]["name"] == "app"


def test_a_target_port_that_no_container_names_is_named_and_moves_nobody(rollouts: Rollouts) -> None:
    cluster, namespace = rollouts.cluster, rollouts.namespace
    bad, good = (canary("app", service={"port": 9898, "targetPort": name}) for name in ("web", "http"))
    rollouts.apply(podinfo("app"), virtual_service(namespace), bad)
    message = wait_until_refused(rollouts, "app", "TargetPortNotFound")
    assert f"Canary {namespace}/app spec.service.targetPort: found 'web'; allowed: a number, or the name" in message
    assert rollouts.get("deployment", "app")["spec"]["replicas"] == 1
    assert not rollouts.get("deployment", "app-primary")

    rollouts.apply(good)
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(cluster, namespace)))
    names = ("app", "app-primary", "app-canary")
    before = [rollouts.get("service", name)["spec"] for name in names]
    with steady_load(cluster, namespace) as reports:
        rollouts.apply(bad)
        assert wait_until_refused(rollouts, "app", "TargetPortNotFound") == message
        assert [rollouts.get("service", name)["spec"] for name in names] == before
        rollouts.apply(good)
        rollouts.wait_for("it is mended", lambda: rollouts.condition("app", "Ready")["status"] == "True")
    rollouts.wait_until_told_times("app", message, 2)
    assert [rollouts.get("service", name)["spec"] for name in names] == before
    assert_no_request_lost(reports[0])


def test_faults_that_the_schema_lets_pass_are_all_named_and_other_canaries_go_on(rollouts: Rollouts) -> None:
    rollouts.apply_unseen(podinfo("bad"), canary("bad", FAULTS), podinfo("good"), canary("good"))
    message = wait_until_refused(rollouts, "bad", "InvalidSpec")
    assert "spec.analysis.metrics[0].name: found 'nonsense'; allowed:" in message
    assert "spec.analysis.webhooks[0].url: found 'nowhere'; allowed:" in message
    rollouts.wait_for_phase("good", "Initialized")
    assert rollouts.status("bad").get("phase") is None
    assert rollouts.get("deployment", "bad")["spec"]["replicas"] == 1
    rollouts.apply(canary("bad"))
    rollouts.wait_for_phase("bad", "Initialized")


def test_a_target_without_a_label_to_tell_the_sides_apart_is_named(rollouts: Rollouts) -> None:
    target = podinfo("app")
    target["spec"]["selector"]["matchLabels"] = target["spec"]["template"]["metadata"]["labels"] = {"role": "web"}
    rollouts.apply(target, canary("app"))
    message = wait_until_refused(rollouts, "app", "TargetUnusable")
    assert "spec.selector.matchLabels: found {'role': 'web'}; allowed: at least one of the labels app," in message


def test_another_provider_is_left_alone(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", provider="istio"))
    message = wait_until_refused(rollouts, "app", "ProviderNotSupported")
    assert "spec.provider: found 'istio'; allowed: gloo" in message
    assert not rollouts.get("service", "app-primary")


def test_a_query_that_fails_holds_the_weight_and_a_mended_one_moves_it(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", metricsServer="http://127.0.0.1:1"))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")

    def has_told() -> bool:
        return any(
            kind == "Warning" and "metric query failed for request-success-rate: http://127.0.0.1:1" in text
            for kind, text in rollouts.events("app")
        )

    rollouts.wait_for("the failing query is told", has_told)
    status = rollouts.status("app")
    assert (status["phase"], status["canaryWeight"], status["failedChecks"]) == ("Progressing", 25, 0)
    rollouts.apply(canary("app"))
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    image = rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "stefanprodan/podinfo:3.1.1"


def test_a_second_canary_on_the_same_target_is_refused_and_the_first_goes_on(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    second = canary("app")
    second["metadata"]["name"] = "twin"
    rollouts.apply_unseen(second)
    message = wait_until_refused(rollouts, "twin", "OwnedByOther")
    assert "found Deployment app-primary of Canary app" in message
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)


def test_a_deleted_primary_comes_back(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    uid = rollouts.get("deployment", "app-primary")["metadata"]["uid"]
    rollouts.cluster.kubectl("-n", rollouts.namespace, "delete", "deployment", "app-primary")

    def is_back() -> bool:
        primary = rollouts.get("deployment", "app-primary")
        return bool(primary and primary["metadata"]["uid"] != uid and primary["status"].get("availableReplicas"))

    rollouts.wait_for("the primary is back", is_back)
