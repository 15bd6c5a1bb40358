"""Scaling the target."""

from typing import Any

import pytest

from canary.run.revision import revision_of
from render.scale import (
    full_size,
    is_configured_by,
    primary_size_limit,
    replicas_from_zero,
    restart_patch,
    scale_patch,
    size_limit,
    wanted_replicas,
)
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_daemonset, podinfo_deployment, podinfo_hpa


@pytest.mark.parametrize("replicas", [0, 1, 7])
def test_deployment_is_patched_to_the_wanted_replicas(replicas: int) -> None:
    target = podinfo_deployment()
    patched = apply_patch(target, scale_patch(target, replicas))
    assert patched["spec"].pop("replicas") == wanted_replicas({**target, "spec": {"replicas": replicas}}) == replicas
    del target["spec"]["replicas"]
    assert patched == target


def test_nothing_is_written_when_the_replicas_are_as_wanted() -> None:
    assert scale_patch(podinfo_deployment(), 2) == []
    assert scale_patch(podinfo_daemonset(), 1) == []


@pytest.mark.parametrize("nodes", [{}, {"nodeSelector": {}}, {"nodeSelector": {"disk": "ssd"}}])
def test_daemonset_goes_to_zero_and_back_as_it_was(nodes: dict[str, Any]) -> None:
    target = podinfo_daemonset(**nodes)
    scaled = apply_patch(target, scale_patch(target, 0))
    assert scaled["spec"]["template"]["spec"]["nodeSelector"]["flagger.app/scale-to-zero"] == "true"
    assert wanted_replicas(scaled) == 0
    assert scale_patch(scaled, 0) == []
    back = apply_patch(scaled, scale_patch(scaled, 3))
    assert back["spec"]["template"]["spec"].get("nodeSelector", {}) == nodes.get("nodeSelector", {})
    assert wanted_replicas(back) == 1


def test_patch_is_refused_when_the_spec_was_changed_in_between() -> None:
    target = podinfo_deployment()
    operations = scale_patch(target, 0)
    target["metadata"]["generation"] += 1
    with pytest.raises(PatchRefused):
        apply_patch(target, operations)


@pytest.mark.parametrize(
    ("own", "primary", "minimum", "expected"),
    [
        (2, 5, 3, 2),
        (0, 5, 3, 3),
        (0, 5, None, 1),
        (0, 0, 0, 1),
    ],
)
def test_target_with_hpa_comes_back_with_its_own_replicas_or_the_hpas_minimum(
    own: int, primary: int, minimum: int | None, expected: int
) -> None:
    hpa = podinfo_hpa()
    hpa["spec"]["minReplicas"] = minimum
    assert replicas_from_zero(_with(own), _with(primary), hpa) == expected


@pytest.mark.parametrize(("own", "primary", "expected"), [(2, 5, 2), (0, 5, 5), (0, 0, 1), (0, None, 1)])
def test_target_without_hpa_comes_back_with_as_many_as_the_primary(
    own: int, primary: int | None, expected: int
) -> None:
    assert replicas_from_zero(_with(own), None if primary is None else _with(primary), None) == expected


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        (5, 5),
        (0, 1),
        (None, 2),
    ],
)
def test_a_target_that_carries_everything_is_as_large_as_the_primary(primary: int | None, expected: int) -> None:
    assert full_size(_with(2), None if primary is None else _with(primary)) == expected


@pytest.mark.parametrize(
    ("scaler", "target", "primary"),
    [
        (None, None, None),
        (podinfo_hpa(), 4, 4),
        ({"kind": "ScaledObject", "spec": {"maxReplicaCount": 6}}, 6, 6),
        ({"kind": "ScaledObject", "spec": {}}, None, 100),
    ],
)
def test_a_size_is_limited_by_what_the_scaler_allows(
    scaler: dict[str, Any] | None, target: int | None, primary: int | None
) -> None:
    assert size_limit(_with(2), scaler) == target
    assert primary_size_limit(podinfo_canary(), scaler) == primary


def test_a_primary_without_a_scaler_of_ours_has_no_limit_to_grow_to() -> None:
    assert primary_size_limit(podinfo_canary(autoscalerRef=None), podinfo_hpa()) is None


def test_the_limit_of_the_primarys_scaler_is_its_own_where_it_is_given() -> None:
    reference = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"}
    canary = podinfo_canary(autoscalerRef=reference | {"primaryScalerReplicas": {"maxReplicas": 9}})
    assert primary_size_limit(canary, podinfo_hpa()) == 9


def test_a_daemonset_is_as_large_as_its_nodes_let_it() -> None:
    target = podinfo_daemonset() | {"status": {"desiredNumberScheduled": 2}}
    assert full_size(target, podinfo_daemonset() | {"status": {"desiredNumberScheduled": 3}}) == 2
    assert full_size(apply_patch(target, scale_patch(target, 0)), podinfo_daemonset()) == 1
    assert size_limit(target, podinfo_hpa()) is None


def _with(replicas: int) -> dict[str, Any]:
    deployment = podinfo_deployment()
    deployment["spec"]["replicas"] = replicas
    return deployment


@pytest.mark.parametrize("target", [podinfo_deployment(), podinfo_daemonset()])
def test_pods_that_come_up_tell_what_they_are_configured_by(target: dict[str, Any]) -> None:
    at_zero = apply_patch(target, scale_patch(target, 0, config_hash="c1"))
    assert "serin.dev/config" not in pod_annotations(at_zero)
    assert is_configured_by(at_zero, "c1"), "there are no pods"
    up = apply_patch(at_zero, scale_patch(at_zero, 2, config_hash="c1"))
    assert pod_annotations(up)["serin.dev/config"] == "c1"
    assert is_configured_by(up, "c1")
    assert not is_configured_by(up, "c2")
    assert revision_of(up["spec"]["template"]) == revision_of(target["spec"]["template"])


def test_pods_are_restarted_with_another_configuration_and_with_none() -> None:
    target = podinfo_deployment()
    del target["spec"]["template"]["metadata"]["annotations"]
    assert is_configured_by(target, "")
    restarted = apply_patch(target, restart_patch(target, "c1"))
    assert is_configured_by(restarted, "c1")
    assert not is_configured_by(restarted, "")
    untracked = apply_patch(restarted, restart_patch(restarted, ""))
    assert is_configured_by(untracked, "")
    assert pod_annotations(untracked) == {}


def pod_annotations(workload: dict[str, Any]) -> dict[str, str]:
    annotations: dict[str, str] = workload["spec"]["template"]["metadata"].get("annotations", {})
    return annotations
