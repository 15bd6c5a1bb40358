"""A canary with an autoscaler and a tracked ConfigMap is taken over from Flagger in the phases that are rarely met."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.flaggers import (
    configured,
    flagger_at_work,
    flaggers_copies,
    flaggers_objects,
    write_flaggers_status,
)
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, hpa, podinfo

SCALER = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "app"}
CONF = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"PODINFO_UI_MESSAGE": "hello"}}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def left_by_flagger(rollouts: Rollouts, phase: str, *, primary: str, weight: int = 0, replicas: int = 1) -> None:
    """Make a canary as Flagger leaves it in a phase, its target on 3.1.0. Flagger must be at work."""
    target = configured(podinfo("app", replicas=replicas), "conf")
    rollouts.apply(CONF, target, hpa("app"), virtual_service(rollouts.namespace), canary("app", autoscalerRef=SCALER))
    rollouts.wait_for("it stands still", lambda: rollouts.condition("app", "Ready").get("reason") == "FlaggerRunning")
    obj = rollouts.get("canary", "app")
    of_primary, *others = flaggers_objects(obj, tag=primary, weight=weight)
    rollouts.apply(configured(of_primary, "conf-primary"), *others, *flaggers_copies(obj, CONF, hpa("app")))
    for name in ["app-primary", *(["app"] if replicas else [])]:
        rollouts.cluster.kubectl("-n", rollouts.namespace, "rollout", "status", f"deployment/{name}", "--timeout=60s")
    write_flaggers_status(rollouts, phase, weight, trackedConfigs={"configmap/conf": "0123456789"})
    seen: set[bool] = set()
    routed = {True, False} if weight else {True}

    def is_served() -> bool:
        if host := answer(rollouts.cluster, rollouts.namespace).get("hostname", ""):
            seen.add("-primary-" in host)
        return seen >= routed

    rollouts.wait_for("the gateway knows the pods of every side that it routes to", is_served)


def weights(rollouts: Rollouts) -> list[int]:
    (route,) = rollouts.get("routetable", "app")["spec"]["routes"]
    return [destination.get("weight", 0) for destination in route["routeAction"]["multi"]["destinations"]]


def image(rollouts: Rollouts, name: str) -> str:
    containers = rollouts.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"]).partition(":")[2]


def uids(rollouts: Rollouts) -> list[Any]:
    kinds = ("deployment", "app-primary"), ("hpa", "app-primary"), ("configmap", "conf-primary"), ("service", "app")
    return [rollouts.get(kind, name)["metadata"]["uid"] for kind, name in kinds]


@pytest.mark.parametrize(
    ("phase", "primary", "weight", "replicas", "end"),
    [
        pytest.param("Initializing", "3.1.0", 0, 1, "Initialized", marks=pytest.mark.long),
        pytest.param("Waiting", "3.0.0", 0, 0, "Failed", marks=pytest.mark.long),
        ("WaitingPromotion", "3.0.0", 50, 1, "Failed"),
        ("Finalising", "3.1.0", 0, 1, "Succeeded"),
        pytest.param("Failed", "3.0.0", 0, 1, "Failed", marks=pytest.mark.long),
    ],
)
def test_it_goes_on_from_where_it_was_left_and_the_next_image_runs(
    rollouts: Rollouts, phase: str, primary: str, weight: int, replicas: int, end: str
) -> None:
    with flagger_at_work(rollouts.cluster):
        left_by_flagger(rollouts, phase, primary=primary, weight=weight, replicas=replicas)
        made = uids(rollouts)
        assert (rollouts.status("app")["phase"], weights(rollouts)) == (phase, [100 - weight, weight])
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.wait_for("it is ours", lambda: bool(rollouts.status("app").get("serin", {}).get("finishedRevision")))
        rollouts.wait_for_phase("app", end)
        rollouts.wait_for("at zero", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
        assert weights(rollouts) == [100, 0]
        assert image(rollouts, "app-primary") == primary
        assert rollouts.status("app")["phase"] == end
        rollouts.roll_out("app", "3.1.1")
    assert_no_request_lost(reports[0])
    assert image(rollouts, "app-primary") == "3.1.1"
    assert uids(rollouts) == made
