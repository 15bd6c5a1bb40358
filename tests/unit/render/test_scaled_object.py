"""The primary's ScaledObject, and the pause of the target's."""

from copy import deepcopy
from typing import Any

import pytest

from render.scale import replicas_from_zero
from render.scaled_object import is_idle_at_zero, pause_patch, primary_scaled_object
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment, podinfo_hpa, stored

Json = dict[str, Any]

QUERY = 'sum(rate(http_requests_total{app="podinfo"}[30s]))'


def scaled_object(**spec: Any) -> Json:
    trigger = {"name": "load", "type": "prometheus", "metadata": {"serverAddress": "http://p", "query": QUERY}}
    return stored(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {
                "name": "podinfo-so",
                "namespace": "test",
                "labels": {"team": "a", "scaledobject.keda.sh/name": "podinfo-so"},
            },
            "spec": {
                "scaleTargetRef": {"name": "podinfo", "envSourceContainerName": "podinfod"},
                "pollingInterval": 10,
                "cooldownPeriod": 20,
                "minReplicaCount": 2,
                "maxReplicaCount": 4,
                "fallback": {"failureThreshold": 3, "replicas": 6},
                "advanced": {"horizontalPodAutoscalerConfig": {"name": "podinfo-hpa", "behavior": {"scaleDown": {}}}},
                "triggers": [trigger],
            }
            | spec,
        }
    )


def rendered(so: Json | None = None, **reference: Any) -> Json:
    named = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo-so"}
    return primary_scaled_object(podinfo_canary(autoscalerRef=named | reference), so or scaled_object())


def test_copy_scales_the_primary_and_asks_about_it() -> None:
    original = scaled_object()
    before = deepcopy(original)
    copy = rendered(original)
    assert original == before
    assert (copy["apiVersion"], copy["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert copy["metadata"]["name"] == "podinfo-so-primary"
    assert copy["metadata"]["labels"] == {"team": "a"}, "KEDA gives each its own name in a label"
    spec = copy["spec"]
    assert spec["scaleTargetRef"] == {"name": "podinfo-primary", "envSourceContainerName": "podinfod"}
    assert spec["advanced"]["horizontalPodAutoscalerConfig"] == {
        "name": "podinfo-hpa-primary",
        "behavior": {"scaleDown": {}},
    }
    assert spec["triggers"][0]["metadata"] == {
        "serverAddress": "http://p",
        "query": QUERY.replace("podinfo", "podinfo-primary"),
    }
    for field in ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount", "fallback"):
        assert spec[field] == original["spec"][field]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('up{app="podinfo"}', 'up{app="podinfo-primary"}'),
        ('up{app="podinfo-canary"} + podinfo', 'up{app="podinfo-primary"} + podinfo-primary'),
        ('up{app="podinfo-primary"}', 'up{app="podinfo-primary"}'),
        ('up{pod=~"podinfo-[a-z0-9]+-.+"}', 'up{pod=~"podinfo-primary-[a-z0-9]+-.+"}'),
        ('rq{cluster="test-podinfo-canaryupstream-9898_test"}', 'rq{cluster="test-podinfo-primaryupstream-9898_test"}'),
        ('up{podinfo="podinfo", podinfo_name !~ "a"}', 'up{podinfo="podinfo-primary", podinfo_name !~ "a"}'),
    ],
)
def test_a_query_about_the_target_asks_about_the_primary(query: str, expected: str) -> None:
    trigger = {"type": "prometheus", "metadata": {"query": query}}
    assert rendered(scaled_object(triggers=[trigger]))["spec"]["triggers"][0]["metadata"]["query"] == expected


def test_given_queries_take_the_place_of_those_of_the_triggers_they_name() -> None:
    other = {"name": "other", "type": "prometheus", "metadata": {"query": "podinfo"}}
    nameless = {"type": "cpu", "metadata": {"value": "50"}}
    so = scaled_object(triggers=[*scaled_object()["spec"]["triggers"], other, nameless])
    triggers = rendered(so, primaryScalerQueries={"load": "vector(1)"})["spec"]["triggers"]
    assert triggers[0]["metadata"] == {"serverAddress": "http://p", "query": "vector(1)"}
    assert triggers[1:] == [other, nameless]


def test_primary_scaler_replicas_take_the_place_of_the_targets_bounds() -> None:
    spec = rendered(primaryScalerReplicas={"minReplicas": 3})["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (3, 4)
    spec = rendered(primaryScalerReplicas={"minReplicas": 3, "maxReplicas": 9})["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (3, 9)


def test_a_pause_is_never_copied_and_other_settings_by_annotation_are() -> None:
    so = scaled_object()
    so["metadata"]["annotations"] = {
        "autoscaling.keda.sh/paused-replicas": "0",
        "autoscaling.keda.sh/paused": "true",
        "scaledobject.keda.sh/transfer-hpa-ownership": "true",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    assert rendered(so)["metadata"]["annotations"] == {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}


@pytest.mark.parametrize("annotations", [None, {}, {"note": "mine"}])
def test_pausing_and_resuming_leave_the_object_as_it_was(annotations: Json | None) -> None:
    so = scaled_object()
    if annotations is not None:
        so["metadata"]["annotations"] = annotations
    assert not is_idle_at_zero(so)
    paused = apply_patch(so, pause_patch(so, is_paused=True))
    assert paused["metadata"]["annotations"]["autoscaling.keda.sh/paused-replicas"] == "0"
    assert is_idle_at_zero(paused)
    assert pause_patch(paused, is_paused=True) == []
    resumed = apply_patch(paused, pause_patch(paused, is_paused=False))
    assert resumed["metadata"].get("annotations", {}) == (annotations or {})
    assert pause_patch(resumed, is_paused=False) == []


def test_a_scaled_object_that_was_edited_in_between_is_left_alone() -> None:
    so = scaled_object()
    operations = pause_patch(so, is_paused=True)
    so["metadata"]["generation"] += 1
    with pytest.raises(PatchRefused):
        apply_patch(so, operations)


def test_an_hpa_needs_no_pause() -> None:
    assert is_idle_at_zero(podinfo_hpa())


@pytest.mark.parametrize(("bounds", "expected"), [({"minReplicaCount": 3}, 3), ({"minReplicaCount": 0}, 1), ({}, 1)])
def test_the_canary_side_starts_with_the_least_that_its_scaled_object_allows(bounds: Json, expected: int) -> None:
    target, so = podinfo_deployment(), scaled_object()
    target["spec"]["replicas"] = 0
    so["spec"] = {key: value for key, value in so["spec"].items() if key != "minReplicaCount"} | bounds
    assert replicas_from_zero(target, podinfo_deployment(), so) == expected


def test_a_pause_keeps_what_the_cache_has_left_out() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    whole, cached = scaled_object(), scaled_object()
    whole["metadata"]["annotations"], cached["metadata"]["annotations"] = applied, {}
    paused = apply_patch(whole, pause_patch(cached, is_paused=True))
    assert paused["metadata"]["annotations"] == applied | {"autoscaling.keda.sh/paused-replicas": "0"}


def test_a_first_annotation_is_refused_when_somebody_was_faster() -> None:
    patch = pause_patch(scaled_object(), is_paused=True)
    annotated = scaled_object()
    annotated["metadata"] |= {"annotations": {"theirs": "1"}, "resourceVersion": "another"}
    with pytest.raises(PatchRefused):
        apply_patch(annotated, patch)


@pytest.mark.parametrize(
    ("bounds", "floor", "minimum"), [((1, 6), 0, 1), ((1, 6), 4, 4), ((1, 6), 9, 6), ((0, None), 200, 100)]
)
def test_a_floor_keeps_the_primarys_size_as_far_as_its_maximum_allows(
    bounds: tuple[int, int | None], floor: int, minimum: int
) -> None:
    original = scaled_object()
    original["spec"] |= {"minReplicaCount": bounds[0], "maxReplicaCount": bounds[1]}
    named = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo-so"}
    copy = primary_scaled_object(podinfo_canary(autoscalerRef=named), original, floor)
    assert copy["spec"]["minReplicaCount"] == minimum
