"""The Node object: registered as Ready at the start, kept alive by its Lease, and Ready again after it was given up."""

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.api import Api, ApiError
from sandbox.network import POD_RANGE
from sandbox.node.clock import now_text

_log = logging.getLogger(__name__)

KUBELET_PORT = 10250
# More than this machine has: the scheduler is to place every pod here, and nothing enforces requests.
CAPACITY = {"cpu": "1024", "memory": "4Ti", "ephemeral-storage": "4Ti", "pods": "10000"}
_LEASE_S = 40
_RENEW_EVERY_S = 10.0
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True)
class Node:
    """The Node object `name` with the address `address`."""

    api: Api
    name: str
    address: str

    async def register(self) -> None:
        """Create or renew the object, Ready; raises ApiError."""
        body = self._render()
        try:
            await self.api.create("/api/v1/nodes", body)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            await self.api.merge_patch(f"/api/v1/nodes/{self.name}", {"metadata": body["metadata"]})
        await self.api.merge_patch(f"/api/v1/nodes/{self.name}/status", {"status": body["status"]})

    async def keep_alive(self) -> None:
        """Renew the Lease for ever; the node controller takes a node without one for dead after 40 s.

        It does so on a machine that stands still for that long, too, and waits for the node's own word to take it back;
        after 300 s more it would evict every pod.
        """
        while True:
            try:
                await self._renew()
                if not await self._is_ready():
                    _log.warning("node %s was given up for dead: it is registered again", self.name)
                    await self.register()
            except ApiError as error:
                _log.warning("lease of node %s: %s", self.name, error)
            await asyncio.sleep(_RENEW_EVERY_S)

    async def _renew(self) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": _LEASE_S, "renewTime": now}
        try:
            await self.api.merge_patch(f"{_LEASES}/{self.name}", {"spec": spec})
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name}}
            await self.api.create(_LEASES, body | {"spec": spec})

    async def _is_ready(self) -> bool:
        node = await self.api.get(f"/api/v1/nodes/{self.name}")
        conditions = node.get("status", {}).get("conditions") or ()
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _render(self) -> dict[str, Any]:
        machine = os.uname()
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine, machine.machine)
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
        }
        now = now_text()
        conditions = [
            _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", now),
            _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", now),
            _condition("PIDPressure", "False", "KubeletHasSufficientPID", now),
            _condition("Ready", "True", "KubeletReady", now),
        ]
        info = {
            "kernelVersion": machine.release, "osImage": "sandbox", "operatingSystem": "linux",
            "architecture": architecture, "containerRuntimeVersion": "sandbox://1", "kubeletVersion": "v1.36.3",
            "kubeProxyVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
        }  # fmt: skip
        addresses = [
            {"type": "InternalIP", "address": self.address},
            {"type": "Hostname", "address": self.name},
        ]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"podCIDR": POD_RANGE, "podCIDRs": [POD_RANGE]},
            "status": {
                "capacity": CAPACITY,
                "allocatable": CAPACITY,
                "conditions": conditions,
                "addresses": addresses,
                "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
                "nodeInfo": info,
            },
        }


def _condition(kind: str, status: str, reason: str, now: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "the kubelet stand-in is posting ready status" if kind == "Ready" else "",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
