"""Leader election over a Lease, which is read and written as kube.leadership decides."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from kube.leadership import ObservedLease, Step, Timing, claimed, decide, free_at_s, holder_of, observe, released
from kube.resource import LEASES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from kube.client import Client
    from kube.resource import Object

_log = logging.getLogger(__name__)

RELEASE_WITHIN_S = 3.0

# What is due at once waits for the clock to have moved.
_LEAST_PAUSE_S = 0.01


def since_boot_s() -> float:
    """Return seconds since the machine's boot, those included in which it was suspended: others may lead by then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Tenure:
    """One time as the leader, without a gap: who lost the Lease and got it back has another tenure."""

    def __init__(self, ends_at_s: float, clock: Callable[[], float]) -> None:
        self._ends_at_s = ends_at_s
        self._clock = clock
        self._over = asyncio.Event()

    @property
    def left_s(self) -> float:
        """Return how many seconds are left unless it is renewed; nothing once it is over."""
        return 0.0 if self._over.is_set() else max(self._ends_at_s - self._clock(), 0.0)

    @property
    def is_on(self) -> bool:
        """Return whether no other candidate can be the leader, even if this process was suspended for a while."""
        return self.left_s > 0

    async def wait_over(self) -> None:
        """Wait until it is over; that is at most `renew_within_s` after the last renewal."""
        await self._over.wait()

    def extend(self, ends_at_s: float) -> None:
        """Set a later end; only while it is on."""
        self._ends_at_s = ends_at_s

    def end(self) -> None:
        """End for good."""
        self._over.set()


class LeaseHolder:
    """`async with LeaseHolder(client, ...) as lease` campaigns in the background; its end releases the Lease.

    A Lease that was lost is campaigned for again. Before each write, check that the tenure in which it was decided is
    still on. Stop what only a leader may do before the block ends. `identity` must be unique to this process. `client`
    should have connections of its own: a renewal that waits for those of others comes too late when it matters most.

    `patience_s` is asked at each look for how long a free Lease is left to others; infinity: it is not taken.
    `is_shared`: `identity` is that of several processes, of which each is a leader while any of them renews the Lease;
    none of them gives it back.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        patience_s: Callable[[], float] = lambda: 0.0,
        is_shared: bool = False,
        clock: Callable[[], float] = since_boot_s,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._patience_s = patience_s
        self._is_shared = is_shared
        self._clock = clock
        self._now = now
        self._sleep = sleep
        # As last read or written; None: to be read.
        self._lease: Object | None = None
        self._observed: ObservedLease | None = None
        self._holder: str | None = None
        self._free_since_s = math.inf
        self._not_before_s = -math.inf
        self._due_at_s = -math.inf
        """When the next step is due, unless that is later than the next look."""
        self._stepping = asyncio.Lock()
        self._tenure = Tenure(-math.inf, clock)
        self._acquired = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_leader(self) -> bool:
        """Return whether this process holds the Lease now."""
        return self._tenure.is_on

    @property
    def holder(self) -> str | None:
        """Return who holds the Lease, empty where nobody does (any more), None where that is not known."""
        return self._holder

    @property
    def tenure(self) -> Tenure:
        """Return the tenure of this process, or its last one, which is over."""
        return self._tenure

    async def give_back(self, tenure: Tenure, *, for_s: float = 0.0) -> None:
        """End a tenure: give the Lease back, and leave it to others for so many seconds. Stop leading first.

        One that is over already leaves nothing to be given back, whoever holds the Lease by now.
        """
        async with self._stepping:
            if self._tenure is not tenure or not tenure.is_on:
                return
            tenure.end()
            self._announce()
            self._not_before_s = self._clock() + for_s
            await self._release()
            self._lease = None

    async def wait_acquired(self) -> Tenure:
        """Return the tenure of this process as soon as it is the leader."""
        await self._acquired.wait()
        return self._tenure

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._campaign(), name=f"lease {self._namespace}/{self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        was_leader = self.is_leader
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if was_leader and not self._is_shared:
            await self._release()

    async def _campaign(self) -> None:
        try:
            while True:
                async with self._stepping:
                    await self._take_step_guarded()
                    self._announce()
                await self._sleep(self._pause_s())
                self._announce()
        finally:
            self._acquired.clear()
            self._tenure.end()

    async def _take_step_guarded(self) -> None:
        for is_last_try in (not self._is_shared, True):
            try:
                await self._take_step()
            except KubeError as error:
                # What is stored now is unknown; the next attempt reads it.
                self._lease = None
                is_race = isinstance(error, Conflict | AlreadyExists)
                if is_race and not is_last_try:
                    continue  # another process of this identity was faster
                self._holder = None
                _log.log(
                    logging.INFO if is_race else logging.WARNING, "lease %s/%s: %s", self._namespace, self._name, error
                )
            return

    def _pause_s(self) -> float:
        left_s = self._tenure.left_s
        if left_s > 0:
            return min(self._timing.retry_s, left_s)
        due_in_s = self._due_at_s - self._clock()
        return self._timing.look_s if due_in_s <= 0 else min(self._timing.look_s, max(due_in_s, _LEAST_PAUSE_S))

    async def _take_step(self) -> None:
        started_at_s = self._clock()
        # A request that hangs leaves time for another one, and ends with the tenure at the latest.
        deadline_at_s = started_at_s + min(self._tenure.left_s or math.inf, self._timing.renew_within_s / 2)
        if self._lease is None or self._is_shared:
            self._lease = await self._read(self._client.within(deadline_at_s - started_at_s))
            self._observed = observe(self._lease, self._observed, started_at_s)
        client = self._client.within(deadline_at_s - self._clock())
        step = decide(self._lease, self._observed, self._identity, started_at_s, self._timing.duration_s)
        if step is Step.WAIT or self._is_left(step, started_at_s):
            self._look_on(step)
            return
        match step:
            case Step.CREATE:
                empty: Object = {"metadata": {"namespace": self._namespace, "name": self._name}}
                self._lease = await client.create(LEASES, self._claimed(empty))
            case Step.ACQUIRE | Step.RENEW:
                assert self._lease is not None
                self._lease = await client.replace(LEASES, self._claimed(self._lease))
        self._holder, self._free_since_s = self._identity, math.inf
        self._observed = observe(self._lease, self._observed, started_at_s)
        self._hold_until(started_at_s + self._timing.renew_within_s)

    def _is_left(self, step: Step, now_s: float) -> bool:
        """Return whether a Lease that may be taken is left to others, for now."""
        if self.is_leader:
            return False
        patience_s = self._patience_s()
        if step is Step.RENEW:
            # Ours by what is stored: nobody else takes it. One that is not wanted runs out.
            return math.isinf(patience_s)
        self._free_since_s = min(self._free_since_s, now_s)
        self._due_at_s = max(self._free_since_s + patience_s, self._not_before_s)
        return now_s < self._due_at_s

    def _look_on(self, step: Step) -> None:
        """Note whose the Lease is, which is not taken now."""
        holder = ""
        if step is Step.WAIT:
            assert self._lease is not None
            assert self._observed is not None
            holder, self._free_since_s = holder_of(self._lease), math.inf
            self._due_at_s = free_at_s(self._lease, self._observed, self._timing.duration_s)
        if holder and holder != self._holder:
            _log.info("lease %s/%s: held by %s", self._namespace, self._name, holder)
        self._holder, self._lease = holder, None
        self._tenure.end()

    def _hold_until(self, ends_at_s: float) -> None:
        if self.is_leader:
            self._tenure.extend(ends_at_s)
            return
        self._tenure.end()
        self._tenure = Tenure(ends_at_s, self._clock)

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
            self._acquired.set()
        else:
            self._acquired.clear()
            self._tenure.end()

    async def _release(self) -> None:
        client = self._client.within(RELEASE_WITHIN_S)
        try:
            await self._put_back(client)
        except KubeError as error:
            _log.warning("lease %s/%s not released, it expires: %s", self._namespace, self._name, error)

    async def _put_back(self, client: Client) -> None:
        """Store that nobody holds it, though a renewal may have been under way, whose answer was not waited for."""
        if self._lease is not None:
            with suppress(Conflict):
                await client.replace(LEASES, released(self._lease, self._now()))
                return
        lease = await self._read(client)
        if lease is not None and holder_of(lease) == self._identity:
            await client.replace(LEASES, released(lease, self._now()))
