"""Hollow pods: no process and no network, Ready after one status write; for benchmarks with thousands of pods."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from sandbox.api import Api, ApiError
from sandbox.images import resolve
from sandbox.node.clock import now_text
from sandbox.node.network import Addresses
from sandbox.node.status import ContainerRecord, PodRecord
from sandbox.node.status_writer import StatusWriter, delete_pod

_log = logging.getLogger(__name__)

ANNOTATION = "sandbox.serin.dev/hollow"
_WRITERS = 8


def is_hollow(pod: dict[str, Any]) -> bool:
    """Return whether a pod has no processes: by annotation, or because a container has no command at all."""
    if pod["metadata"].get("annotations", {}).get(ANNOTATION) == "true":
        return True
    for container in pod["spec"]["containers"]:
        image = resolve(container["image"])
        if image is not None and not image.command and not container.get("command"):
            return True
    return False


@dataclass
class HollowPods:
    """All hollow pods of the node: a few tasks write for all of them."""

    api: Api
    addresses: Addresses
    node_ip: str
    _queue: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    _known: dict[str, str] = field(default_factory=dict)  # uid -> address

    def update(self, pod: dict[str, Any]) -> None:
        """Take a pod that is new or is to be deleted; other news mean nothing to it."""
        if pod["metadata"]["uid"] not in self._known or "deletionTimestamp" in pod["metadata"]:
            if pod["metadata"]["uid"] not in self._known:
                self._known[pod["metadata"]["uid"]] = self.addresses.take()
            self._queue.put_nowait(pod)

    def forget(self, uid: str) -> None:
        """Take note that the pod's object is gone."""
        address = self._known.pop(uid, None)
        if address is not None:
            self.addresses.free(address)

    async def run(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(_WRITERS):
                tasks.create_task(self._write_all(), name=f"hollow pods {number}")

    async def _write_all(self) -> None:
        while True:
            pod = await self._queue.get()
            try:
                await self._write(pod)
            except ApiError as error:
                _log.warning("hollow pod %s: %s", pod["metadata"]["name"], error)
                self._queue.put_nowait(pod)
                await asyncio.sleep(1.0)

    async def _write(self, pod: dict[str, Any]) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            await delete_pod(self.api, pod)
            return
        address = self._known.get(pod["metadata"]["uid"])
        if address is None:
            return
        now = now_text()
        containers = [_running(container, pod["metadata"]["uid"], now) for container in pod["spec"]["containers"]]
        record = PodRecord([], containers, now, self.node_ip, address)
        await StatusWriter(self.api, pod, record).write_once()


def _running(spec: dict[str, Any], uid: str, now: str) -> ContainerRecord:
    return ContainerRecord(
        spec["name"],
        spec["image"],
        state={"running": {"startedAt": now}},
        is_ready=True,
        is_started=True,
        container_id=f"sandbox://{uid}/{spec['name']}/0",
    )
