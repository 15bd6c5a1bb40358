"""ConfigMaps and Secrets belong to the revision: a change is analysed, and reaches the primary by promotion alone."""

import json
from base64 import b64encode
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo

ONE_LONG_STEP = {"interval": "10s", "maxWeight": 25}
FAILING = {"name": "zero", "query": "vector(0)", "thresholdRange": {"min": 1}, "interval": "10s"}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def conf(message: str, **annotations: str) -> dict[str, Any]:
    """The greeting of podinfo."""
    metadata = {"name": "conf", "annotations": annotations, "labels": {"team": "a"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"message": message}}


def configured_podinfo() -> dict[str, Any]:
    """podinfo that greets as `conf` says and mounts the Secret `keys`; it could do without the ConfigMap `extra`."""
    target = podinfo("app", replicas=2)
    spec = target["spec"]["template"]["spec"]
    reference = {"configMapKeyRef": {"name": "conf", "key": "message"}}
    spec["containers"][0] |= {
        "env": [{"name": "PODINFO_UI_MESSAGE", "valueFrom": reference}],
        "envFrom": [{"configMapRef": {"name": "extra", "optional": True}}],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
    }
    spec["volumes"] = [{"name": "keys", "projected": {"sources": [{"secret": {"name": "keys"}}]}}]
    return target


def tls(content: str) -> dict[str, Any]:
    data = {"tls.crt": b64encode(content.encode()).decode(), "tls.key": ""}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def bootstrap(rollouts: Rollouts, analysis: dict[str, Any] | None = None) -> None:
    rollouts.apply(conf("one"), tls("one"))
    rollouts.apply(configured_podinfo(), virtual_service(rollouts.namespace), canary("app", analysis))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: greeting(rollouts) == "one")


def greeting(rollouts: Rollouts, service: str = "") -> str:
    url = {"url": f"http://{service}.{rollouts.namespace}:9898/"} if service else {}
    return str(answer(rollouts.cluster, rollouts.namespace, **url).get("message", ""))


def content(rollouts: Rollouts, kind: str, name: str) -> Any:
    return rollouts.get(kind, name).get("data")


def test_a_changed_configmap_is_analysed_before_the_primary_gets_it(rollouts: Rollouts) -> None:
    bootstrap(rollouts, ONE_LONG_STEP)
    assert set(rollouts.status("app")["trackedConfigs"]) == {"configmap/conf", "secret/keys"}
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.apply(conf("two"))
        rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight") == 25)
        rollouts.wait_for("its pods have it", lambda: greeting(rollouts, "app-canary") == "two")
        assert greeting(rollouts, "app-primary") == "one"
        assert content(rollouts, "configmap", "conf-primary") == {"message": "one"}
        rollouts.wait_for_phase("app", "Succeeded")
    assert greeting(rollouts) == "two"
    assert_no_request_lost(reports[0])


def test_copies_belong_to_the_canary_and_are_what_the_primary_refers_to(rollouts: Rollouts) -> None:
    bootstrap(rollouts)
    for kind, name, data in (("configmap", "conf", {"message": "one"}), ("secret", "keys", tls("one")["data"])):
        copy = rollouts.get(kind, f"{name}-primary")
        assert copy["data"] == data
        assert "labels" not in copy["metadata"]
        assert [owner["kind"] for owner in copy["metadata"]["ownerReferences"]] == ["Canary"]
    assert rollouts.get("secret", "keys-primary")["type"] == "kubernetes.io/tls"
    template = json.dumps(rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"])
    assert all(f'"name": "{name}-primary"' in template for name in ("conf", "keys", "extra"))
    rollouts.cluster.kubectl(*here(rollouts), "delete", "configmap/conf-primary", "secret/keys-primary")
    rollouts.wait_for("it is made again", lambda: content(rollouts, "secret", "keys-primary") == tls("one")["data"])
    rollouts.wait_for("that too", lambda: content(rollouts, "configmap", "conf-primary") == {"message": "one"})


def test_a_copy_goes_when_the_primary_uses_another_one(rollouts: Rollouts) -> None:
    """As with the hashed names that kustomize generates."""
    bootstrap(rollouts)
    target, newer, keys = configured_podinfo(), conf("two"), tls("two")
    newer["metadata"]["name"], keys["metadata"]["name"] = "conf-7hk2", "keys-7hk2"
    spec = target["spec"]["template"]["spec"]
    spec["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["name"] = "conf-7hk2"
    spec["volumes"][0]["projected"]["sources"][0]["secret"]["name"] = "keys-7hk2"
    rollouts.apply(newer, keys, target)
    rollouts.wait_for_phase("app", "Succeeded")
    rollouts.wait_for("the old copy is gone", lambda: not rollouts.get("configmap", "conf-primary"))
    rollouts.wait_for("that of the Secret too", lambda: not rollouts.get("secret", "keys-primary"))
    assert content(rollouts, "configmap", "conf-7hk2-primary") == {"message": "two"}
    assert content(rollouts, "configmap", "conf") == {"message": "one"}, "that one is the user's"


def test_a_rolled_back_configuration_never_reaches_the_primary(rollouts: Rollouts) -> None:
    bootstrap(rollouts, {"threshold": 1, "metrics": [FAILING]})
    rollouts.apply(tls("two"))
    rollouts.wait_for_phase("app", "Failed")
    assert content(rollouts, "secret", "keys-primary") == tls("one")["data"]
    rollouts.cluster.kubectl("-n", rollouts.namespace, "delete", "deployment", "app-primary")
    rollouts.wait_for("the primary is back", lambda: greeting(rollouts, "app-primary") == "one")
    assert content(rollouts, "secret", "keys-primary") == tls("one")["data"], "it was made again from what was promoted"


def test_a_newer_configuration_in_mid_run_starts_the_analysis_again(rollouts: Rollouts) -> None:
    bootstrap(rollouts, ONE_LONG_STEP)
    rollouts.apply(conf("two"))
    rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight") == 25)
    rollouts.apply(conf("three"), tls("two"))
    restarted = f"New revision detected! Restarting analysis for app.{rollouts.namespace}"
    rollouts.wait_for("the restart", lambda: restarted in [text for _, text in rollouts.events("app")])
    # Env is read when a container starts: without new pods the analysis would be about what nobody will run.
    rollouts.wait_for("traffic again", lambda: rollouts.status("app").get("canaryWeight") == 25)
    rollouts.wait_for("its pods have it", lambda: greeting(rollouts, "app-canary") == "three")
    rollouts.wait_for_phase("app", "Succeeded")
    assert content(rollouts, "configmap", "conf-primary") == {"message": "three"}
    assert content(rollouts, "secret", "keys-primary") == tls("two")["data"]


@pytest.mark.long
def test_going_back_to_the_promoted_configuration_ends_the_run(rollouts: Rollouts) -> None:
    bootstrap(rollouts, ONE_LONG_STEP)
    promoted = rollouts.status("app")["lastPromotedSpec"]
    rollouts.apply(conf("two"))
    rollouts.wait_for("the canary has traffic", lambda: rollouts.status("app").get("canaryWeight") == 25)
    rollouts.apply(conf("one"))
    rollouts.wait_for_phase("app", "Succeeded")
    assert rollouts.status("app")["lastPromotedSpec"] == promoted
    assert greeting(rollouts) == "one"


def test_an_optional_configmap_that_appears_is_a_change(rollouts: Rollouts) -> None:
    bootstrap(rollouts)
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"EXTRA": "1"}}
    rollouts.apply(extra)
    rollouts.wait_for_phase("app", "Succeeded")
    assert content(rollouts, "configmap", "extra-primary") == {"EXTRA": "1"}


@pytest.mark.long
@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(
            lambda rollouts: rollouts.cluster.kubectl(*here(rollouts), "delete", "configmap", "conf"), id="gone"
        ),
        pytest.param(
            lambda rollouts: rollouts.cluster.kubectl(*here(rollouts), "label", "configmap", "conf", "a=b"), id="label"
        ),
    ],
)
def test_what_changes_no_content_starts_no_run(rollouts: Rollouts, harmless: Any) -> None:
    bootstrap(rollouts)
    before = rollouts.status("app")
    harmless(rollouts)
    # A change that counts shows that the one before it did not: there is one run in all.
    rollouts.apply(tls("two"), conf("one"))
    rollouts.wait_for_phase("app", "Succeeded")
    started = [text for _, text in rollouts.events("app") if text.startswith("New revision detected!")]
    assert len(started) == 1
    after = rollouts.status("app")["trackedConfigs"]
    assert after["configmap/conf"] == before["trackedConfigs"]["configmap/conf"]


def here(rollouts: Rollouts) -> tuple[str, str]:
    return "-n", rollouts.namespace


def test_untracked_configuration_is_shared_by_both_sides(rollouts: Rollouts) -> None:
    rollouts.apply(conf("one", **{"flagger.app/config-tracking": "disabled"}), tls("one"))
    rollouts.apply(configured_podinfo(), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    assert set(rollouts.status("app")["trackedConfigs"]) == {"secret/keys"}
    assert not rollouts.get("configmap", "conf-primary")
    rollouts.wait_for("its primary serves", lambda: greeting(rollouts, "app-primary") == "one")


def test_a_target_may_be_left_out_of_tracking_as_a_whole(rollouts: Rollouts) -> None:
    target = configured_podinfo()
    target["metadata"]["annotations"] = {"flagger.app/config-tracking": "disabled"}
    rollouts.apply(conf("one"), tls("one"), target, canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    assert not rollouts.status("app").get("trackedConfigs")
    assert not rollouts.get("secret", "keys-primary")


def test_a_primary_is_made_when_all_that_its_pods_need_exists(rollouts: Rollouts) -> None:
    rollouts.apply(tls("one"), configured_podinfo(), canary("app"))
    rollouts.wait_until_told("app", "found a reference to configmap/conf")
    assert not rollouts.get("deployment", "app-primary")
    rollouts.apply(conf("one"))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("its primary serves", lambda: greeting(rollouts, "app-primary") == "one")


def test_somebody_elses_object_is_not_overwritten_by_a_copy(rollouts: Rollouts) -> None:
    foreign = conf("mine")
    foreign["metadata"]["name"] = "conf-primary"
    rollouts.apply(foreign, conf("one"), tls("one"), configured_podinfo(), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    assert content(rollouts, "configmap", "conf-primary") == {"message": "mine"}
    rollouts.wait_for("its primary serves", lambda: greeting(rollouts, "app-primary") == "one")
