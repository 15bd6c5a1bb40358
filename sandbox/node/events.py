"""Events on pods, so that `kubectl describe pod` tells what happened; the same event again raises its count."""

import asyncio
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.api import Api, ApiError
from sandbox.node.clock import now_text

_log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 1024
_LONGEST_QUEUE = 1000
_REMEMBERED = 4096


@dataclass(frozen=True)
class Event:
    """`subject` is an involvedObject; `kind` is Normal or Warning."""

    subject: tuple[tuple[str, str], ...]
    kind: str
    reason: str
    message: str


@dataclass
class EventRecorder:
    """Writes events in the background, one after the other, and drops them when the API server can't keep up."""

    api: Api
    node_name: str
    _queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(_LONGEST_QUEUE))
    _written: dict[Event, dict[str, Any]] = field(default_factory=dict)

    def record(self, pod: dict[str, Any], kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        metadata = pod["metadata"]
        subject = {
            "apiVersion": "v1", "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"],
            "uid": metadata["uid"], "fieldPath": field_path,
        }  # fmt: skip
        event = Event(tuple(subject.items()), kind, reason, message[:_LONGEST_MESSAGE])
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            _log.warning("event dropped: %s %s", reason, message)

    async def run(self) -> None:
        """Write what is recorded, for ever."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except ApiError as error:
                _log.info("event %s not written: %s", event.reason, error)

    async def _write(self, event: Event) -> None:
        namespace = dict(event.subject)["namespace"]
        path = f"/api/v1/namespaces/{namespace}/events"
        known = self._written.get(event)
        if known is None:
            self._written[event] = await self.api.create(path, self._body(event, namespace))
            if len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]
            return
        patch = {"count": known["count"] + 1, "lastTimestamp": now_text()}
        self._written[event] = await self.api.merge_patch(f"{path}/{known['metadata']['name']}", patch)

    def _body(self, event: Event, namespace: str) -> dict[str, Any]:
        subject = dict(event.subject)
        now = now_text()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": f"{subject['name']}.{uuid.uuid4().hex[:16]}"},
            "involvedObject": subject,
            "type": event.kind,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": "kubelet", "host": self.node_name},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
