"""Jobs in the background, one queue for each key: whoever has a job queues it and goes on."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, Self, TypeVar

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
J = TypeVar("J")


class KeyedQueue(Generic[K, J]):
    """`async with KeyedQueue(...) as queues`: leaving it does what is queued, for `drain_s` at most.

    The jobs of one key are done one after the other, in order; a slow queue holds up no other, and one that has
    `capacity` jobs takes no more. `work` does a job and raises nothing. `what` are the jobs in logs and names.
    """

    def __init__(self, what: str, work: Callable[[J], Awaitable[None]], *, capacity: int, drain_s: float) -> None:
        self._what = what
        self._work = work
        self._capacity = capacity
        self._drain_s = drain_s
        self._queues: dict[K, deque[J]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._drain_s)
            if self._queues:
                left = sum(len(queue) for queue in self._queues.values())
                _log.warning("%d %s were not sent in %.1f s", left, self._what, self._drain_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def put(self, key: K, job: J) -> bool:
        """Queue a job under a key; return False when that queue is full."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            task = asyncio.create_task(self._run(key, queue), name=f"{self._what} to {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(queue) >= self._capacity:
            return False
        queue.append(job)
        return True

    async def _run(self, key: K, queue: deque[J]) -> None:
        """Do what is queued under a key, then give the queue up."""
        try:
            while queue:
                try:
                    await self._work(queue[0])
                except Exception:  # noqa: BLE001  one job that goes wrong must not take the others with it
                    _log.exception("%s to %s: one failed", self._what, key)
                queue.popleft()
        finally:
            del self._queues[key]
