"""Scaling the target."""

from typing import Any

import pytest

from render.scale import replicas_from_zero, scale_patch, wanted_replicas
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_daemonset, podinfo_deployment, podinfo_hpa


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


def _with(replicas: int) -> dict[str, Any]:
    deployment = podinfo_deployment()
    deployment["spec"]["replicas"] = replicas
    return deployment
