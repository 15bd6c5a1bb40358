"""Pod statuses: phases, conditions and their times, quality of service."""

from typing import Any

import pytest

from sandbox.node.status import ContainerRecord, PodRecord, build_status, quality_of_service

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}
NOW = "2026-01-01T00:01:00Z"


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def record(state: dict[str, Any], **fields: Any) -> ContainerRecord:
    return ContainerRecord("main", "image:1", state=state, **fields)


def build(*containers: ContainerRecord, init: list[ContainerRecord] | None = None, **pod: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "main"}]} | pod.get("spec", {})
    body = {"metadata": {"generation": 3}, "spec": spec, "status": pod.get("status", {})}
    pod_record = PodRecord(init or [], list(containers), "2026-01-01T00:00:00Z", "10.244.0.1", "10.244.1.1")
    return build_status(body, pod_record, NOW)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry for entry in status["conditions"] if entry["type"] == kind)


@pytest.mark.parametrize(
    ("policy", "containers", "phase"),
    [
        ("Always", [record(WAITING)], "Pending"),
        ("Always", [record(RUNNING)], "Running"),
        ("Always", [record(RUNNING), record(WAITING)], "Pending"),
        ("Always", [record(WAITING, last_state=ended(1))], "Running"),
        ("Always", [record(ended(0))], "Running"),
        ("Never", [record(ended(0)), record(ended(0))], "Succeeded"),
        ("Never", [record(ended(0)), record(ended(1))], "Failed"),
        ("Never", [record(ended(1)), record(RUNNING)], "Running"),
        ("OnFailure", [record(ended(1))], "Running"),
        ("OnFailure", [record(ended(0))], "Succeeded"),
    ],
)
def test_phase_follows_from_states_and_restart_policy(
    policy: str, containers: list[ContainerRecord], phase: str
) -> None:
    assert build(*containers, spec={"restartPolicy": policy})["phase"] == phase


@pytest.mark.parametrize(
    ("policy", "init", "phase", "initialized"),
    [
        ("Always", record(RUNNING), "Pending", "False"),
        ("Always", record(ended(1)), "Pending", "False"),
        ("Never", record(ended(1)), "Failed", "False"),
        ("Always", record(ended(0)), "Running", "True"),
        ("Always", record(RUNNING, is_sidecar=True, is_started=True), "Running", "True"),
    ],
)
def test_init_containers_hold_the_phase(policy: str, init: ContainerRecord, phase: str, initialized: str) -> None:
    status = build(record(RUNNING), init=[init], spec={"restartPolicy": policy})
    assert status["phase"] == phase
    assert condition(status, "Initialized")["status"] == initialized


@pytest.mark.parametrize(("sidecar", "phase"), [(RUNNING, "Running"), (ended(137), "Succeeded")])
def test_a_pod_ends_with_its_last_sidecar(sidecar: dict[str, Any], phase: str) -> None:
    init = record(sidecar, is_sidecar=True, is_started="running" in sidecar)
    assert build(record(ended(0)), init=[init], spec={"restartPolicy": "Never"})["phase"] == phase


def test_an_unready_container_is_named_in_the_conditions() -> None:
    ready = condition(build(record(RUNNING)), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [main]"


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    written = [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"},
        {"type": "ContainersReady", "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z"},
    ]
    status = build(record(RUNNING, is_ready=True), status={"conditions": written})
    assert condition(status, "Ready")["lastTransitionTime"] == "2020-01-01T00:00:00Z"
    assert condition(status, "ContainersReady")["lastTransitionTime"] == NOW


def test_conditions_of_others_stay() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOW}
    assert scheduled in build(record(RUNNING), status={"conditions": [scheduled]})["conditions"]


def test_a_readiness_gate_holds_ready_but_not_containers_ready() -> None:
    status = build(record(RUNNING, is_ready=True), spec={"readinessGates": [{"conditionType": "example.com/go"}]})
    assert condition(status, "ContainersReady")["status"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"


def test_the_status_says_which_generation_it_is_of() -> None:
    assert build(record(RUNNING))["observedGeneration"] == 3


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"cpu": "100m"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], expected: str) -> None:
    assert quality_of_service({"containers": [{"resources": resources}]}) == expected
