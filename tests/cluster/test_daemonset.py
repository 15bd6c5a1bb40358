"""A DaemonSet as the target: at zero by a node selector, promoted from its ControllerRevision, with traffic."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.history import watching
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo

ROLLED = "RollingUpdate"
SURGE = {"maxSurge": 1, "maxUnavailable": 0}
ZERO = "flagger.app/scale-to-zero"
ONE_LONG_STEP = {"interval": "10s", "maxWeight": 25}
FAILING = {"name": "zero", "query": "vector(0)", "thresholdRange": {"min": 1}, "interval": "10s"}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def daemonset(
    tag: str = "3.1.0", strategy: str = ROLLED, *, rolling_update: dict[str, int] | None = SURGE
) -> dict[str, Any]:
    """podinfo on every node; without a `rolling_update` of its own as the API server rolls it by default."""
    made = podinfo("app", tag=tag)
    spec = made["spec"]
    update = {"type": strategy} | ({"rollingUpdate": rolling_update} if rolling_update and strategy == ROLLED else {})
    spec = {"selector": spec["selector"], "template": spec["template"], "updateStrategy": update}
    spec["template"]["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
    return made | {"kind": "DaemonSet", "spec": spec}


def of_daemonset(analysis: dict[str, Any] | None = None) -> dict[str, Any]:
    return canary("app", analysis, targetRef={"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "app"})


def pod_spec(rollouts: Rollouts, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rollouts.get("daemonset", name)["spec"]["template"]["spec"]
    return found


def image(rollouts: Rollouts, name: str) -> str:
    return str(pod_spec(rollouts, name)["containers"][0]["image"]).rpartition(":")[2]


def names_of_daemonsets(rollouts: Rollouts) -> list[str]:
    return (
        rollouts.cluster.kubectl("-n", rollouts.namespace, "get", "daemonset", "-o=name")
        .replace("daemonset.apps/", "")
        .split()
    )


def test_a_daemonset_is_promoted_under_load(rollouts: Rollouts) -> None:
    rollouts.apply(daemonset(), virtual_service(rollouts.namespace), of_daemonset(ONE_LONG_STEP))
    rollouts.wait_for_phase("app", "Initialized")
    assert pod_spec(rollouts, "app")["nodeSelector"] == {"kubernetes.io/os": "linux", ZERO: "true"}
    assert pod_spec(rollouts, "app-primary")["nodeSelector"] == {"kubernetes.io/os": "linux"}
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        # As its users apply it, with no word of the node label that keeps it at zero.
        rollouts.apply(daemonset("3.1.1"))
        rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight") == 25)
        assert (image(rollouts, "app"), image(rollouts, "app-primary")) == ("3.1.1", "3.1.0")
        rollouts.wait_for_phase("app", "Succeeded")
    assert image(rollouts, "app-primary") == "3.1.1"
    kept = [entry["revision"] for entry in rollouts.status("app")["serin"]["history"]]
    assert rollouts.revisions_of_primary("app", "controllerrevision") == {"3.1.1": kept[0], "3.1.0": kept[1]}
    assert pod_spec(rollouts, "app")["nodeSelector"][ZERO] == "true"
    assert_no_request_lost(reports[0])


def test_a_daemonset_without_surge_has_no_pod_while_it_is_promoted_and_no_request_is_lost(rollouts: Rollouts) -> None:
    rollouts.apply(daemonset(rolling_update=None), virtual_service(rollouts.namespace), of_daemonset({"maxWeight": 25}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with (
        watching(rollouts.cluster, rollouts.namespace) as history,
        steady_load(rollouts.cluster, rollouts.namespace) as reports,
    ):
        rollouts.apply(daemonset("3.1.1", rolling_update=None))
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)
        history.see_without_pod("daemonset", "app-primary")
    assert image(rollouts, "app-primary") == "3.1.1"
    assert ("Normal", "Routing all traffic to canary") in rollouts.events("app")
    assert_no_request_lost(reports[0])


def test_a_daemonset_that_was_changed_during_the_promotion_is_promoted_from_its_controller_revision(
    rollouts: Rollouts,
) -> None:
    def slow(tag: str) -> dict[str, Any]:
        """Its pods count as available so late that the promotion takes a while."""
        made = daemonset(tag)
        return made | {"spec": made["spec"] | {"minReadySeconds": 4}}

    rollouts.apply(slow("3.1.0"), of_daemonset({"maxWeight": 25}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.apply(slow("3.1.1"))
    rollouts.wait_for_phase("app", "Promoting")
    rollouts.apply(slow("3.1.2"))
    rollouts.wait_for("its own run", lambda: image(rollouts, "app-primary") == "3.1.2", deadline_s=90)
    rollouts.wait_for_phase("app", "Succeeded")
    rollouts.wait_until_told_times("app", f"Promotion completed! Scaling down app.{rollouts.namespace}", 2)


def test_a_daemonset_is_rolled_back(rollouts: Rollouts) -> None:
    rollouts.apply(daemonset(), of_daemonset({"threshold": 1, "metrics": [FAILING]}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.apply(daemonset("3.1.1"))
    rollouts.wait_for_phase("app", "Failed")
    rollouts.wait_for("it is at zero", lambda: ZERO in pod_spec(rollouts, "app")["nodeSelector"])
    before = rollouts.get("daemonset", "app-primary")["metadata"]["uid"]
    assert image(rollouts, "app-primary") == "3.1.0"
    # The target has another template by now: only its ControllerRevisions have the one that was promoted.
    rollouts.cluster.kubectl("-n", rollouts.namespace, "delete", "daemonset", "app-primary")
    rollouts.wait_for("another primary", lambda: "app-primary" in names_of_daemonsets(rollouts))
    assert rollouts.get("daemonset", "app-primary")["metadata"]["uid"] != before
    assert image(rollouts, "app-primary") == "3.1.0"


@pytest.mark.long
def test_a_daemonset_that_is_not_rolled_is_named(rollouts: Rollouts) -> None:
    rollouts.apply(daemonset(strategy="OnDelete"), of_daemonset())
    told = "DaemonSet {}/app spec.updateStrategy.type: found 'OnDelete'; allowed: RollingUpdate"
    rollouts.wait_for(
        "it is told",
        lambda: any(told.format(rollouts.namespace) in text for _, text in rollouts.events("app")),
    )
    assert not rollouts.get("daemonset", "app-primary")
