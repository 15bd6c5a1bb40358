"""What the demo reads from objects of the cluster."""

from typing import Any

import pytest

from sandbox.demo.stage import canary_weight, is_available


def _table(*destinations: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"routes": [{"routeAction": {"multi": {"destinations": list(destinations)}}}]}}


def _upstream(name: str, **weight: int) -> dict[str, Any]:
    return {"destination": {"upstream": {"name": name, "namespace": "test"}}, **weight}


PRIMARY = _upstream("test-podinfo-primaryupstream-9898", weight=70)


def test_the_canarys_weight_is_that_of_its_upstream() -> None:
    assert canary_weight(_table(PRIMARY, _upstream("test-podinfo-canaryupstream-9898", weight=30))) == 30


def test_a_weight_that_is_left_out_is_none_of_the_traffic() -> None:
    assert canary_weight(_table(PRIMARY, _upstream("test-podinfo-canaryupstream-9898"))) == 0


@pytest.mark.parametrize("table", [None, {}, {"spec": {"routes": [{"directResponseAction": {}}]}}, _table(PRIMARY)])
def test_a_table_without_the_canary_has_no_weight_of_it(table: dict[str, Any] | None) -> None:
    assert canary_weight(table) is None


def _deployment(*, wanted: int, generation: int = 3, **status: int) -> dict[str, Any]:
    counts = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted}, "status": counts | status}


def test_a_deployment_with_all_its_replicas_is_available() -> None:
    assert is_available(_deployment(wanted=2))


@pytest.mark.parametrize(
    "deployment",
    [
        None,
        _deployment(wanted=2, generation=4),
        _deployment(wanted=3),
        _deployment(wanted=2, replicas=3),
        _deployment(wanted=2, availableReplicas=1),
        _deployment(wanted=0, replicas=0, updatedReplicas=0, availableReplicas=0),
        {"metadata": {"generation": 1}, "spec": {"replicas": 1}},
    ],
    ids=["gone", "not observed", "scaling up", "old one left", "not all available", "scaled to zero", "no status"],
)
def test_a_deployment_on_its_way_is_not_available(deployment: dict[str, Any] | None) -> None:
    assert not is_available(deployment)
