"""A cluster in memory with a real agent in it, faults between them, and users who lose no request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from agent.main import run
from agent.settings import ConfigTracking, Settings
from service.lifetime import running
from tests.support.canaries import canary_object
from tests.support.faults.api import Json, WorldApi
from tests.support.faults.parts import GLOOS_KINDS, Gloo, Hooks, Metrics, Pods, Users
from tests.support.faults.proxy import FaultProxy
from tests.support.faults.virtual_time import Names, VirtualTime, virtual_time
from tests.support.podinfo import podinfo_deployment
from tests.support.stored_api.store import Object, Place
from tests.support.web import serving
from tests.unit.kube.apiserver import write_kubeconfig

_INITIALIZED_WITHIN_S: Final = 60.0
_ENDED_WITHIN_S: Final = 600.0

_ANALYSIS: Final[Json] = {
    "interval": "10s",
    "threshold": 2,
    "stepWeight": 25,
    "maxWeight": 50,
    "metrics": [{"name": "own", "query": "vector(100)", "thresholdRange": {"min": 99}}],
}


@dataclass
class World:
    """The cluster `api`, and what agents speak through: `to_api`, unless one has a way of its own, and `to_metrics`."""

    api: WorldApi
    pods: Pods
    gloo: Gloo
    users: Users
    metrics: Metrics
    hooks: Hooks
    names: Names
    clock: VirtualTime
    to_api: FaultProxy
    to_metrics: FaultProxy
    to_hooks: FaultProxy
    kubeconfig: Path
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def agent(
        self, pod_uid: str = "agent-1", *, shards: int = 1, way: FaultProxy | None = None
    ) -> AsyncIterator["asyncio.Task[None]"]:
        """Run an agent until the block ends; where its `way` to the API server is down by then, that is a kill."""
        path = self.kubeconfig.with_name(f"kubeconfig-{pod_uid}")
        made = Settings(
            metrics_server=f"http://metrics.test:{self.to_metrics.port}",
            kubeconfig=self.kubeconfig if way is None else write_kubeconfig(path, f"http://api.test:{way.port}"),
            port=0,
            pod_uid=pod_uid,
            shards=shards,
            allowed_address_ranges=("127.0.0.0/8",),
            config_tracking=ConfigTracking.OFF,
        )
        async with running(run(made), "agent") as task:
            yield task
            if task.done():
                task.result()

    @asynccontextmanager
    async def way(self) -> AsyncIterator[FaultProxy]:
        """Lay a way to the API server for one of several agents alone."""
        async with FaultProxy(self.api.url, self.session).serving() as laid:
            yield laid

    def status(self, name: str = "podinfo") -> Json:
        """Return a canary's status."""
        status: Json = self.api.get("canaries", name).get("status") or {}
        return status

    def events(self, name: str = "podinfo") -> list[str]:
        """Return the texts of all events about a canary."""
        return [event["message"] for event in self.api.all_of("events") if event["involvedObject"]["name"] == name]

    def weights(self, name: str = "podinfo") -> tuple[int, int]:
        """Return what the gateway serves: the primary's and the canary's weight."""
        served = self.gloo.served.get(name, {})
        return served.get(f"{name}-primary", 0), served.get(name, 0)

    def image(self, name: str) -> str:
        """Return the tag that a Deployment runs."""
        template = self.api.get("deployments", name)["spec"]["template"]
        return str(template["spec"]["containers"][0]["image"]).partition(":")[2]

    def apply(self, name: str = "podinfo", analysis: Json | None = None) -> None:
        """Apply an application, its VirtualService and its canary."""
        target = podinfo_deployment()
        target["metadata"] = {"name": name, "namespace": "test"}
        target["spec"]["selector"]["matchLabels"] = {"app": name}
        target["spec"]["template"]["metadata"]["labels"] = {"app": name}
        reference = {"matchers": [{"prefix": "/"}], "delegateAction": {"ref": {"name": name, "namespace": "test"}}}
        service = {
            "metadata": {"name": name, "namespace": "test"},
            "spec": {"virtualHost": {"domains": [f"{name}.example.com"], "routes": [reference]}},
        }
        obj = canary_object(_ANALYSIS | {"webhooks": []} | (analysis or {}))
        obj["metadata"] = {"name": name, "namespace": "test"}
        obj["spec"]["targetRef"]["name"] = name
        self.api.create("deployments", target)
        self.api.create("virtualservices", service)
        self.api.create("canaries", obj)

    def set_image(self, tag: str, name: str = "podinfo") -> None:
        """Change the target's image."""

        def change(obj: Json) -> None:
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = f"stefanprodan/podinfo:{tag}"

        self.api.edit("deployments", name, change)

    async def until(self, what: str, is_so: Callable[[], bool], within_s: float = _ENDED_WITHIN_S) -> None:
        """Let time pass until it is so."""
        await self.clock.until(is_so, within_s=within_s, what=f"{what}\n{self.status()}")

    async def passes(self, time_s: float) -> None:
        """Let so much time pass."""
        await asyncio.sleep(time_s)

    async def until_phase(self, phase: str, name: str = "podinfo", within_s: float = _ENDED_WITHIN_S) -> None:
        """Let time pass until a canary is in a phase."""
        await self.until(f"{name} is {phase}", lambda: self.status(name).get("phase") == phase, within_s)

    async def initialized(self, analysis: Json | None = None) -> None:
        """Apply podinfo and its canary, and wait until the gateway serves it."""
        self.apply(analysis=analysis)
        await self.until_phase("Initialized", within_s=_INITIALIZED_WITHIN_S)
        await self.until("it is served", lambda: self.weights() == (100, 0), _INITIALIZED_WITHIN_S)

    async def under_way(self, analysis: Json | None = None) -> None:
        """Bring a run of 3.1.1 to its first traffic."""
        await self.initialized(analysis)
        self.set_image("3.1.1")
        await self.until("it has traffic", lambda: self.weights()[1] > 0, _INITIALIZED_WITHIN_S)

    async def promoted(self, tag: str = "3.1.1", within_s: float = _ENDED_WITHIN_S) -> None:
        """Wait until the run has ended well, and nobody has lost a request."""

        def is_promoted() -> bool:
            status = self.status()
            is_over = (status.get("serin") or {}).get("finishedRevision") == status.get("lastAppliedSpec")
            return status.get("phase") == "Succeeded" and is_over and self.image("podinfo-primary") == tag

        await self.until(f"{tag} is promoted", is_promoted, within_s)
        await self.until("it is scaled down", lambda: not self.api.get("deployments", "podinfo")["spec"]["replicas"])
        # What there is to tell of it is an event by then, and whoever still has a share of the traffic has lost it.
        await self.passes(5.0)
        assert self.weights() == (100, 0)
        assert self.users.lost == []


@asynccontextmanager
async def fault_world(folder: Path) -> AsyncIterator[World]:
    """Return a cluster without an agent, in a time that passes while nobody has anything to do."""
    names = Names()
    async with AsyncExitStack() as stack:
        clock = stack.enter_context(virtual_time(names))
        api, metrics, hooks = WorldApi(clock.true_time), Metrics(), Hooks()
        pods, gloo = Pods(api), Gloo(api)
        users = Users(pods, gloo, clock.monotonic)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        _ = await stack.enter_async_context(api.serving())

        def on_change(place: Place, _: Object | None, now: Object | None) -> None:
            if place.plural == "deployments":
                pods.on_change(place, now)
            if place.plural in GLOOS_KINDS:
                gloo.on_change(place, now)
            users.look()

        api.store.listeners.append(on_change)
        proxies = [
            await stack.enter_async_context(FaultProxy(upstream, session).serving())
            for upstream in (
                api.url,
                await stack.enter_async_context(serving(metrics.answer)),
                await stack.enter_async_context(serving(hooks.answer)),
            )
        ]
        kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://api.test:{proxies[0].port}")
        _ = await stack.enter_async_context(running(users.run(), "users"))
        to_api, to_metrics, to_hooks = proxies
        yield World(
            api, pods, gloo, users, metrics, hooks, names, clock, to_api, to_metrics, to_hooks, kubeconfig, session
        )
