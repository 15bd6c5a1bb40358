"""Jobs in the background, one queue for each key: whoever has a job queues it and goes on."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, Self, TypeVar

from canary.api.bounds import MOST_NAMESPACE_QUEUE, MOST_NAMESPACE_QUEUES

_log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
J = TypeVar("J")


class KeyedQueue(Generic[K, J]):
    """`async with KeyedQueue(...) as queues`: leaving it does what is queued, for `drain_s` at most.

    The jobs of one key are done one after the other, in order; a slow queue holds up no other, and one that has
    `capacity` jobs takes no more, nor more than `most_of_key` of one owner, which is a namespace. All together take
    `most_of_owner` jobs of an owner; beyond that its longest queue gives way, so that a queue that nobody empties
    keeps none of its owner's others out. `work` does a job and raises nothing. `what` are the jobs in logs and names.
    """

    def __init__(
        self,
        what: str,
        work: Callable[[J], Awaitable[None]],
        *,
        capacity: int,
        drain_s: float,
        most_of_key: int = MOST_NAMESPACE_QUEUE,
        most_of_owner: int = MOST_NAMESPACE_QUEUES,
    ) -> None:
        self._what = what
        self._work = work
        self._capacity = capacity
        self._drain_s = drain_s
        self._most_of_key = most_of_key
        self._most_of_owner = most_of_owner
        self._queues: dict[K, deque[tuple[str, J]]] = {}
        self._owned: dict[str, Counter[K]] = {}
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
        return sum(owned.total() for owned in self._owned.values())

    def put(self, key: K, job: J, owner: str) -> J | None:
        """Queue a job under a key; return the job that there is no room for: this one, or one that it took out."""
        owned = self._owned.get(owner, Counter[K]())
        if owned[key] >= self._most_of_key or len(self._queues.get(key, ())) >= self._capacity:
            return job
        given_way = None
        if owned.total() >= self._most_of_owner:
            longest = max(owned, key=lambda other: owned[other])
            if owned[longest] <= owned[key] + 1:
                return job
            given_way = self._take_out(longest, owner)
        self._add(key, job, owner)
        return given_way

    def _take_out(self, key: K, owner: str) -> J:
        """Take out what an owner queued last under a key, where it has two jobs or more: the first may be under way."""
        queue = self._queues[key]
        place = max(place for place, (whose, _) in enumerate(queue) if whose == owner)
        _, job = queue[place]
        del queue[place]
        self._release(key, owner)
        return job

    def _add(self, key: K, job: J, owner: str) -> None:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            task = asyncio.create_task(self._run(key, queue), name=f"{self._what} to {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        queue.append((owner, job))
        self._owned.setdefault(owner, Counter())[key] += 1

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
                self._release(key, owner)
        finally:
            for owner, _ in queue:
                self._release(key, owner)
            del self._queues[key]

    def _release(self, key: K, owner: str) -> None:
        owned = self._owned[owner]
        owned[key] -= 1
        if not owned[key]:
            del owned[key]
        if not owned:
            del self._owned[owner]


class HasQueues(Generic[K, J]):
    """Base of who sends from queues of its own: `async with` ends them, and what waits in them can be asked."""

    def __init__(self, queues: KeyedQueue[K, J]) -> None:
        self._queues = queues

    async def __aenter__(self) -> Self:
        await self._queues.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._queues.__aexit__(kind, error, trace)

    @property
    def waiting(self) -> int:
        """Return how much is not sent yet."""
        return self._queues.waiting
