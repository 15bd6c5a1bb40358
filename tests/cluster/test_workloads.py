"""Deployments as users write them: labels, affinity, replicas, thresholds, deadlines, suspend and skipAnalysis."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def replicas(rollouts: Rollouts, name: str) -> int:
    return int(rollouts.get("deployment", name)["spec"]["replicas"])


def image(rollouts: Rollouts, name: str) -> str:
    return str(rollouts.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"])


def labelled(key: str) -> dict[str, Any]:
    """podinfo whose sides are told apart by a label of this name."""
    made = podinfo("app")
    labels = {key: "web", "tier": "front"}
    made["spec"]["selector"] = {"matchLabels": labels}
    made["spec"]["template"]["metadata"]["labels"] = labels
    return made


@pytest.mark.parametrize("key", ["app", "name", "app.kubernetes.io/name"])
def test_the_sides_are_told_apart_by_any_of_flaggers_labels(rollouts: Rollouts, key: str) -> None:
    rollouts.apply(labelled(key), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    primary = rollouts.get("deployment", "app-primary")["spec"]
    assert primary["selector"]["matchLabels"] == {key: "web-primary", "tier": "front"}
    assert primary["template"]["metadata"]["labels"] == {key: "web-primary", "tier": "front"}
    assert rollouts.get("service", "app-canary")["spec"]["selector"] == {key: "web", "tier": "front"}


def test_a_target_without_such_a_label_is_named(rollouts: Rollouts) -> None:
    rollouts.apply(labelled("application"), canary("app"))
    rollouts.wait_for("it is named", lambda: rollouts.condition("app", "Ready").get("reason") == "TargetUnusable")
    message = rollouts.condition("app", "Ready")["message"]
    assert f"Deployment {rollouts.namespace}/app spec.selector.matchLabels: found" in message
    assert "spec.selector.matchLabels: found {'application': 'web', 'tier': 'front'}; allowed: at least one" in message


def test_affinity_and_topology_terms_of_the_target_are_the_primarys_own(rollouts: Rollouts) -> None:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app"]}]},
    }
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    made = podinfo("app")
    made["spec"]["template"]["spec"] |= {
        "affinity": {
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        },
        "topologySpreadConstraints": [spread | {"labelSelector": {"matchLabels": {"app": "app"}}}],
    }
    rollouts.apply(made, canary("app"))
    # One pod of each side on the one node: the primary's could not run beside the target's otherwise.
    rollouts.wait_for_phase("app", "Initialized")
    spec = rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"]
    (required,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["labelSelector"]["matchExpressions"][0]["values"] == ["app-primary"]
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": {"app": "app-primary"}}


def test_the_primary_gets_the_targets_replicas_by_promotion(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app", replicas=2), canary("app", {"interval": "10s", "maxWeight": 25}))
    rollouts.wait_for_phase("app", "Initialized")
    assert (replicas(rollouts, "app"), replicas(rollouts, "app-primary")) == (0, 2)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("as many as the primary has", lambda: replicas(rollouts, "app") == 2)
    rollouts.apply(podinfo("app", replicas=3, tag="3.1.1"))
    rollouts.wait_for_phase("app", "Succeeded")
    assert (replicas(rollouts, "app"), replicas(rollouts, "app-primary")) == (0, 3)


def unready_pods(rollouts: Rollouts, tag: str) -> dict[str, Any]:
    """podinfo of which no pod gets ready."""
    made = podinfo("app", tag=tag)
    made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] = "/status/503"
    return made


def test_a_canary_side_that_does_not_come_up_is_rolled_back_after_the_progress_deadline(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", progressDeadlineSeconds=5))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.apply(unready_pods(rollouts, "3.1.1"))
    rollouts.wait_for_phase("app", "Failed")
    told = [text for _, text in rollouts.events("app")]
    assert any("progress deadline exceeded waiting for rollout to finish: 0 of 1" in text for text in told)
    assert image(rollouts, "app-primary").endswith("3.1.0")


def test_a_canary_side_with_fewer_pods_than_replicas_is_enough_for_its_ready_threshold(rollouts: Rollouts) -> None:
    made = podinfo("app", replicas=2)
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "app"}}}
    alone = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    made["spec"]["template"]["spec"]["affinity"] = alone
    thresholds = {"canaryReadyThreshold": 50, "primaryReadyThreshold": 50}
    # There is one node: of the two pods of a side, one can't be scheduled.
    rollouts.apply(made, canary("app", thresholds))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.cluster.kubectl(
        *("-n", rollouts.namespace, "set", "env", "deployment/app", "PODINFO_UI_MESSAGE=new"),
    )
    rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight", 0) > 0)


def test_min_ready_seconds_are_waited_for(rollouts: Rollouts) -> None:
    made = podinfo("app")
    made["spec"]["minReadySeconds"] = 4
    rollouts.apply(made, canary("app"))
    rollouts.wait_for("the primary's pod is ready", lambda: status(rollouts, "app-primary").get("readyReplicas") == 1)
    assert rollouts.status("app")["phase"] == "Initializing"
    assert rollouts.get("deployment", "app-primary")["spec"]["minReadySeconds"] == 4
    rollouts.wait_for_phase("app", "Initialized")


def status(rollouts: Rollouts, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rollouts.get("deployment", name).get("status", {})
    return found


@pytest.mark.long
def test_a_run_without_analysis_is_promoted_at_once(rollouts: Rollouts) -> None:
    never = {"name": "zero", "query": "vector(0)", "thresholdRange": {"min": 1}, "interval": "10s"}
    rollouts.apply(podinfo("app"), canary("app", {"threshold": 1, "metrics": [never]}, skipAnalysis=True))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded")
    assert image(rollouts, "app-primary").endswith("3.1.1")
    assert not any("canary weight" in text for _, text in rollouts.events("app"))


def test_a_target_that_is_paused_past_its_deadline_is_rolled_out_when_it_is_resumed(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", progressDeadlineSeconds=3))
    rollouts.wait_for_phase("app", "Initialized")
    kubectl = rollouts.cluster.kubectl
    kubectl("-n", rollouts.namespace, "rollout", "pause", "deployment/app")
    rollouts.set_image("app", "3.1.1")
    text = (
        f"Halt advancement app.{rollouts.namespace} is paused (spec.paused: true), waiting for `kubectl rollout resume`"
    )
    rollouts.wait_for("it says so", lambda: ("Warning", text) in rollouts.events("app"))
    rollouts.see_stay(lambda: rollouts.status("app")["phase"], "Progressing", for_s=4)
    kubectl("-n", rollouts.namespace, "rollout", "resume", "deployment/app")
    rollouts.wait_for_phase("app", "Succeeded")


def test_a_suspended_canary_stands_still_and_goes_on_when_it_may(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.apply(canary("app", suspend=True))
    rollouts.wait_for("it says so", lambda: rollouts.condition("app", "Ready").get("reason") == "Suspended")
    rollouts.set_image("app", "3.1.1")
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "deployment", "app", "seen=yes")
    assert rollouts.status("app")["phase"] == "Initialized"
    assert replicas(rollouts, "app") == 0
    rollouts.apply(canary("app", suspend=False))
    rollouts.wait_for_phase("app", "Succeeded")
    assert image(rollouts, "app-primary").endswith("3.1.1")
