"""What the start says of workloads that do not come up."""

from typing import Any

import pytest

from sandbox.workloads import cluster_ports, describe, unavailable


def deployment(name: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions)}}


def test_deployments_without_the_condition_are_not_available() -> None:
    found = unavailable(
        [
            deployment("up", {"type": "Progressing", "status": "True"}, {"type": "Available", "status": "True"}),
            deployment("down", {"type": "Available", "status": "False"}),
            deployment("new"),
            {"metadata": {"name": "newest"}},
        ]
    )
    assert found == ["down", "new", "newest"]


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ({}, ["pod web: not seen by its node"]),
        ({"phase": "Pending"}, ["pod web: Pending"]),
        ({"containerStatuses": [{"name": "a", "ready": True, "state": {"running": {}}}]}, []),
        (
            {"containerStatuses": [{"name": "a", "ready": False, "state": {"running": {"startedAt": "now"}}}]},
            ["pod web, container a: running"],
        ),
        (
            {
                "containerStatuses": [
                    {"name": "a", "ready": True, "state": {"running": {}}},
                    {"name": "b", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "x"}}},
                    {"name": "c", "ready": False, "state": {"terminated": {"reason": "Error", "exitCode": 0}}},
                ]
            },
            ["pod web, container b: waiting CrashLoopBackOff x", "pod web, container c: terminated Error 0"],
        ),
    ],
)
def test_each_container_that_is_not_ready_is_told_with_its_reason(status: dict[str, Any], lines: list[str]) -> None:
    assert list(describe({"metadata": {"name": "web"}, "status": status})) == lines


def test_only_tcp_ports_on_cluster_ips_can_be_asked() -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}, {"port": 443, "protocol": "TCP"}]
    services: list[dict[str, Any]] = [
        {"spec": {"clusterIP": "10.96.1.2", "ports": ports}},
        {"spec": {"clusterIP": "None", "ports": ports}},
        {"spec": {"type": "ExternalName", "externalName": "example.com"}},
    ]
    assert cluster_ports(services) == [("10.96.1.2", 80), ("10.96.1.2", 443)]
