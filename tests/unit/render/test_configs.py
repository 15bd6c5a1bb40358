"""Tracked ConfigMaps and Secrets: what is kept of one, and the copy of it."""

from copy import deepcopy
from typing import Any

import pytest

from render.config_refs import ConfigRef, config_refs
from render.configs import config_copy, content_of, copy_patch, is_copy, is_tracking_disabled, summary
from render.ownership import owner_reference
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, stored

Json = dict[str, Any]


def config_map(**fields: Any) -> Json:
    metadata = {"name": "conf", "namespace": "test", "resourceVersion": "5", "uid": "u-1"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}} | fields


def secret(**fields: Any) -> Json:
    return config_map(kind="Secret", type="Opaque", data={"a": "MQ=="}) | fields


@pytest.mark.parametrize("same", [{"binaryData": None}, {"binaryData": {}}, {"immutable": True}])
def test_content_is_what_pods_can_read(same: Json) -> None:
    assert content_of(config_map(**same)) == content_of(config_map())


@pytest.mark.parametrize("other", [{"data": {"a": "2"}}, {"data": {}}, {"binaryData": {"b": "AA=="}}])
def test_other_content_has_another_hash(other: Json) -> None:
    assert content_of(config_map(**other)) != content_of(config_map())


def test_no_content_is_kept() -> None:
    kept = summary(secret(data={"password": "aHVudGVyMg=="}))
    assert "aHVudGVyMg==" not in str(kept)
    assert set(kept) == {"kind", "metadata", "content"}
    assert kept["metadata"] == {"name": "conf", "namespace": "test", "resourceVersion": "5", "uid": "u-1"}


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"])
def test_secrets_of_users_are_tracked(kind: str) -> None:
    assert summary(secret(type=kind))["content"] == content_of(secret())


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "kubernetes.io/dockerconfigjson", "my.io/own"])
def test_secrets_of_the_cluster_are_not(kind: str) -> None:
    assert summary(secret(type=kind))["content"] == ""


@pytest.mark.parametrize(("value", "is_disabled"), [("disabled", True), ("disable", True), ("enabled", False)])
def test_tracking_is_disabled_by_annotation(value: str, is_disabled: bool) -> None:  # noqa: FBT001  a parameter of a test
    obj = config_map()
    obj["metadata"]["annotations"] = {"flagger.app/config-tracking": value}
    assert is_tracking_disabled(obj) is is_disabled
    assert (summary(obj)["content"] == "") is is_disabled


def test_a_copy_has_the_content_and_the_type_and_says_whose_it_is() -> None:
    original = secret(type="kubernetes.io/tls", immutable=True)
    original["metadata"] |= {"labels": {"app": "x"}, "annotations": {"argocd.argoproj.io/tracking-id": "x"}}
    assert config_copy(podinfo_canary(), original) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "conf-primary",
            "namespace": "test",
            "ownerReferences": [owner_reference(podinfo_canary())],
        },
        "type": "kubernetes.io/tls",
        "data": {"a": "MQ=="},
    }


def test_an_existing_copy_gets_exactly_the_content() -> None:
    existing = stored(config_copy(podinfo_canary(), config_map(data={"old": "1"}, binaryData={"b": "AA=="})))
    existing["metadata"]["labels"] = {"kept": "yes"}
    rendered = config_copy(podinfo_canary(), config_map(data={"new": "2"}))
    patched = apply_patch(existing, copy_patch(podinfo_canary(), existing, rendered))
    assert patched["data"] == {"new": "2"}
    assert "binaryData" not in patched
    assert patched["metadata"] == existing["metadata"]


def test_a_copy_that_was_written_in_between_is_not_overwritten() -> None:
    existing = stored(config_copy(podinfo_canary(), config_map()))
    operations = copy_patch(podinfo_canary(), existing, config_copy(podinfo_canary(), config_map(data={"b": "2"})))
    later = existing | {"metadata": existing["metadata"] | {"resourceVersion": "8"}}
    with pytest.raises(PatchRefused):
        apply_patch(later, operations)


def test_two_canaries_own_one_copy_and_the_first_is_its_controller() -> None:
    first = owner_reference(podinfo_canary()) | {"name": "first", "uid": "first-uid"}
    existing = stored(config_copy(podinfo_canary(), config_map()))
    existing["metadata"]["ownerReferences"] = [first]
    patched = apply_patch(existing, copy_patch(podinfo_canary(), existing, config_copy(podinfo_canary(), config_map())))
    ours = owner_reference(podinfo_canary()) | {"controller": False}
    assert patched["metadata"]["ownerReferences"] == [first, ours]
    assert is_copy(patched)
    assert not is_copy(config_map())


def test_references_are_found_at_every_place_and_are_optional_when_all_of_them_are() -> None:
    optional = {"optional": True}
    pod_spec: Json = {
        "volumes": [
            {"name": "a", "configMap": {"name": "in-volume"}},
            {"name": "b", "secret": {"secretName": "in-volume"} | optional},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "projected"} | optional}]}},
            {"name": "d", "projected": {"sources": [{"secret": {"name": "projected"}}, {"downwardAPI": {}}]}},
            {"name": "e", "emptyDir": {}},
        ],
        "containers": [
            {
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "both", "key": "a"} | optional}},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "envFrom": [{"secretRef": {"name": "env"} | optional}, {"configMapRef": {"name": "env"}}],
            }
        ],
        "initContainers": [
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "init", "key": "a"}}}]},
            {"envFrom": [{"configMapRef": {"name": "both"}}]},
        ],
    }
    before = deepcopy(pod_spec)
    assert config_refs(pod_spec) == {
        ConfigRef("ConfigMap", "in-volume"): True,
        ConfigRef("Secret", "in-volume"): False,
        ConfigRef("ConfigMap", "projected"): False,
        ConfigRef("Secret", "projected"): True,
        ConfigRef("ConfigMap", "both"): True,
        ConfigRef("Secret", "env"): False,
        ConfigRef("ConfigMap", "env"): True,
        ConfigRef("Secret", "init"): True,
    }
    assert pod_spec == before
