"""Agents that campaign for shards over an API server in memory; time passes when nobody has work left."""

import asyncio
import copy
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from agent.shards.leases import ShardLeases, Term
from kube.client import Client
from kube.errors import AlreadyExists, Conflict, NotFound, Unavailable
from kube.resource import Resource

Object = dict[str, Any]

# Nobody's work takes more turns of the event loop than that between two moments.
_TURNS = 12


@dataclass
class World:
    """The time, and what is stored. `latency_s` is how long each half of a request takes."""

    now_s: float = 1000.0
    latency_s: Callable[[], float] = lambda: 0.01
    leases: dict[str, Object] = field(default_factory=dict)
    requests: int = 0
    _waiting: list[tuple[float, int, "Process | None", asyncio.Future[None]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def sleep(self, delay_s: float, process: "Process | None" = None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now_s + delay_s, next(self._numbers), process, future))
        await future

    async def pass_time(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Let time pass; `look` is called at each moment at which something happens."""
        until_s = self.now_s + seconds
        await _let_all_work()
        while self._waiting and self._waiting[0][0] <= until_s:
            due_s, number, process, future = heapq.heappop(self._waiting)
            if process is not None and process.stopped_until_s > due_s:
                heapq.heappush(self._waiting, (process.stopped_until_s, number, process, future))
                continue
            self.now_s = max(self.now_s, due_s)
            if not future.done():
                look()  # before anybody could notice what time it is
                future.set_result(None)
                await _let_all_work()
                look()
        self.now_s = until_s


async def _let_all_work() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class StoredLeases:
    """Takes the place of a client, for one process: what it sends arrives even if it is stopped meanwhile."""

    def __init__(self, world: World, process: "Process") -> None:
        self._world = world
        self._process = process

    def within(self, _: float) -> "StoredLeases":
        return self

    async def get(self, _: Resource, name: str, __: str) -> Object:
        def answer() -> Object:
            if name not in self._world.leases:
                raise NotFound(f"no {name}")
            return self._world.leases[name]

        return await self._ask(name, answer)

    async def create(self, _: Resource, body: Object) -> Object:
        def answer() -> Object:
            if body["metadata"]["name"] in self._world.leases:
                raise AlreadyExists("it is there")
            return self._store(body)

        return await self._ask(body["metadata"]["name"], answer)

    async def replace(self, _: Resource, body: Object) -> Object:
        def answer() -> Object:
            stored = self._world.leases[body["metadata"]["name"]]
            if stored["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                raise Conflict("somebody was faster")
            return self._store(body)

        return await self._ask(body["metadata"]["name"], answer)

    def _store(self, body: Object) -> Object:
        self._world.requests += 1
        metadata = body["metadata"] | {"resourceVersion": str(self._world.requests)}
        self._world.leases[metadata["name"]] = body | {"metadata": metadata}
        return self._world.leases[metadata["name"]]

    async def _ask(self, name: str, answer: Callable[[], Object]) -> Object:
        world, process = self._world, self._process
        if process.is_cut_off or name in process.unreachable:
            await world.sleep(2.0, process)
            raise Unavailable("no answer")
        await world.sleep(world.latency_s())
        found = copy.deepcopy(answer())
        await world.sleep(world.latency_s(), process)
        return found


class Process:
    """An agent that does nothing with what it leads. It may be killed, stopped for a while, cut off, or ended."""

    def __init__(self, world: World, name: str, shards: int) -> None:
        self._world = world
        self.name = name
        self.shards = shards
        self.stopped_until_s = 0.0
        self.is_cut_off = False
        self.unreachable: tuple[str, ...] = ()
        self.terms: dict[int, Term] = {}
        self._task: asyncio.Task[None] | None = None
        self._leases: ShardLeases | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self._leases = ShardLeases(
            cast("Client", StoredLeases(self._world, self)),
            namespace="gloo-system",
            lease="serin-agent",
            identity=self.name,
            shards=self.shards,
            clock=lambda: self._world.now_s,
            sleep=lambda delay_s: self._world.sleep(delay_s, self),
        )
        async with self._leases as leases, asyncio.TaskGroup() as tasks:
            for shard in range(self.shards):
                tasks.create_task(self._lead(shard, leases))

    async def _lead(self, shard: int, leases: ShardLeases) -> None:
        while True:
            term = self.terms[shard] = await leases.wait_term(shard)
            try:
                await term.wait_end()
            finally:
                del self.terms[shard]
            await leases.hand_back(shard, term)

    def led(self) -> list[int]:
        """Return what it could write now, was it to wake up this moment."""
        return sorted(shard for shard, term in self.terms.items() if term.is_on)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more, nothing is given back."""
        self.stopped_until_s = float("inf")
        self.terms.clear()

    def end(self) -> None:
        """SIGTERM."""
        assert self._task is not None
        self._task.cancel()
