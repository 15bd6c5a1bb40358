"""Jobs in the background: whoever has one queues it and goes on."""

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
    """`async with KeyedQueue(...) as lanes`: leaving it does what is queued, for `drain_s` at most.

    The jobs of one lane are done one after the other, in order; a lane that is slow holds up no other, and one that
    has `capacity` jobs takes no more. `work` does a job and raises nothing. `what` are the jobs in logs and names.
    """

    def __init__(self, what: str, work: Callable[[J], Awaitable[None]], *, capacity: int, drain_s: float) -> None:
        self._what = what
        self._work = work
        self._capacity = capacity
        self._drain_s = drain_s
        self._lanes: dict[K, deque[J]] = {}
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
            if self._lanes:
                left = sum(len(lane) for lane in self._lanes.values())
                _log.warning("%d %s were not sent in %.1f s", left, self._what, self._drain_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def put(self, key: K, job: J) -> bool:
        """Queue a job on a lane; False when the lane is full."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            task = asyncio.create_task(self._run(key, lane), name=f"{self._what} to {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(lane) >= self._capacity:
            return False
        lane.append(job)
        return True

    async def _run(self, key: K, lane: deque[J]) -> None:
        """Do what is on a lane, then give the lane up."""
        try:
            while lane:
                await self._work(lane[0])
                lane.popleft()
        finally:
            del self._lanes[key]
