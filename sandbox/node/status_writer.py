"""Writes one pod's status when it has changed, several changes in one write."""

import asyncio
import logging
from typing import Any

from sandbox.api import Api, ApiError
from sandbox.node.clock import now_text
from sandbox.node.status import PodRecord, build_status

_log = logging.getLogger(__name__)

_GATHER_S = 0.02  # what happens within this time goes into one write
_RETRY_S = 1.0
_NOT_FOUND, _CONFLICT = 404, 409


class StatusWriter:
    """`mark_changed` says that the record has news; `run` writes them."""

    def __init__(self, api: Api, pod: dict[str, Any], record: PodRecord) -> None:
        self._api = api
        self._pod = pod
        self._record = record
        self._changed = asyncio.Event()
        self._edited = asyncio.Event()

    def mark_changed(self) -> None:
        self._changed.set()

    def update(self, pod: dict[str, Any]) -> None:
        """Take what the API server has, unless it is older than our own last write."""
        if _version(pod) <= _version(self._pod):
            return
        if pod["metadata"].get("generation") != self._pod["metadata"].get("generation") or _is_relabelled(
            pod, self._pod
        ):
            self._edited.set()
            self._edited = asyncio.Event()
        self._pod = pod
        if pod["spec"].get("readinessGates"):
            self._changed.set()

    async def wait_edited(self) -> None:
        """Return when a user edits the pod after the call."""
        await self._edited.wait()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(_GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what there is to write, again and again until the API server takes it."""
        while True:
            self._changed.clear()
            try:
                return await self.write_once()
            except ApiError as error:
                _log.warning("status of pod %s: %s", self._pod["metadata"]["name"], error)
                await asyncio.sleep(_RETRY_S)

    async def write_once(self) -> None:
        """Write the status if it differs from the API server's; a pod that is gone is left alone. Raises ApiError."""
        status = build_status(self._pod, self._record, now_text())
        if all(self._pod.get("status", {}).get(key) == value for key, value in status.items()):
            return
        metadata = self._pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        try:
            self._pod = await self._api.merge_patch(path, {"metadata": {"uid": metadata["uid"]}, "status": status})
        except ApiError as error:
            if error.status not in (_NOT_FOUND, _CONFLICT):  # a conflict: another pod has its name now
                raise


async def delete_pod(api: Api, pod: dict[str, Any]) -> None:
    """Take the object of a pod that has ended out of the API server, unless its name has another pod by now."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    while True:
        try:
            if (await api.get(path))["metadata"]["uid"] == metadata["uid"]:
                await api.delete(path, grace_s=0)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                _log.warning("deleting pod %s: %s", metadata["name"], error)
                await asyncio.sleep(_RETRY_S)
                continue
        return


def _version(pod: dict[str, Any]) -> int:
    return int(pod["metadata"]["resourceVersion"])


def _is_relabelled(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(one["metadata"].get(key) != other["metadata"].get(key) for key in ("labels", "annotations"))
