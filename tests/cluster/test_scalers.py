"""Autoscalers: the primary's is a copy that follows the target's; KEDA's is paused while the target is at zero."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, hpa, podinfo

# The CRD is there for the tests of this file alone, so one process runs them.
pytestmark = [pytest.mark.xdist_group("scalers")]

KEDA_CRD = REPOSITORY / "sandbox" / "keda" / "crd-scaledobjects.yaml"
PAUSED = "autoscaling.keda.sh/paused"
PAUSE = "autoscaling.keda.sh/paused-replicas"

# The agent looks for a CRD that was missing twice a minute.
SERVED_WITHIN_S = 60.0


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture(scope="module")
def keda(cluster: Cluster) -> Iterator[None]:
    """A cluster that knows ScaledObjects; without the CRD again after the tests, for the agent must live with both."""
    cluster.kubectl("apply", "-f", str(KEDA_CRD))
    cluster.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
    yield
    cluster.kubectl("delete", "-f", str(KEDA_CRD))


def scaler(kind: str, **more: Any) -> dict[str, Any]:
    version = {"HorizontalPodAutoscaler": "autoscaling/v2beta2", "ScaledObject": "keda.sh/v1alpha1"}[kind]
    return {"autoscalerRef": {"apiVersion": version, "kind": kind, "name": "app"} | more}


def scaled_object(query: str = 'sum(up{app="app"})') -> dict[str, Any]:
    trigger = {"name": "load", "type": "prometheus", "metadata": {"serverAddress": "http://p", "query": query}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "app"},
        "spec": {"scaleTargetRef": {"name": "app"}, "minReplicaCount": 2, "maxReplicaCount": 4, "triggers": [trigger]},
    }


def pause(rollouts: Rollouts, name: str = "app") -> str | None:
    annotations = rollouts.get("scaledobject", name)["metadata"].get("annotations") or {}
    found: str | None = annotations.get(PAUSE)
    return found


def spec(rollouts: Rollouts, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rollouts.get(kind, name).get("spec", {})
    return found


def test_the_primarys_hpa_follows_the_targets_behaviour_metrics_and_bounds(rollouts: Rollouts) -> None:
    target = hpa("app")
    per_container = {
        "name": "cpu",
        "container": "podinfod",
        "target": {"type": "Utilization", "averageUtilization": 50},
    }
    target["spec"] |= {
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        "metrics": [{"type": "ContainerResource", "containerResource": per_container}],
    }
    bounds = {"primaryScalerReplicas": {"minReplicas": 2, "maxReplicas": 3}}
    rollouts.apply(podinfo("app"), target, canary("app", **scaler("HorizontalPodAutoscaler", **bounds)))
    rollouts.wait_for_phase("app", "Initialized")
    copy = spec(rollouts, "hpa", "app-primary")
    assert copy["scaleTargetRef"]["name"] == "app-primary"
    assert (copy["minReplicas"], copy["maxReplicas"]) == (2, 3)
    assert copy["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60
    assert copy["metrics"] == spec(rollouts, "hpa", "app")["metrics"]
    rollouts.wait_for(
        "the HPA scales the primary", lambda: spec(rollouts, "deployment", "app-primary")["replicas"] == 2
    )

    target["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 30}}
    rollouts.apply(target)
    rollouts.wait_for(
        "the edit is followed",
        lambda: spec(rollouts, "hpa", "app-primary")["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 30,
    )
    assert spec(rollouts, "hpa", "app")["minReplicas"] == 1, "the target's own is left alone"


@pytest.mark.usefixtures("keda")
def test_a_run_with_a_scaled_object_pauses_it_between_runs_only(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), scaled_object(), virtual_service(rollouts.namespace))
    rollouts.apply(
        canary(
            "app",
            {"interval": "10s", "maxWeight": 25, "drainSeconds": 10},
            **scaler("ScaledObject", primaryScalerReplicas={"minReplicas": 1}),
        )
    )
    rollouts.wait_for_phase("app", "Initialized", deadline_s=60 + SERVED_WITHIN_S)
    assert pause(rollouts) == "0"
    primary = rollouts.get("scaledobject", "app-primary")
    assert PAUSE not in (primary["metadata"].get("annotations") or {})
    assert primary["spec"]["scaleTargetRef"] == {"name": "app-primary"}
    assert primary["spec"]["triggers"][0]["metadata"]["query"] == 'sum(up{app="app-primary"})'
    assert (primary["spec"]["minReplicaCount"], primary["spec"]["maxReplicaCount"]) == (1, 4)

    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight") == 25)
        assert pause(rollouts) is None
        assert spec(rollouts, "deployment", "app")["replicas"] == 2, "minReplicaCount"
        rollouts.apply(scaled_object("vector(1)"))
        rollouts.wait_for_phase("app", "Succeeded")
    assert pause(rollouts) == "0"
    assert spec(rollouts, "deployment", "app")["replicas"] == 0
    query = spec(rollouts, "scaledobject", "app-primary")["triggers"][0]["metadata"]["query"]
    assert query == "vector(1)", "an edit is followed"
    assert_no_request_lost(reports[0])


@pytest.mark.usefixtures("keda")
def test_a_scaled_object_that_is_not_paused_at_zero_is_paused_again_and_the_primarys_never(rollouts: Rollouts) -> None:
    theirs = scaled_object()
    theirs["metadata"]["annotations"] = {PAUSED: "true", "team": "a"}
    given = scaler("ScaledObject", primaryScalerQueries={"load": "vector(3)"})
    rollouts.apply(podinfo("app"), theirs, canary("app", **given))
    rollouts.wait_for_phase("app", "Initialized", deadline_s=60 + SERVED_WITHIN_S)
    primary = rollouts.get("scaledobject", "app-primary")
    assert primary["spec"]["triggers"][0]["metadata"]["query"] == "vector(3)"
    paused = [key for key in primary["metadata"]["annotations"] if key.startswith(PAUSED)]
    assert (primary["metadata"]["annotations"]["team"], paused) == ("a", [])
    assert rollouts.get("scaledobject", "app")["metadata"]["annotations"][PAUSED] == "true"
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "scaledobject", "app", f"{PAUSE}-")
    rollouts.wait_for("it is paused", lambda: pause(rollouts) == "0")


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_a_scaler_that_does_not_exist_is_named_and_picked_up_when_it_comes(
    rollouts: Rollouts, keda: None, kind: str
) -> None:
    rollouts.apply(podinfo("app"), canary("app", **scaler(kind)))
    rollouts.wait_for("it is named", lambda: rollouts.condition("app", "Ready").get("reason") == "ScalerNotFound")
    message = rollouts.condition("app", "Ready")["message"]
    assert message == (
        f"Canary {rollouts.namespace}/app spec.autoscalerRef.name: found 'app'; allowed: the name of a {kind} "
        f"in namespace {rollouts.namespace}, and there is none of this name"
    )
    rollouts.apply(hpa("app") if kind == "HorizontalPodAutoscaler" else scaled_object())
    rollouts.wait_for_phase("app", "Initialized", deadline_s=60 + SERVED_WITHIN_S)
    short = "hpa" if kind == "HorizontalPodAutoscaler" else "scaledobject"
    assert rollouts.get(short, "app-primary")
    rollouts.apply(canary("app"))
    rollouts.wait_for("the primary's goes when it is named no more", lambda: not rollouts.get(short, "app-primary"))


def test_another_kind_of_scaler_is_refused(rollouts: Rollouts) -> None:
    made = canary("app")
    made["spec"]["autoscalerRef"] = {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "name": "app",
    }
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [podinfo("app"), made]})
    applied = rollouts.cluster.try_kubectl("-n", rollouts.namespace, "apply", "-f", "-", stdin=listed)
    if applied.returncode == 0:
        rollouts.wait_for("it is told", lambda: rollouts.condition("app", "Ready").get("status") == "False")
        told = rollouts.condition("app", "Ready")["message"]
    else:
        told = applied.stderr
    assert "VerticalPodAutoscaler" in told
    assert "HorizontalPodAutoscaler" in told
