"""Events about objects, as `kubectl describe` shows them: written in the background, repeats counted."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from kube.backoff import Backoff
from kube.errors import AlreadyExists, Conflict, KubeError, NotFound, TransientError
from kube.own_time import own_s
from kube.pace import LONGEST_ALONE_S
from kube.resource import EVENTS
from kube.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from kube.client import Client
    from kube.pace import Pace
    from kube.resource import Object

_log = logging.getLogger(__name__)

# As client-go's: so many different events are recognised when they repeat.
REMEMBERED_EVENTS = 4096
LONGEST_NAME = 253
# As long as a note of events.k8s.io may be. What others say of a cluster with hundreds of faults has no end.
LONGEST_MESSAGE = 1024

_MOST_WRITERS = 32
# None is so urgent that it goes on while the API server asks to be left alone.
_IN_ITS_TURN = 1


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


class _Subject(NamedTuple):
    """The object that Events are about."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class _Job:
    """An Event to be written, under `name` unless it is a repeat: tried again, it stays one Event."""

    key: _EventKey
    at: datetime
    name: str
    give_up_at_s: float
    done: asyncio.Event

    @property
    def about(self) -> str:
        """Return the object and the message, for the log."""
        return f"{self.key.kind} {self.key.namespace}/{self.key.name}: {self.key.message}"


@dataclass(frozen=True, slots=True)
class _HalfPace:
    """The pace of the Events: the other half is left to what they tell of.

    They give way to nobody: a transition waits for those of the one before, so it would be later by seconds for each.
    """

    whole: Pace

    @property
    def at_once(self) -> int:
        return max(self.whole.at_once // 2, 1)

    @property
    def alone_s(self) -> float:
        return self.whole.alone_s

    @property
    def gives_way_s(self) -> float:
        return 0.0

    @property
    def patience_s(self) -> float:
        return math.inf

    @property
    def hangs_after_s(self) -> float:
        return self.whole.hangs_after_s


class EventRecorder:
    """`async with EventRecorder(client) as recorder`: its end writes what is queued, for `drain_s` at most.

    `record` only queues. Those of one object are written in their order, those of several objects at once: half as many
    as the pace of the API server allows, fair between namespaces. What can't be written now is tried again for
    `kept_for_s`; after that, or when it is refused, that is logged and the Event is lost, and so is one without a name
    of its own (`once`) when `capacity` others of its namespace wait, or `total_capacity` of all.
    """

    def __init__(
        self,
        client: Client,
        *,
        component: str = "serin",
        instance: str = "",
        capacity: int = 200,
        total_capacity: int = 10_000,
        kept_for_s: float = 600.0,
        drain_s: float = 5.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._capacity = capacity
        self._total_capacity = total_capacity
        self._slots = Slots(_HalfPace(client.pace), at_most=_MOST_WRITERS, own_s=own_s)
        self._kept_for_s = kept_for_s
        self._drain_s = drain_s
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(first_s=0.2, max_s=10.0)
        self._queues: dict[_Subject, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._written: OrderedDict[_EventKey, _Written] = OrderedDict()
        self._unwritten = 0
        self._unwritten_of: Counter[str] = Counter()
        self._last_suffix = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._drain_s)
            if self._unwritten:
                _log.warning("%d events were not written in %.1f s", self._unwritten, self._drain_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Return how many Events are not written yet."""
        return self._unwritten

    def record(
        self, obj: Object, type_: Literal["Normal", "Warning"], reason: str, message: str, *, once: str = ""
    ) -> asyncio.Event:
        """Queue an Event about `obj`, of which apiVersion, kind, and metadata's name, namespace and uid are used.

        `once` is the name of the Event itself: recorded again under that name, after a restart too, it stays one Event.
        Return an asyncio.Event that is set when the Event is written, or lost for good.
        """
        metadata = obj["metadata"]
        key = _EventKey(
            api_version=obj["apiVersion"],
            kind=obj["kind"],
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            type=type_,
            reason=reason,
            message=message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 3] + "...",
            once=once,
        )
        name = once or self._fresh_name(key)
        job = _Job(key, self._now(), name, self._clock() + self._kept_for_s, asyncio.Event())
        is_full = self._unwritten_of[key.namespace] >= self._capacity or self._unwritten >= self._total_capacity
        if is_full and not once:
            _log.warning("event lost, too many others wait: %s", job.about)
            job.done.set()
            return job.done
        self._unwritten += 1
        self._unwritten_of[key.namespace] += 1
        self._queue(job)
        return job.done

    def _queue(self, job: _Job) -> None:
        subject = _Subject(job.key.kind, job.key.namespace, job.key.name)
        queue = self._queues.get(subject)
        if queue is not None:
            queue.append(job)
            return
        queue = self._queues[subject] = deque([job])
        task = asyncio.create_task(self._write_queue(subject, queue), name=f"events of {'/'.join(subject)}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_queue(self, subject: _Subject, queue: deque[_Job]) -> None:
        """Write what is queued about an object, then give the queue up."""
        try:
            while queue:
                job = queue[0]
                await self._write_at_last(job)
                queue.popleft()
                self._unwritten -= 1
                self._unwritten_of[subject.namespace] -= 1
                if not self._unwritten_of[subject.namespace]:
                    del self._unwritten_of[subject.namespace]
                job.done.set()
        finally:
            del self._queues[subject]

    async def _write_at_last(self, job: _Job) -> None:
        """Write an Event, however often it takes; return when it is written, or lost for good."""
        for failures in count(1):
            try:
                async with self._slots.of(job.key.namespace, _IN_ITS_TURN):
                    await self._write(job)
            except (TransientError, Conflict) as error:
                # A quota that others count up at the same moment answers a create with a conflict, too.
                asked_s = min(error.retry_after_s, LONGEST_ALONE_S) if isinstance(error, TransientError) else 0.0
                delay_s = max(asked_s, self._backoff.delay_s(failures))
                if self._clock() + delay_s > job.give_up_at_s:
                    _log.warning("event lost, tried for %.0f s: %s: %s", self._kept_for_s, job.about, error)
                    return
                _log.info("event to be written again in %.1f s: %s: %s", delay_s, job.about, error)
            except KubeError as error:
                _log.warning("event lost: %s: %s", job.about, error)
                return
            except Exception:  # noqa: BLE001  whatever it is, the events after it are still to be written
                _log.exception("event lost: %s", job.about)
                return
            else:
                return
            await self._sleep(delay_s)

    async def _write(self, job: _Job) -> None:
        key, written = job.key, self._written.get(job.key)
        if written is not None:
            # An Event lives for an hour by default; a repeat after that is a new one.
            with suppress(NotFound):
                await self._count_up(key, written, job.at)
                return
        # By an agent before a restart, or by an attempt of which only the answer was lost.
        with suppress(AlreadyExists):
            await self._client.create(EVENTS, self._event(job))
        if not key.once:
            self._keep(key, _Written(job.name, 1))

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

    def _event(self, job: _Job) -> Object:
        key, at = job.key, job.at
        return {
            "metadata": {"name": job.name, "namespace": key.namespace or "default"},
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
