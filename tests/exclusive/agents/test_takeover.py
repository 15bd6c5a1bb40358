"""A cluster is taken over from Flagger: its Lease is respected, and each canary goes on from where it was left."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.exposure import exposure
from tests.support.flaggers import flagger_at_work, flaggers_objects, renew_lease, write_flaggers_status
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def flaggers(
    rollouts: Rollouts, phase: str, *, primary: str = "3.1.0", weight: int = 0, replicas: int = 0, **route: Any
) -> None:
    """Make a canary as Flagger leaves it in a phase, with a primary that runs that tag. Flagger must be at work."""
    target = podinfo("app", replicas=replicas)
    analysis = {"match": [{"headers": {"x-user": {"exact": "a"}}}], "iterations": 2} if route else {}
    removed = {"stepWeight": None, "maxWeight": None} if route else {}
    rollouts.apply(target, canary("app", analysis | removed), virtual_service(rollouts.namespace))
    rollouts.wait_for("it stands still", lambda: rollouts.condition("app", "Ready").get("reason") == "FlaggerRunning")
    assert not rollouts.get("deployment", "app-primary"), "two controllers are at work"
    made = flaggers_objects(rollouts.get("canary", "app"), tag=primary, weight=weight, **route)
    rollouts.apply(*made)
    for name in ["app-primary", *(["app"] if replicas else [])]:
        rollouts.cluster.kubectl("-n", rollouts.namespace, "rollout", "status", f"deployment/{name}", "--timeout=60s")
    write_flaggers_status(rollouts, phase, weight)
    if not route:
        rollouts.wait_for("the gateway serves both sides", lambda: all(answers(rollouts, 20 if weight else 1)))


def answers(rollouts: Rollouts, count: int) -> Iterator[dict[str, Any]]:
    return (answer(rollouts.cluster, rollouts.namespace) for _ in range(count))


def image(rollouts: Rollouts, name: str) -> str:
    containers = rollouts.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"]).partition(":")[2]


def is_ours(rollouts: Rollouts) -> bool:
    return bool(rollouts.status("app").get("serin", {}).get("finishedRevision"))


def weights(rollouts: Rollouts) -> list[int]:
    routes = rollouts.get("routetable", "app")["spec"]["routes"]
    return [destination.get("weight", 0) for destination in routes[-1]["routeAction"]["multi"]["destinations"]]


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded"])
def test_the_same_template_is_the_baseline_and_the_next_image_runs(rollouts: Rollouts, phase: str) -> None:
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, phase)
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.wait_for("it is ours", lambda: is_ours(rollouts))
        assert rollouts.status("app")["phase"] == phase
        rollouts.wait_for("it is valid", lambda: rollouts.condition("app", "Ready")["status"] == "True")
        rollouts.roll_out("app", "3.1.1")
    assert image(rollouts, "app-primary") == "3.1.1"
    assert_no_request_lost(reports[0])


def test_another_template_is_told_and_runs_on_request(rollouts: Rollouts) -> None:
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, "Succeeded", primary="3.0.0")
    rollouts.wait_for("it is ours", lambda: is_ours(rollouts))
    rollouts.wait_for("it is told", lambda: any("runs another template" in text for _, text in rollouts.events("app")))
    assert (rollouts.status("app")["phase"], image(rollouts, "app-primary")) == ("Succeeded", "3.0.0")
    request = f"serin.dev/request=retry@{rollouts.status('app')['lastAppliedSpec']}"
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "canary", "app", request)
    rollouts.wait_for("it is rolled out", lambda: image(rollouts, "app-primary") == "3.1.0", deadline_s=90)
    rollouts.wait_for_phase("app", "Succeeded")


def test_a_run_under_way_loses_its_traffic_and_has_failed(rollouts: Rollouts) -> None:
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, "Progressing", primary="3.0.0", weight=30, replicas=1)
        assert weights(rollouts) == [70, 30], "the traffic moved while Flagger was at work"
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.wait_for_phase("app", "Failed")
        rollouts.wait_for("its traffic is gone", lambda: weights(rollouts) == [100, 0])
        rollouts.wait_for("it is at zero", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert image(rollouts, "app-primary") == "3.0.0"
    assert any("taken over from Flagger in mid-run" in text for _, text in rollouts.events("app"))
    assert_no_request_lost(reports[0])


def test_a_promotion_is_finished(rollouts: Rollouts) -> None:
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, "Promoting", primary="3.0.0", weight=50, replicas=1)
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert (image(rollouts, "app-primary"), weights(rollouts)) == ("3.1.0", [100, 0])
    assert rollouts.get("deployment", "app")["spec"]["replicas"] == 0
    assert_no_request_lost(reports[0])


def test_flaggers_merged_matcher_gets_a_default_route_behind_it(rollouts: Rollouts) -> None:
    matcher = {"headers": [{"name": "x-user", "value": "a"}]}
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, "Initialized", matchers=[matcher])
        assert answer(rollouts.cluster, rollouts.namespace) == {}, "everyone else gets 404 from Flagger's table"
    rollouts.wait_for("it is ours", lambda: is_ours(rollouts))
    rollouts.wait_for("everyone is served", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))


def test_a_lease_that_is_not_renewed_ends_by_itself(rollouts: Rollouts) -> None:
    with flagger_at_work(rollouts.cluster):
        flaggers(rollouts, "Initialized")
        last_renewal_s = renew_lease(rollouts, duration_s=3)
        rollouts.wait_for("the Lease has ended", lambda: is_ours(rollouts))
        assert time.time() >= last_renewal_s + 3, "it was taken over while Flagger may be at work"
        rollouts.wait_for("it is valid", lambda: rollouts.condition("app", "Ready")["status"] == "True")


def test_a_run_of_ours_is_pulled_and_stands_still_while_a_flagger_is_at_work(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", {"interval": "2s", "stepWeight": 5}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
    with flagger_at_work(rollouts.cluster):
        rollouts.wait_for("it stands", lambda: rollouts.condition("app", "Ready")["reason"] == "FlaggerRunning")
        assert "held by 'flagger-1'" in rollouts.condition("app", "Ready")["message"]
        rollouts.wait_for("nobody is on it", lambda: exposure(rollouts.get("routetable", "app")) == "0")
        rollouts.see_stay(lambda: rollouts.status("app"), rollouts.status("app"), for_s=5)  # two steps would be due
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)


def test_a_flagger_without_a_lease_is_seen_by_its_pods(rollouts: Rollouts) -> None:
    flagger = podinfo("flagger")
    flagger["spec"]["template"]["spec"]["containers"] = [{"name": "flagger", "image": "fluxcd/flagger:1.44.0"}]
    system = Rollouts(rollouts.cluster, "gloo-system")
    system.apply(flagger)
    is_up = lambda: system.get("deployment", "flagger").get("status", {}).get("availableReplicas") == 1  # noqa: E731
    try:
        rollouts.wait_for("it runs", is_up)
        rollouts.apply(podinfo("app"), canary("app"))
        is_still = lambda: rollouts.condition("app", "Ready").get("reason") == "FlaggerRunning"  # noqa: E731
        rollouts.wait_for("it stands still", is_still)
        message = rollouts.condition("app", "Ready")["message"]
        assert message.startswith("Pod gloo-system/flagger-")
        assert not rollouts.get("deployment", "app-primary")
        rollouts.cluster.kubectl("-n", "gloo-system", "scale", "deployment/flagger", "--replicas=0")
        rollouts.wait_for_phase("app", "Initialized")
    finally:
        rollouts.cluster.kubectl("-n", "gloo-system", "delete", "deployment/flagger")


STATUS_SCHEMA = "/spec/versions/0/schema/openAPIV3Schema/properties/status"


@contextmanager
def crd_that_prunes(cluster: Cluster) -> Iterator[None]:
    """Give the CRD a schema of the status that knows no more than Flagger's does."""
    crd = json.loads(cluster.kubectl("get", "crd", "canaries.flagger.app", "-o", "json"))
    ours = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    theirs = {key: value for key, value in ours.items() if key != "x-kubernetes-preserve-unknown-fields"}
    theirs["properties"] = {key: value for key, value in ours["properties"].items() if key != "serin"}

    def put(schema: dict[str, Any]) -> None:
        patch = json.dumps([{"op": "replace", "path": STATUS_SCHEMA, "value": schema}])
        cluster.kubectl("patch", "crd", "canaries.flagger.app", "--type=json", "-p", patch)

    put(theirs)
    try:
        yield
    finally:
        put(ours)


def test_flaggers_crd_applied_again_in_mid_run_pulls_the_traffic_and_is_told(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", {"interval": "5s"}), virtual_service(rollouts.namespace))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("the canary has traffic", lambda: weights(rollouts)[1] > 0)
        with crd_that_prunes(rollouts.cluster):
            rollouts.wait_for("the traffic is pulled", lambda: weights(rollouts) == [100, 0])
            rollouts.wait_for(
                "it is told", lambda: rollouts.condition("app", "Ready").get("reason") == "StatusNotStored"
            )
            message = rollouts.condition("app", "Ready")["message"]
            assert message.startswith(f"Canary {rollouts.namespace}/app: status.")
            assert "status.serin: found another value after it was written, or none" in message
            rollouts.wait_until_told("app", message, kind="Warning")
            assert rollouts.status("app")["phase"] == "Failed"
        rollouts.wait_for(
            "it goes on", lambda: rollouts.condition("app", "Ready")["status"] == "True", deadline_s=90 + 30
        )
    assert_no_request_lost(reports[0])
