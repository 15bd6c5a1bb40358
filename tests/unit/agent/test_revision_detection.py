"""How a revision was noticed, and how long after it was written."""

from dataclasses import replace
from typing import Any

import pytest

from agent.revision_detection import has_detected, is_edit, keep_written_at, replicas_manager, written_at_s
from agent.series.agent_metrics import AgentMetrics
from canary.run.state import Revisions, State, TransitionRecord
from canary.run.traffic import Traffic
from kube.store import Change, Key
from tests.support.exposition import exposed


def entry(manager: str, time: str, subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "time": time} | ({"subresource": subresource} if subresource else {})


def deployment(*entries: dict[str, Any], generation: int = 1, uid: str = "u-1") -> dict[str, Any]:
    metadata = {"namespace": "test", "name": "app", "uid": uid, "generation": generation}
    return {"metadata": metadata | ({"managedFields": list(entries)} if entries else {})}


def test_the_newest_write_by_a_user_counts_not_a_status_nor_the_scaling_by_the_agent() -> None:
    sent = deployment(
        entry("kubectl-create", "2026-01-01T00:00:00Z"),
        entry("kubectl-set", "2026-01-01T00:00:10Z"),
        entry("kube-controller-manager", "2026-01-01T00:00:20Z", "status"),
        entry("kubectl", "2026-01-01T00:00:30Z", "scale"),
        entry("serin", "2026-01-01T00:00:40Z"),
    )
    kept = keep_written_at(sent)
    assert written_at_s(kept) == 1767225610.0
    assert "serin.dev/writtenAt" not in sent["metadata"], "the object of others was changed"


def test_a_workload_without_managed_fields_has_no_time() -> None:
    assert written_at_s(keep_written_at(deployment())) is None
    assert written_at_s(deployment()) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (deployment(), deployment(), False),
        (deployment(), deployment(generation=2), True),
        (deployment(), deployment(uid="u-2"), True),
        (None, deployment(), True),
    ],
)
def test_a_status_is_no_edit(old: dict[str, Any] | None, new: dict[str, Any], *, expected: bool) -> None:
    assert is_edit(Change(Key("test", "app"), old, new)) is expected


def test_a_reaction_to_another_revision_is_a_detection_and_neither_bootstrap_nor_rebase_is() -> None:
    known = State(revisions=Revisions(analysed="rev-1"), transition=TransitionRecord(at_s=1.0))
    another = replace(known, revisions=Revisions(analysed="rev-2"))
    assert has_detected(known, known.transition_to(another, 5.0))
    assert not has_detected(known, known.transition_to(replace(known, traffic=Traffic(10)), 5.0))
    assert not has_detected(known, known.update_to(another, 5.0))
    assert not has_detected(State(), State().transition_to(known, 5.0))


def test_detections_are_counted_by_how_they_became_known() -> None:
    metrics = AgentMetrics("1.2.3")
    metrics.runs.count_detection("admission", 0.4)
    metrics.runs.count_detection("resync", None)
    series = exposed(metrics)
    assert series['serin_revisions_detected_total{by="admission"}'] == 1
    assert series['serin_revisions_detected_total{by="resync"}'] == 1
    assert series['serin_revision_detected_seconds_bucket{by="admission",le="0.5"}'] == 1
    assert series['serin_revision_detected_seconds_bucket{by="admission",le="0.25"}'] == 0


@pytest.mark.parametrize(
    ("managers", "manager"),
    [((), ""), (("serin",), "serin"), (("kubectl",), "kubectl"), (("serin", "kustomize"), "kustomize")],
)
def test_who_scaled_a_workload_is_kept(managers: tuple[str, ...], manager: str) -> None:
    fields: dict[str, Any] = {"fieldsV1": {"f:spec": {"f:replicas": {}}}}
    others = entry("kube-controller-manager", "2026-01-01T00:00:00Z", "status") | {"fieldsV1": {"f:status": {}}}
    sent = deployment(others, *(entry(name, "2026-01-01T00:00:00Z") | fields for name in managers))
    assert replicas_manager(keep_written_at(sent)) == manager
