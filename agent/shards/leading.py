"""Leading: a supervisor for each shard whose Lease this agent holds, and none that is left over from before."""

import asyncio
import logging
import socket

from agent.leadership import Fence
from agent.services import AgentServices
from agent.settings import Settings
from agent.shards.assignment import shard_of
from agent.shards.leases import ShardLeases, Term
from agent.supervisor import Supervisor
from kube.client import Client
from kube.leadership import Timing
from kube.store import Key
from service.installation import lease_name
from service.lifetime import running

_log = logging.getLogger(__name__)


async def lead(
    settings: Settings, lease_client: Client, services: AgentServices, fence: Fence, timing: Timing | None = None
) -> None:
    """Supervise while this agent holds a Lease, and again whenever it got it back.

    The caches fill and follow meanwhile, so that a new leader starts warm.
    """
    await services.caches.wait_synced()
    leader = _Leader(services, fence, settings.shards)
    if not settings.is_leader_election_on:
        with fence.opened(lambda: True):
            async with asyncio.TaskGroup() as tasks:
                leader.follow(tasks)
                tasks.create_task(leader.supervise(0), name="supervisor")
        return
    namespace = settings.leader_election_namespace
    name = lease_name(settings.namespace, namespace)
    identity = f"{socket.gethostname()}_{settings.pod_uid}" if settings.pod_uid else services.process
    async with ShardLeases(
        lease_client, namespace=namespace, lease=name, identity=identity, shards=settings.shards, timing=timing
    ) as leases:
        _log.info("lease %s/%s: a candidate as %s", namespace, name, identity)
        async with asyncio.TaskGroup() as tasks:
            leader.follow(tasks)
            for shard in range(settings.shards):
                tasks.create_task(leader.lead(shard, leases), name=f"leader of shard {shard}")


class _Leader:
    """Leads the shards one by one; each has its supervisor while it is led."""

    def __init__(self, services: AgentServices, fence: Fence, shards: int) -> None:
        self._services = services
        self._fence = fence
        self._shards = shards
        self._supervisors: dict[int, Supervisor] = {}
        self._leads = asyncio.Event()
        self._rests = asyncio.Event()

    def follow(self, tasks: asyncio.TaskGroup) -> None:
        """Wake canaries, whichever shards are led, for what concerns all of them."""
        tasks.create_task(self._services.flagger.run(self._wake_all), name="watch of Flagger")
        tasks.create_task(self._follow_queue(), name="queue of runs")

    def _wake_all(self) -> None:
        for supervisor in self._supervisors.values():
            supervisor.wake_all()

    def _wake_one(self, key: Key) -> bool:
        """Wake a canary; return whether this process leads it."""
        supervisor = self._supervisors.get(shard_of(key.namespace, self._shards))
        return supervisor is not None and supervisor.wake_one(key)

    async def _follow_queue(self) -> None:
        """Wake whose run may begin, while anything is led: whoever does not lead lets nobody begin."""
        while True:
            await self._leads.wait()
            async with (
                running(self._services.runs.run(self._wake_one), "queue") as queue,
                running(self._rests.wait(), "rest") as rest,
            ):
                await asyncio.wait({queue, rest}, return_when=asyncio.FIRST_COMPLETED)
                if queue.done():
                    queue.result()
                    await rest  # there are no bounds

    async def lead(self, shard: int, leases: ShardLeases) -> None:
        """Supervise a shard whenever it is this process's to lead."""
        what = f"shard {shard} of {self._shards}" if self._shards > 1 else "all canaries"
        while True:
            term = await leases.wait_term(shard)
            _log.info("leading %s", what)
            await self._serve(shard, term)
            _log.warning("not leading %s any more: nothing of it is changed from here", what)
            await leases.hand_back(shard, term)

    async def _serve(self, shard: int, term: Term) -> None:
        """Supervise until the term is to end; then every loop has ended."""

        async def work() -> None:
            # An outage in which the Lease was lost may have broken off the watches, too.
            await self._services.caches.wait_current()
            await self.supervise(shard)

        with self._fence.opened(lambda: term.is_on, shard):
            async with running(work(), "supervisor") as task, running(term.wait_end(), "leadership") as over:
                await asyncio.wait({over, task}, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    task.result()

    async def supervise(self, shard: int) -> None:
        """Supervise the canaries of a shard until cancelled."""
        supervisor = Supervisor(self._services, lambda namespace: shard_of(namespace, self._shards) == shard)
        self._supervisors[shard] = supervisor
        self._note_led()
        try:
            await supervisor.run()
        finally:
            del self._supervisors[shard]
            self._note_led()

    def _note_led(self) -> None:
        started, ended = (self._leads, self._rests) if self._supervisors else (self._rests, self._leads)
        started.set()
        ended.clear()
