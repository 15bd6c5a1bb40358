"""What the page's table has of a canary: read from whatever is stored."""

from typing import Any

import orjson
import pytest

from agent.page.rows import Pods, pods_of, row_of
from tests.support.page import stored


def as_json(obj: dict[str, Any]) -> Any:
    return orjson.loads(orjson.dumps(row_of(obj, primary=Pods(3, 3), canary=None)))


def test_a_row_has_what_somebody_on_call_looks_for() -> None:
    assert as_json(stored(ours={"waitingFor": ["confirm-promotion/gate"], "mirrorPercent": 5})) == {
        "namespace": "test",
        "name": "podinfo",
        "mood": "waiting",
        "phase": "Progressing",
        "strategy": "canary",
        "weight": 20,
        "mirror": 5,
        "failed": 1,
        "threshold": 5,
        "paused": False,
        "waiting": ["confirm-promotion/gate"],
        "queue": "",
        "ready": "True",
        "reason": "Reconciling",
        "message": "The canary is valid and watched.",
        "revision": "3f2a9c0d11e4b7a6",
        "change": "podinfod image 6.0.0 -> 6.0.1",
        "by": "alice",
        "since": "2026-11-30T15:00:00Z",
        "target": "Deployment/podinfo",
        "primary": {"available": 3, "wanted": 3},
        "canary": None,
    }


@pytest.mark.parametrize(
    ("phase", "queue", "shown"),
    [
        ("Failed", {"position": 3, "of": 12, "since": "2026-11-30T15:00:00Z"}, "3 of 12"),
        ("Progressing", {"position": 3, "of": 12}, ""),
        ("Succeeded", "<b>", ""),
        ("Succeeded", {"position": "<b>"}, "0 of 0"),
    ],
)
def test_a_revision_that_waits_for_its_turn_says_where_it_stands(phase: str, queue: Any, shown: str) -> None:
    assert as_json(stored(phase=phase, ours={"queue": queue}))["queue"] == shown


@pytest.mark.parametrize(
    ("obj", "mood"),
    [
        (stored(phase="Progressing"), "running"),
        (stored(phase="Promoting"), "running"),
        (stored(phase="Progressing", ours={"paused": True}), "waiting"),
        (stored(phase="Succeeded"), "idle"),
        (stored(phase="Succeeded", ours={"queue": {"position": 3, "of": 12}}), "waiting"),
        (stored(phase="Initialized"), "idle"),
        (stored(phase="Failed"), "trouble"),
        (stored(phase="Succeeded", ready=("False", "TargetNotFound", "gone")), "trouble"),
    ],
)
def test_what_needs_somebody_stands_out(obj: dict[str, Any], mood: str) -> None:
    assert as_json(obj)["mood"] == mood


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        "x",
        {"canaryWeight": "20", "conditions": "x", "serin": []},
        {"canaryWeight": True, "conditions": [1, None], "serin": {"waitingFor": 3, "change": "x", "paused": "yes"}},
        {"canaryWeight": 10**400, "phase": {}, "failedChecks": 1.5},
    ],
)
def test_a_status_that_somebody_wrote_by_hand_gives_a_row_with_gaps(status: Any) -> None:
    obj = stored() | {"status": status}
    row = as_json(obj)
    assert (row["name"], row["weight"], row["phase"], row["waiting"], row["paused"]) == ("podinfo", 0, "", [], False)


def test_a_spec_without_anything_gives_a_row_with_gaps() -> None:
    row = as_json(stored() | {"spec": None})
    assert (row["target"], row["threshold"]) == ("", 1)


def test_a_text_is_one_line_of_bounded_length_without_credentials() -> None:
    long = "x" * 2000
    message = f"http://bob:secret@example.com/ \x1b[31m\n{long}"
    row = as_json(stored(ready=("False", "InvalidSpec", message)))
    assert row["message"].startswith("http://…@example.com/ �[31m xxx")
    assert len(row["message"]) == 400


@pytest.mark.parametrize(
    ("workload", "pods"),
    [
        (None, None),
        ({"spec": {"replicas": 3}, "status": {"availableReplicas": 2}}, Pods(2, 3)),
        ({"spec": {}, "status": {}}, Pods(0, 1)),
        ({"spec": {}, "status": {"desiredNumberScheduled": 4, "numberAvailable": 1}}, Pods(1, 4)),
    ],
)
def test_pods_are_counted_by_the_workloads_status(workload: Any, pods: Pods | None) -> None:
    assert pods_of(workload) == pods
