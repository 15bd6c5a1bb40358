"""Waits until everything in gloo-system serves: its Deployments are Available and its Services take connections.

kube-proxy may be a second behind the Deployments. What does not come up is told with the words of its containers.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.api import Api

_NAMESPACE = "gloo-system"
_LOOK_EVERY_S = 0.1


def unavailable(deployments: list[dict[str, Any]]) -> list[str]:
    """Return the names of the Deployments that are not Available."""
    return [item["metadata"]["name"] for item in deployments if not _is_available(item)]


def describe(pod: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each of the pod's containers that is not ready, with the reason that its node gives."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    containers = status.get("containerStatuses", [])
    if not containers:
        yield f"pod {name}: {status.get('phase', 'not seen by its node')}"
    for container in containers:
        if not container["ready"]:
            for state, details in container["state"].items():
                words = [str(details[key]) for key in ("reason", "message", "exitCode") if key in details]
                yield f"pod {name}, container {container['name']}: {state} {' '.join(words)}".rstrip()


def cluster_ports(services: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return the TCP ports on ClusterIPs; headless and external Services have none."""
    return [
        (service["spec"]["clusterIP"], port["port"])
        for service in services
        if service["spec"].get("clusterIP", "None") != "None"
        for port in service["spec"]["ports"]
        if port["protocol"] == "TCP"
    ]


async def wait(api: Api) -> None:
    """Return when everything serves."""
    deployments = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments"
    while unavailable((await api.get(deployments))["items"]):  # noqa: ASYNC110  the API server is what changes
        await asyncio.sleep(_LOOK_EVERY_S)
    services = (await api.get(f"/api/v1/namespaces/{_NAMESPACE}/services"))["items"]
    for address, port in cluster_ports(services):
        while not await _takes_connections(address, port):  # noqa: ASYNC110  kube-proxy is what changes
            await asyncio.sleep(_LOOK_EVERY_S)


async def explain(api: Api) -> list[str]:
    """Return what is missing, line by line."""
    deployments = (await api.get(f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments"))["items"]
    pods = (await api.get(f"/api/v1/namespaces/{_NAMESPACE}/pods"))["items"]
    lines = [f"deployment {name} is not Available" for name in unavailable(deployments)]
    return [*lines, *(line for pod in pods for line in describe(pod))] or ["a Service takes no connections"]


def _is_available(deployment: dict[str, Any]) -> bool:
    conditions = deployment.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Available" and condition["status"] == "True" for condition in conditions)


async def _takes_connections(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    return True


async def _main(kubeconfig: Path, timeout_s: float) -> int:
    async with Api.from_kubeconfig(kubeconfig) as api:
        try:
            async with asyncio.timeout(timeout_s):
                await wait(api)
        except TimeoutError:
            print("\n".join(await explain(api)))
            return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="sandbox.workloads")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--timeout-s", type=float, required=True)
    given = parser.parse_args()
    sys.exit(asyncio.run(_main(given.kubeconfig, given.timeout_s)))
