"""What is read from objects of the cluster."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.demo.moments import available_replicas, canary_weight, decided_at_s
from sandbox.demo.stage import columns


def _table(*destinations: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"routes": [{"routeAction": {"multi": {"destinations": list(destinations)}}}]}}


def _upstream(name: str, **weight: int) -> dict[str, Any]:
    return {"destination": {"upstream": {"name": name, "namespace": "test"}}, **weight}


PRIMARY = _upstream("test-podinfo-primaryupstream-9898", weight=70)


def test_the_canarys_weight_is_that_of_its_upstream() -> None:
    assert canary_weight(_table(PRIMARY, _upstream("test-podinfo-canaryupstream-9898", weight=30))) == 30


def test_a_weight_that_is_left_out_is_none_of_the_traffic() -> None:
    assert canary_weight(_table(PRIMARY, _upstream("test-podinfo-canaryupstream-9898"))) == 0


@pytest.mark.parametrize("table", [{}, {"spec": {"routes": [{"directResponseAction": {}}]}}, _table(PRIMARY)])
def test_a_table_without_the_canary_has_no_weight_of_it(table: dict[str, Any]) -> None:
    assert canary_weight(table) is None


def test_the_deciding_checks_time_is_given_on_the_clock_that_is_wanted() -> None:
    canary = {"status": {"serin": {"lastDecisiveAt": "2026-05-01T10:00:00.250Z"}}}
    epoch_s = -datetime(2026, 5, 1, 9, 59, 58, tzinfo=UTC).timestamp()
    assert decided_at_s(canary, epoch_s=epoch_s) == pytest.approx(2.25)


@pytest.mark.parametrize("canary", [{}, {"status": {}}, {"status": {"serin": {}}}])
def test_a_canary_without_a_deciding_check_has_no_such_time(canary: dict[str, Any]) -> None:
    assert decided_at_s(canary, epoch_s=0.0) is None


def _deployment(*, wanted: int, generation: int = 3, **status: int) -> dict[str, Any]:
    counts = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted}, "status": counts | status}


def test_a_deployment_with_all_its_replicas_is_available() -> None:
    assert available_replicas(_deployment(wanted=2)) == 2


@pytest.mark.parametrize(
    "deployment",
    [
        _deployment(wanted=2, generation=4),
        _deployment(wanted=3),
        _deployment(wanted=2, replicas=3),
        _deployment(wanted=2, availableReplicas=1),
        _deployment(wanted=0, replicas=0, updatedReplicas=0, availableReplicas=0),
        {"metadata": {"generation": 1}, "spec": {"replicas": 1}},
    ],
    ids=["not observed", "scaling up", "old one left", "not all available", "scaled to zero", "no status"],
)
def test_a_deployment_on_its_way_is_not_available(deployment: dict[str, Any]) -> None:
    assert available_replicas(deployment) is None


def test_the_columns_of_kubectl_get() -> None:
    listing = (
        "NAME      STATUS        WEIGHT   LASTTRANSITIONTIME\npodinfo   Initialized   0        2019-05-17T08:09:51Z"
    )
    assert columns(listing) == {
        "NAME": "podinfo",
        "STATUS": "Initialized",
        "WEIGHT": "0",
        "LASTTRANSITIONTIME": "<time>",
    }


@pytest.mark.parametrize("listing", ["", "No resources found", "NAME   STATUS\na      b\nc      d", "NAME   STATUS\na"])
def test_another_listing_has_no_columns(listing: str) -> None:
    assert columns(listing) == {}
