"""Jobs in the background, one queue for each key: whoever has a job queues it and goes on."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, Self, TypeVar

from canary.api.bounds import MOST_NAMESPACE_QUEUE

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
J = TypeVar("J")


class KeyedQueue(Generic[K, J]):
    """`async with KeyedQueue(...) as queues`: leaving it does what is queued, for `drain_s` at most.

    The jobs of one key are done one after the other, in order; a slow queue holds up no other, and one that has
    `capacity` jobs takes no more. Nor do all of them together take more than `most_of_owner` jobs of one owner, which
    is a namespace. `work` does a job and raises nothing. `what` are the jobs in logs and names.
    """

    def __init__(
        self,
        what: str,
        work: Callable[[J], Awaitable[None]],
        *,
        capacity: int,
        drain_s: float,
        most_of_owner: int = MOST_NAMESPACE_QUEUE,
    ) -> None:
        self._what = what
        self._work = work
        self._capacity = capacity
        self._drain_s = drain_s
        self._most_of_owner = most_of_owner
        self._queues: dict[K, deque[tuple[str, J]]] = {}
        self._owned: Counter[str] = Counter()
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

    @property
    def waiting(self) -> int:
        """Return how many jobs are not done, of all keys."""
        return self._owned.total()

    def put(self, key: K, job: J, owner: str) -> bool:
        """Queue a job under a key; return False when that queue is full, or too many jobs of the owner wait."""
        if self._owned[owner] >= self._most_of_owner:
            return False
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            task = asyncio.create_task(self._run(key, queue), name=f"{self._what} to {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(queue) >= self._capacity:
            return False
        queue.append((owner, job))
        self._owned[owner] += 1
        return True

    async def _run(self, key: K, queue: deque[tuple[str, J]]) -> None:
        """Do what is queued under a key, then give the queue up."""
        try:
            while queue:
                owner, job = queue[0]
                try:
                    await self._work(job)
                except Exception:  # noqa: BLE001  one job that goes wrong must not take the others with it
                    _log.exception("%s to %s: one failed", self._what, key)
                queue.popleft()
                self._release(owner)
        finally:
            for owner, _ in queue:
                self._release(owner)
            del self._queues[key]

    def _release(self, owner: str) -> None:
        self._owned[owner] -= 1
        if not self._owned[owner]:
            del self._owned[owner]
