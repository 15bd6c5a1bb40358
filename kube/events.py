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

# As client-go's: that many different events are known again when they repeat.
REMEMBERED_EVENTS = 4096
LONGEST_NAME = 253


class _News(NamedTuple):
    """What happened to which object; two that are equal are one Event with a count of 2."""

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
    """`async with EventRecorder(client) as recorder`: leaving it writes what is queued, for `drain_s` at most.

    `record` only queues. When the queue of `capacity` is full, or an Event can't be written, it is logged and lost:
    news that must not be lost belongs into a status.
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
        self._queue: asyncio.Queue[tuple[_News, datetime, asyncio.Event]] = asyncio.Queue(capacity)
        self._written: OrderedDict[_News, _Written] = OrderedDict()
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
        """Queues an Event about `obj`, of which apiVersion, kind, and metadata's name, namespace and uid are used.

        `once` names the Event itself: recorded again under the same name, after a restart too, it stays the one Event.
        What is returned is set when the Event is written, or lost for good.
        """
        done = asyncio.Event()
        metadata = obj["metadata"]
        news = _News(
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
            self._queue.put_nowait((news, self._now(), done))
            self._unwritten += 1
        except asyncio.QueueFull:
            _log.warning("event lost, the queue is full: %s %s/%s: %s", news.kind, news.namespace, news.name, message)
            done.set()
        return done

    async def _run(self) -> None:
        while True:
            news, at, done = await self._queue.get()
            try:
                await self._write(news, at)
            except KubeError as error:
                _log.warning("event lost: %s %s/%s: %s: %s", news.kind, news.namespace, news.name, news.message, error)
            except Exception:  # noqa: BLE001  whatever it is, the events after it are still to be written
                _log.exception("event lost: %s %s/%s: %s", news.kind, news.namespace, news.name, news.message)
            finally:
                self._unwritten -= 1
                self._queue.task_done()
                done.set()

    async def _write(self, news: _News, at: datetime) -> None:
        written = self._written.get(news)
        if written is not None:
            # An Event lives for an hour by default; a repeat after that is a new one.
            with suppress(NotFound):
                await self._count_up(news, written, at)
                return
        body = self._event(news, at)
        if news.once:
            with suppress(AlreadyExists):
                await self._client.create(EVENTS, body)
            return
        await self._client.create(EVENTS, body)
        self._keep(news, _Written(body["metadata"]["name"], 1))

    async def _count_up(self, news: _News, written: _Written, at: datetime) -> None:
        count = written.count + 1
        patch = {"count": count, "lastTimestamp": _timestamp(at)}
        await self._client.merge_patch(EVENTS, written.name, news.namespace or "default", patch)
        self._keep(news, _Written(written.name, count))

    def _keep(self, news: _News, written: _Written) -> None:
        self._written[news] = written
        self._written.move_to_end(news)
        if len(self._written) > REMEMBERED_EVENTS:
            self._written.popitem(last=False)

    def _event(self, news: _News, at: datetime) -> Object:
        namespace = news.namespace or "default"
        return {
            "metadata": {"name": news.once or self._fresh_name(news), "namespace": namespace},
            "involvedObject": {
                "apiVersion": news.api_version,
                "kind": news.kind,
                "namespace": news.namespace,
                "name": news.name,
                "uid": news.uid,
            },
            "type": news.type,
            "reason": news.reason,
            "message": news.message,
            "count": 1,
            "firstTimestamp": _timestamp(at),
            "lastTimestamp": _timestamp(at),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }

    def _fresh_name(self, news: _News) -> str:
        """client-go's form of name; two events in one nanosecond still get two names."""
        self._last_suffix = max(self._last_suffix + 1, time.time_ns())
        suffix = f".{self._last_suffix:x}"
        return news.name[: LONGEST_NAME - len(suffix)].rstrip("-.") + suffix


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
