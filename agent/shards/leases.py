"""The Leases of an agent: one where there is one leader; else one for each shard, and two that keep order.

Agents of another number of shards divide the namespaces otherwise. So the Lease that a single leader holds is held by
all agents of one number together, and those of another number wait until the last of them is gone. An agent that leads
nothing shows itself by the Lease of those who wait, so that one that leads two shards hands one back.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from agent.shards.balance import patience_s, to_hand_back
from kube.client import Client
from kube.leadership import Timing
from kube.lease import LeaseHolder, Tenure, since_boot_s
from service.installation import held_together, shard_leases, waiting_lease

_log = logging.getLogger(__name__)

# So long whoever handed a shard back leaves it to others; if nobody takes it, it is led again.
_HANDED_BACK_FOR_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Term:
    """One time as the leader of a shard, without a gap. `among` is the tenure of all agents of so many shards."""

    tenure: Tenure
    among: Tenure | None
    is_surplus: asyncio.Event

    @property
    def is_on(self) -> bool:
        """Return whether nobody else can lead the shard, even if this process was suspended for a while."""
        return self.tenure.is_on and (self.among is None or self.among.is_on)

    async def wait_end(self) -> None:
        """Wait until it is over, or is to be ended: whoever leads stops then, and hands the shard back."""
        ends = [self.tenure.wait_over(), self.is_surplus.wait()]
        if self.among is not None:
            ends.append(self.among.wait_over())
        tasks = [asyncio.ensure_future(end) for end in ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class ShardLeases:
    """`async with ShardLeases(...) as leases` campaigns for all shards; its end gives back what is held.

    Stop what only a leader may do before that. `lease` is the name of the Lease of a single leader.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        lease: str,
        identity: str,
        shards: int,
        timing: Timing | None = None,
        clock: Callable[[], float] = since_boot_s,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._identity = identity
        self._timing = timing or Timing()
        self._sleep = sleep
        make = partial(LeaseHolder, client, namespace=namespace, timing=timing, clock=clock, sleep=sleep)
        self._holders = tuple(
            make(name=name, identity=identity, patience_s=self._patience_s) for name in shard_leases(lease, shards)
        )
        self._among: LeaseHolder | None = None
        self._waiting: LeaseHolder | None = None
        if shards > 1:
            self._among = make(name=lease, identity=held_together(shards), is_shared=True)
            self._waiting = make(name=waiting_lease(lease), identity=identity, patience_s=self._waits_s)
        self._surplus = [asyncio.Event() for _ in self._holders]

    def led(self) -> list[int]:
        """Return the shards whose Leases this process holds."""
        return [shard for shard, holder in enumerate(self._holders) if holder.is_leader]

    async def wait_term(self, shard: int) -> Term:
        """Return the term of this process as soon as it has the shard's Lease."""
        tenure = await self._holders[shard].wait_acquired()
        self._surplus[shard] = asyncio.Event()
        return Term(tenure, None if self._among is None else self._among.tenure, self._surplus[shard])

    async def hand_back(self, shard: int, term: Term) -> None:
        """Let others have a shard, for a while if it was one too many. Stop leading it first."""
        left_s = _HANDED_BACK_FOR_S if term.is_surplus.is_set() else 0.0
        await self._holders[shard].give_back(term.tenure, for_s=left_s)

    async def __aenter__(self) -> Self:
        for holder in self._all():
            await holder.__aenter__()
        self._balancing = asyncio.create_task(self._balance(), name="balance of shards")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._balancing.cancel()
        await asyncio.gather(self._balancing, return_exceptions=True)
        # All at once: of an API server that hangs none of them waits for the others.
        await asyncio.gather(*(holder.__aexit__(kind, error, trace) for holder in self._all()))

    def _all(self) -> list[LeaseHolder]:
        return [holder for holder in (self._among, *self._holders, self._waiting) if holder is not None]

    def _patience_s(self) -> float:
        return patience_s(len(self.led())) if self._may_lead() else math.inf

    def _waits_s(self) -> float:
        return math.inf if self.led() or not self._may_lead() else 0.0

    def _may_lead(self) -> bool:
        """Return whether the agents of this number of shards are those who lead: others have divided otherwise."""
        return self._among is None or self._among.is_leader

    async def _balance(self) -> None:
        """Ask for the end of a term that is one too many, whenever there is one; until cancelled."""
        if self._waiting is None:
            return
        while True:
            await self._sleep(self._timing.look_s)
            if self._waiting.is_leader and math.isinf(self._waits_s()):
                await self._waiting.give_back(self._waiting.tenure)
            holders = [holder.holder for holder in self._holders]
            is_somebody_waiting = self._waiting.holder not in {None, "", self._identity}
            shard = to_hand_back(holders, self._identity, is_somebody_waiting=is_somebody_waiting)
            if shard is not None and not self._surplus[shard].is_set():
                _log.info("shard %d is handed back: another agent leads fewer", shard)
                self._surplus[shard].set()
