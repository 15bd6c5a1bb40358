"""Tracked ConfigMaps and Secrets: what is kept of one, and the copy of it."""

import re
from copy import deepcopy
from typing import Any

import pytest

from render.config_refs import ConfigRef, config_refs
from render.configs import Fingerprints, content_of, is_tracking_disabled, summary
from render.copies import config_copy, copy_names, copy_patch, disowned_patch, is_copy, original_of, owned_patch
from render.ownership import owner_reference
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, stored

Json = dict[str, Any]

PLAIN = Fingerprints()


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
    kept = summary(secret(data={"password": "aHVudGVyMg=="}), PLAIN)
    assert "aHVudGVyMg==" not in str(kept)
    assert set(kept) == {"kind", "metadata", "content", "type", "isImmutable"}
    assert kept["metadata"] == {"name": "conf", "namespace": "test", "resourceVersion": "5", "uid": "u-1"}


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"])
def test_secrets_of_users_are_tracked(kind: str) -> None:
    assert summary(secret(type=kind), PLAIN)["content"] == content_of(secret())


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "kubernetes.io/dockerconfigjson", "my.io/own"])
def test_secrets_of_the_cluster_are_not(kind: str) -> None:
    assert summary(secret(type=kind), PLAIN)["content"] == ""


@pytest.mark.parametrize(("value", "is_disabled"), [("disabled", True), ("disable", True), ("enabled", False)])
def test_tracking_is_disabled_by_annotation(value: str, is_disabled: bool) -> None:  # noqa: FBT001  a parameter of a test
    obj = config_map()
    obj["metadata"]["annotations"] = {"flagger.app/config-tracking": value}
    assert is_tracking_disabled(obj) is is_disabled
    assert (summary(obj, PLAIN)["content"] == "") is is_disabled


def test_a_copy_has_the_content_and_the_type_and_says_whose_it_is() -> None:
    original = secret(type="kubernetes.io/tls", immutable=True)
    original["metadata"] |= {"labels": {"app": "x"}, "annotations": {"argocd.argoproj.io/tracking-id": "x"}}
    assert config_copy(podinfo_canary(), original, "conf-primary") == {
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
    existing = stored(
        config_copy(podinfo_canary(), config_map(data={"old": "1"}, binaryData={"b": "AA=="}), "conf-primary")
    )
    existing["metadata"]["labels"] = {"kept": "yes"}
    rendered = config_copy(podinfo_canary(), config_map(data={"new": "2"}), "conf-primary")
    patched = apply_patch(existing, copy_patch(podinfo_canary(), existing, rendered))
    assert patched["data"] == {"new": "2"}
    assert "binaryData" not in patched
    assert patched["metadata"] == existing["metadata"]


def test_a_copy_that_was_written_in_between_is_not_overwritten() -> None:
    existing = stored(config_copy(podinfo_canary(), config_map(), "conf-primary"))
    operations = copy_patch(
        podinfo_canary(), existing, config_copy(podinfo_canary(), config_map(data={"b": "2"}), "conf-primary")
    )
    later = existing | {"metadata": existing["metadata"] | {"resourceVersion": "8"}}
    with pytest.raises(PatchRefused):
        apply_patch(later, operations)


def test_two_canaries_own_one_copy_and_the_first_is_its_controller() -> None:
    first = owner_reference(podinfo_canary()) | {"name": "first", "uid": "first-uid"}
    existing = stored(config_copy(podinfo_canary(), config_map(), "conf-primary"))
    existing["metadata"]["ownerReferences"] = [first]
    patched = apply_patch(
        existing, copy_patch(podinfo_canary(), existing, config_copy(podinfo_canary(), config_map(), "conf-primary"))
    )
    ours = owner_reference(podinfo_canary()) | {"controller": False}
    assert patched["metadata"]["ownerReferences"] == [first, ours]
    assert is_copy(patched)
    assert not is_copy(config_map())


def test_owners_come_and_go_and_the_others_stay() -> None:
    first = owner_reference(podinfo_canary()) | {"name": "first", "uid": "first-uid"}
    existing = stored(config_copy(podinfo_canary(), config_map(), "conf-primary"))
    existing["metadata"]["ownerReferences"] = [first, owner_reference(podinfo_canary()) | {"uid": "of-one-before"}]
    owned = apply_patch(existing, owned_patch(podinfo_canary(), existing))
    ours = owner_reference(podinfo_canary()) | {"controller": False}
    assert owned["metadata"]["ownerReferences"] == [first, ours]
    left = apply_patch(existing, disowned_patch(podinfo_canary(), existing))
    assert left["metadata"]["ownerReferences"] == [first]


@pytest.mark.parametrize("name", ["conf", "c" * 240, "c" * 253, "a.b-" * 62])
def test_every_name_of_a_copy_fits_and_tells_what_it_was_made_of(name: str) -> None:
    names = copy_names("podinfo", ConfigRef("ConfigMap", name))
    assert len(set(names)) == len(names) >= 3
    for one in names:
        assert len(one) <= 253
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", one)
        assert one.endswith("-primary")
    if name == "conf":
        made_of = {original_of("podinfo", ConfigRef("ConfigMap", one)) for one in names}
        assert made_of == {ConfigRef("ConfigMap", "conf")}


def test_no_two_canaries_and_no_two_configurations_have_a_copy_of_one_name() -> None:
    pairs = [("a-b", "conf"), ("b", "conf-a"), ("b", "conf"), ("a", "conf-b")]
    own = [name for canary, conf in pairs for name in copy_names(canary, ConfigRef("ConfigMap", conf))[1:]]
    assert len(set(own)) == len(own)


@pytest.mark.parametrize("name", ["conf", "-primary", "primary"])
def test_what_has_no_name_of_a_copy_is_none(name: str) -> None:
    assert original_of("podinfo", ConfigRef("ConfigMap", name)) is None


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
