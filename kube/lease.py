"""Leader election over a Lease, which is read and written as kube.leadership decides."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from kube.errors import KubeError, NotFound
from kube.leadership import ObservedLease, Step, Timing, claimed, decide, observe, released
from kube.resource import LEASES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from kube.client import Client
    from kube.resource import Object

_log = logging.getLogger(__name__)

RELEASE_WITHIN_S = 3.0


class LeaseHolder:
    """`async with LeaseHolder(client, ...) as lease` campaigns in the background; its end releases the Lease.

    `is_leader` is true only while no other candidate can be, even if this process was suspended for a while: check it
    before each write. Stop what only a leader may do before the block ends. `identity` must be unique to this process.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._clock = clock
        self._now = now
        self._sleep = sleep
        # As last read or written; None: to be read.
        self._lease: Object | None = None
        self._observed: ObservedLease | None = None
        self._leadership_ends_at_s = -math.inf
        self._acquired = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_leader(self) -> bool:
        """Return whether this process holds the Lease now."""
        return self._clock() < self._leadership_ends_at_s

    async def wait_acquired(self) -> None:
        """Wait until this process is the leader."""
        await self._acquired.wait()

    async def wait_lost(self) -> None:
        """Wait until this process is not the leader; that is at most `renew_within_s` after the last renewal."""
        await self._lost.wait()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._campaign(), name=f"lease {self._namespace}/{self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._release()

    async def _campaign(self) -> None:
        try:
            while True:
                try:
                    await self._take_step()
                except KubeError as error:
                    # What is stored now is unknown; the next attempt reads it.
                    self._lease = None
                    _log.warning("lease %s/%s: %s", self._namespace, self._name, error)
                self._announce()
                left_s = self._leadership_ends_at_s - self._clock()
                await self._sleep(min(self._timing.retry_s, left_s) if left_s > 0 else self._timing.retry_s)
                self._announce()
        finally:
            self._acquired.clear()
            self._lost.set()

    async def _take_step(self) -> None:
        started_at_s = self._clock()
        # A hanging request must not outlast the leadership: it ends in time for `wait_lost`.
        deadline_at_s = self._leadership_ends_at_s if self.is_leader else started_at_s + self._timing.renew_within_s
        if self._lease is None:
            self._lease = await self._read(self._client.within(deadline_at_s - started_at_s))
            self._observed = observe(self._lease, self._observed, started_at_s)
        client = self._client.within(deadline_at_s - self._clock())
        match decide(self._lease, self._observed, self._identity, started_at_s, self._timing.duration_s):
            case Step.WAIT:
                self._lease = None
                self._leadership_ends_at_s = -math.inf
                return
            case Step.CREATE:
                empty: Object = {"metadata": {"namespace": self._namespace, "name": self._name}}
                self._lease = await client.create(LEASES, self._claimed(empty))
            case Step.ACQUIRE | Step.RENEW:
                assert self._lease is not None
                self._lease = await client.replace(LEASES, self._claimed(self._lease))
        self._observed = observe(self._lease, self._observed, started_at_s)
        self._leadership_ends_at_s = started_at_s + self._timing.renew_within_s

    async def _read(self, client: Client) -> Object | None:
        try:
            return await client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return None

    def _claimed(self, lease: Object) -> Object:
        return claimed(lease, self._identity, self._now(), self._timing)

    def _announce(self) -> None:
        if self.is_leader == self._acquired.is_set():
            return
        _log.info("lease %s/%s: %s", self._namespace, self._name, "acquired" if self.is_leader else "lost")
        if self.is_leader:
            self._lost.clear()
            self._acquired.set()
        else:
            self._acquired.clear()
            self._lost.set()

    async def _release(self) -> None:
        lease, was_leader = self._lease, self.is_leader
        self._leadership_ends_at_s = -math.inf
        if not was_leader or lease is None:
            return
        try:
            await self._client.within(RELEASE_WITHIN_S).replace(LEASES, released(lease, self._now()))
        except KubeError as error:
            _log.warning("lease %s/%s not released, it expires: %s", self._namespace, self._name, error)
