"""Which names of ports a Service finds in a workload's pods."""

from typing import Any

from canary.rules.cluster import container_port_names


def container(*ports: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "one", "ports": [{"containerPort": 80} | port for port in ports]} | fields


def test_names_of_containers_and_of_init_containers_that_run_on() -> None:
    spec = {
        "containers": [container({"name": "http"}, {}, {"name": "dns", "protocol": "UDP"}), {"name": "portless"}],
        "initContainers": [container({"name": "mesh"}, restartPolicy="Always"), container({"name": "setup"})],
    }
    assert container_port_names({"spec": {"template": {"spec": spec}}}) == {"http", "mesh"}
