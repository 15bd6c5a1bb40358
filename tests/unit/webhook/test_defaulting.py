"""Defaults as a JSON patch: what is absent is added, what follows from another field goes on following it."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canaries import canary_object
from tests.support.reviews import request, stored
from webhook.applied_manifest import LAST_APPLIED, is_in_a_manifest
from webhook.defaulting import default_canary
from webhook.review import ALLOWED, Answer

Object = dict[str, Any]


def default(obj: Object, old: Object | None = None, **more: Any) -> Answer:
    return default_canary(request(obj, old, **more))


def least() -> Object:
    obj = canary_object()
    obj["spec"] = {"targetRef": obj["spec"]["targetRef"], "service": {"port": 80}, "analysis": {"stepWeight": 10}}
    return obj


def with_port(obj: Object, port: int) -> Object:
    changed = deepcopy(obj)
    changed["spec"]["service"]["port"] = port
    return changed


def test_defaults_are_added_and_nothing_else_is_touched() -> None:
    obj = least()
    assert [operation["path"] for operation in default(obj).patch] == [
        "/spec/provider",
        "/spec/service/portName",
        "/spec/service/name",
        "/spec/service/targetPort",
        "/spec/analysis/interval",
        "/spec/analysis/threshold",
    ]
    visible = stored(obj, default(obj))
    assert visible["spec"]["service"] == {"port": 80, "portName": "http", "name": "podinfo", "targetPort": 80}
    assert default(visible) == ALLOWED


@pytest.mark.parametrize(
    ("obj", "more"),
    [
        (canary_object(provider="istio"), {}),
        (least() | {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}}, {}),
        (least(), {"subresource": "status"}),
    ],
    ids=["another provider's", "on its way out", "status"],
)
def test_what_is_none_of_our_business_is_left_alone(obj: Object, more: Object) -> None:
    assert default(obj, **more) == ALLOWED


def test_a_reference_to_an_old_autoscaler_version_stays_as_written() -> None:
    obj = canary_object(
        autoscalerRef={"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "name": "x"}
    )
    assert stored(obj, default(obj))["spec"]["autoscalerRef"] == obj["spec"]["autoscalerRef"]


@pytest.mark.parametrize("by", ["kubectl apply", "server-side apply"])
@pytest.mark.parametrize("is_written", [True, False])
def test_a_default_follows_unless_a_manifest_has_the_field(by: str, is_written: bool) -> None:  # noqa: FBT001  a case
    manifest = least()
    if is_written:
        manifest["spec"]["service"]["targetPort"] = 80
    old = stored(least(), default(least()))
    new = with_port(old, 8080)
    new["metadata"] |= _traces(manifest, by)
    visible = stored(new, default(new, old))
    assert visible["spec"]["service"]["targetPort"] == (80 if is_written else 8080)
    allowed = "anything, but no manifest has it, so it follows and is 8080 from now on"
    warning = f"spec.service.targetPort: found 80; allowed: {allowed}"
    assert default(new, old).warnings == (() if is_written else (warning,))


def test_where_no_manifest_is_known_a_field_stays_and_its_user_is_warned() -> None:
    old = stored(least(), default(least()))
    answer = default(with_port(old, 8080), old)
    assert answer.patch == ()
    allowed = "anything, but it does not follow: without this field it would now be 8080"
    assert answer.warnings == (f"spec.service.targetPort: found 80; allowed: {allowed}",)


def test_a_value_that_was_no_default_neither_follows_nor_warns() -> None:
    old = stored(least(), default(least()))
    old["spec"]["service"]["targetPort"] = "web"
    assert default(with_port(old, 8080), old) == ALLOWED


def test_a_write_that_leaves_the_spec_alone_adds_no_default() -> None:
    old = least()
    new = deepcopy(old)
    new["metadata"]["annotations"] = {"serin.dev/request": "promote@3f2a9c0d11e4"}
    assert default(new, old) == ALLOWED


def test_a_name_that_is_yet_to_be_generated_is_no_fault() -> None:
    obj = canary_object()
    obj["metadata"] = {"generateName": "podinfo-"}
    assert default(obj).is_allowed


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"spec": 5}'])
def test_an_annotation_that_is_no_manifest_says_nothing_about_the_field(text: str) -> None:
    obj = {"metadata": {"annotations": {LAST_APPLIED: text}, "managedFields": [None, {"operation": "Apply"}]}}
    assert is_in_a_manifest(obj, ("spec", "service", "targetPort")) is False
    assert is_in_a_manifest({"metadata": {"annotations": {LAST_APPLIED: "{"}}}, ("spec",)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
FIELDS = st.sampled_from(["provider", "targetRef", "service", "analysis", "canaryAnalysis", "spec", "port", "name"])
SHAPED = st.recursive(JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=5), max_leaves=10)


@given(SHAPED, SHAPED)
def test_anything_gets_a_patch_that_applies_and_gives_rest(spec: object, old_spec: object) -> None:
    obj, old = canary_object() | {"spec": spec}, canary_object() | {"spec": old_spec}
    for before in (None, old):
        visible = stored(obj, default(obj, before))
        assert default(visible, obj).patch == ()


def _traces(manifest: Object, by: str) -> Object:
    if by == "kubectl apply":
        return {"annotations": {LAST_APPLIED: json.dumps(manifest)}}
    entry = {"manager": "flux", "operation": "Apply", "fieldsV1": _fields({"spec": manifest["spec"]})}
    return {"managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}, entry]}


def _fields(value: object) -> Object:
    return {f"f:{key}": _fields(item) for key, item in value.items()} if isinstance(value, dict) else {}
