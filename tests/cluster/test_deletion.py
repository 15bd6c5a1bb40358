"""A Canary is deleted: reverted without a lost request where it says so, and never left hanging."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.load import answer, assert_no_request_lost, initialize, serving_tag, steady_load
from tests.support.rollout import Rollouts, canary

FINALIZER = "finalizer.flagger.app"
# A deletion waits for all of its drain.
BRIEF = {"drainSeconds": 5}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def delete(rollouts: Rollouts) -> None:
    rollouts.cluster.kubectl("-n", rollouts.namespace, "delete", "canary", "app", "--timeout=90s")


def host(rollouts: Rollouts) -> str:
    """Return the name of a pod that answers through the gateway."""
    return str(answer(rollouts.cluster, rollouts.namespace).get("hostname", ""))


def terminated(rollouts: Rollouts) -> str:
    return f"Terminated canary app.{rollouts.namespace}"


def test_a_reverted_target_takes_the_traffic_back_and_a_new_canary_takes_it_again(rollouts: Rollouts) -> None:
    initialize(rollouts, BRIEF, replicas=2, revertOnDeletion=True)
    assert FINALIZER in rollouts.get("canary", "app")["metadata"]["finalizers"]
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        delete(rollouts)
        rollouts.wait_for_collection(("deployment", "app-primary"))
        assert "-primary-" not in host(rollouts)
        target = rollouts.get("deployment", "app")
        assert (target["spec"]["replicas"], target["status"]["availableReplicas"]) == (2, 2)
        for kind, name in (("service", "app"), ("routetable", "app"), ("service", "app-canary")):
            assert "ownerReferences" not in rollouts.get(kind, name)["metadata"]
        assert rollouts.get("service", "app")["spec"]["selector"] == {"app": "app"}
        rollouts.apply(canary("app"))
        rollouts.wait_for_phase("app", "Initialized")
        rollouts.wait_for("its primary serves", lambda: host(rollouts).startswith("app-primary-"))
    assert_no_request_lost(reports[0])
    told = [text for _, text in rollouts.events("app")]
    assert told.index("Routing all traffic to app." + rollouts.namespace) < told.index(terminated(rollouts))


def test_a_run_under_way_is_reverted_to_the_target(rollouts: Rollouts) -> None:
    initialize(rollouts, BRIEF | {"interval": "5s"}, replicas=2, revertOnDeletion=True)
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
        delete(rollouts)
        rollouts.wait_for_collection(("deployment", "app-primary"))
        assert serving_tag(rollouts.cluster, rollouts.namespace) == "3.1.1"
    assert_no_request_lost(reports[0])


def test_without_revert_everything_generated_is_collected_and_the_target_is_left_alone(rollouts: Rollouts) -> None:
    initialize(rollouts, replicas=2)
    assert "finalizers" not in rollouts.get("canary", "app")["metadata"]
    delete(rollouts)
    generated = (("deployment", "app-primary"), ("service", "app"), ("routetable", "app"))
    rollouts.wait_for_collection(*generated)
    assert rollouts.get("deployment", "app")["spec"]["replicas"] == 0


def test_a_service_that_a_user_made_leads_to_the_target_again(rollouts: Rollouts) -> None:
    own: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "app"},
        "spec": {"selector": {"app": "app"}, "ports": [{"name": "http", "port": 9898, "targetPort": 9898}]},
    }
    rollouts.apply(own)
    initialize(rollouts, BRIEF, replicas=2, revertOnDeletion=True)
    assert rollouts.get("service", "app")["spec"]["selector"] == {"app": "app-primary"}
    delete(rollouts)
    service = rollouts.get("service", "app")
    assert service["spec"]["selector"] == {"app": "app"}
    assert "kustomize.toolkit.fluxcd.io/reconcile" not in service["metadata"]["annotations"]


@pytest.mark.parametrize("broken", ["target", "spec", "phase"])
def test_nothing_hangs(rollouts: Rollouts, broken: str) -> None:
    kubectl, namespace = rollouts.cluster.kubectl, rollouts.namespace
    if broken == "phase":
        rollouts.apply(canary("app", revertOnDeletion=True))
        rollouts.wait_for("the finalizer", lambda: "finalizers" in rollouts.get("canary", "app")["metadata"])
    else:
        initialize(rollouts, BRIEF, replicas=2, revertOnDeletion=True)
    if broken == "target":
        kubectl("-n", namespace, "delete", "deployment", "app")
    if broken == "spec":
        unknown = {"name": "nonsense", "thresholdRange": {"min": 99}}
        rollouts.apply_unseen(canary("app", {"metrics": [unknown]}, revertOnDeletion=True))
        rollouts.wait_for("it is seen", lambda: rollouts.condition("app", "Ready").get("reason") == "InvalidSpec")
    delete(rollouts)
    if broken == "target":
        text = f"app.{namespace} is gone: there is nothing that could take the traffic back"
        rollouts.wait_until_told("app", text, kind="Warning")
