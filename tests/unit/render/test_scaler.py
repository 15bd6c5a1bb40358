"""The primary's HPA."""

from typing import Any

import pytest

from render.difference import is_as_rendered
from render.scaler import primary_scaler
from tests.support.podinfo import podinfo_canary, podinfo_hpa, stored


def test_copy_scales_the_primary_by_the_same_metrics() -> None:
    hpa = podinfo_hpa()
    hpa["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    hpa["spec"]["metrics"].append(
        {
            "type": "Object",
            "object": {"describedObject": {"kind": "Service", "name": "podinfo"}, "metric": {"name": "q"}},
        }
    )
    per_container = {
        "name": "cpu",
        "container": "podinfod",
        "target": {"type": "Utilization", "averageUtilization": 50},
    }
    hpa["spec"]["metrics"].append({"type": "ContainerResource", "containerResource": per_container})
    copy = primary_scaler(podinfo_canary(), hpa)
    assert copy["apiVersion"] == "autoscaling/v2"
    assert copy["metadata"]["name"] == "podinfo-primary"
    assert copy["metadata"]["labels"] == {"team": "a"}
    assert copy["metadata"]["ownerReferences"][0]["kind"] == "Canary"
    assert copy["spec"].pop("scaleTargetRef") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "podinfo-primary",
    }
    assert copy["spec"] == {key: value for key, value in hpa["spec"].items() if key != "scaleTargetRef"}


@pytest.mark.parametrize(
    ("overrides", "bounds"),
    [({"minReplicas": 3, "maxReplicas": 9}, (3, 9)), ({"maxReplicas": 9}, (2, 9)), ({"minReplicas": 3}, (3, 4))],
)
def test_primary_scaler_replicas_take_the_place_of_the_targets_bounds(
    overrides: dict[str, int], bounds: tuple[int, int]
) -> None:
    reference = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"}
    canary = podinfo_canary(autoscalerRef=reference | {"primaryScalerReplicas": overrides})
    spec = primary_scaler(canary, podinfo_hpa())["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == bounds


@pytest.mark.parametrize("written", ["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2", "autoscaling/v2"])
def test_older_autoscalers_are_read_as_v2(written: str) -> None:
    reference = {"apiVersion": written, "kind": "HorizontalPodAutoscaler", "name": "podinfo"}
    assert primary_scaler(podinfo_canary(autoscalerRef=reference), podinfo_hpa())["apiVersion"] == "autoscaling/v2"


def test_a_metric_removed_from_the_targets_hpa_is_a_difference() -> None:
    hpa = podinfo_hpa()
    live = stored(primary_scaler(podinfo_canary(), hpa))
    rendered: dict[str, Any] = primary_scaler(podinfo_canary(), hpa)
    assert is_as_rendered(live, rendered)
    live["spec"]["metrics"].append({"type": "Resource", "resource": {"name": "memory"}})
    assert not is_as_rendered(live, rendered)


@pytest.mark.parametrize(("floor", "minimum"), [(0, 2), (1, 2), (3, 3), (9, 4)])
def test_a_floor_keeps_the_primarys_size_as_far_as_its_maximum_allows(floor: int, minimum: int) -> None:
    assert primary_scaler(podinfo_canary(), podinfo_hpa(), floor)["spec"]["minReplicas"] == minimum
