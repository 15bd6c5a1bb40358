"""Events about objects, as `kubectl describe` shows them: written in the background, repeats counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from kube.errors import AlreadyExists, KubeError, NotFound
from kube.resource import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from kube.client import Client
    from kube.resource import Object

_log = logging.getLogger(__name__)

# As client-go's: so many different events are recognised when they repeat.
REMEMBERED_EVENTS = 4096
LONGEST_NAME = 253


class _EventKey(NamedTuple):
    """What identifies an Event: two equal ones are one Event with a count of 2."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    message: str
    once: str


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    count: int


class EventRecorder:
    """`async with EventRecorder(client) as recorder`: its end writes what is queued, for `drain_s` at most.

    `record` only queues. When the queue of `capacity` is full, or an Event can't be written, that is logged and the
    Event is lost: what must not be lost belongs into a status.
    """

    def __init__(
        self,
        client: Client,
        *,
        component: str = "serin",
        instance: str = "",
        capacity: int = 1000,
        drain_s: float = 5.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._drain_s = drain_s
        self._now = now
        self._queue: asyncio.Queue[tuple[_EventKey, datetime, asyncio.Event]] = asyncio.Queue(capacity)
        self._written: OrderedDict[_EventKey, _Written] = OrderedDict()
        self._unwritten = 0
        self._last_suffix = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="event recorder")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        try:
            async with asyncio.timeout(self._drain_s):
                await self._queue.join()
        except TimeoutError:
            _log.warning("%d events were not written in %.1f s", self._unwritten, self._drain_s)
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def record(
        self, obj: Object, type_: Literal["Normal", "Warning"], reason: str, message: str, *, once: str = ""
    ) -> asyncio.Event:
        """Queue an Event about `obj`, of which apiVersion, kind, and metadata's name, namespace and uid are used.

        `once` is the name of the Event itself: recorded again under that name, after a restart too, it stays one Event.
        Return an asyncio.Event that is set when the Event is written, or lost for good.
        """
        done = asyncio.Event()
        metadata = obj["metadata"]
        key = _EventKey(
            api_version=obj["apiVersion"],
            kind=obj["kind"],
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            type=type_,
            reason=reason,
            message=message,
            once=once,
        )
        try:
            self._queue.put_nowait((key, self._now(), done))
            self._unwritten += 1
        except asyncio.QueueFull:
            _log.warning("event lost, the queue is full: %s %s/%s: %s", key.kind, key.namespace, key.name, message)
            done.set()
        return done

    async def _run(self) -> None:
        while True:
            key, at, done = await self._queue.get()
            try:
                await self._write(key, at)
            except KubeError as error:
                _log.warning("event lost: %s %s/%s: %s: %s", key.kind, key.namespace, key.name, key.message, error)
            except Exception:  # noqa: BLE001  whatever it is, the events after it are still to be written
                _log.exception("event lost: %s %s/%s: %s", key.kind, key.namespace, key.name, key.message)
            finally:
                self._unwritten -= 1
                self._queue.task_done()
                done.set()

    async def _write(self, key: _EventKey, at: datetime) -> None:
        written = self._written.get(key)
        if written is not None:
            # An Event lives for an hour by default; a repeat after that is a new one.
            with suppress(NotFound):
                await self._count_up(key, written, at)
                return
        body = self._event(key, at)
        if key.once:
            with suppress(AlreadyExists):
                await self._client.create(EVENTS, body)
            return
        await self._client.create(EVENTS, body)
        self._keep(key, _Written(body["metadata"]["name"], 1))

    async def _count_up(self, key: _EventKey, written: _Written, at: datetime) -> None:
        count = written.count + 1
        patch = {"count": count, "lastTimestamp": _timestamp(at)}
        await self._client.merge_patch(EVENTS, written.name, key.namespace or "default", patch)
        self._keep(key, _Written(written.name, count))

    def _keep(self, key: _EventKey, written: _Written) -> None:
        self._written[key] = written
        self._written.move_to_end(key)
        if len(self._written) > REMEMBERED_EVENTS:
            self._written.popitem(last=False)

    def _event(self, key: _EventKey, at: datetime) -> Object:
        namespace = key.namespace or "default"
        return {
            "metadata": {"name": key.once or self._fresh_name(key), "namespace": namespace},
            "involvedObject": {
                "apiVersion": key.api_version,
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": key.uid,
            },
            "type": key.type,
            "reason": key.reason,
            "message": key.message,
            "count": 1,
            "firstTimestamp": _timestamp(at),
            "lastTimestamp": _timestamp(at),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }

    def _fresh_name(self, key: _EventKey) -> str:
        """Return a name of client-go's form; two Events of one nanosecond still get two names."""
        self._last_suffix = max(self._last_suffix + 1, time.time_ns())
        suffix = f".{self._last_suffix:x}"
        return key.name[: LONGEST_NAME - len(suffix)].rstrip("-.") + suffix


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
