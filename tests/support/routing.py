"""Our routing against a cluster, without an agent: both sides' pods, the rendered objects, and requests of users."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.resources import CANARIES, ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES
from canary.api.canary import Canary
from canary.rules.shape import parse_canary
from canary.run.action import SetTraffic
from canary.run.managed import ManagedObject
from canary.run.observation import Route, RouteState
from canary.run.traffic import Traffic
from kube.client import Client
from kube.errors import Conflict
from kube.resource import DEPLOYMENTS, SERVICES
from kube.store import Change, Key
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.rollout import podinfo

Json = dict[str, Any]

_TLS_ENDS_WITHIN_S = 0.25
_MESSAGE = "PODINFO_UI_MESSAGE="
_SERVICE_PARTS = (ManagedObject.APEX_SERVICE, ManagedObject.PRIMARY_SERVICE, ManagedObject.CANARY_SERVICE)
_PARTS = (*_SERVICE_PARTS, ManagedObject.PRIMARY_UPSTREAM, ManagedObject.CANARY_UPSTREAM, ManagedObject.ROUTE)
_WATCHED = (ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES, SERVICES)


@dataclass
class Routed:
    """A canary `app` whose Canary names another provider, so that the cluster's agent leaves it alone.

    `host` is what users ask the gateway for; `answers` counts what all users together got: a side, or a status.
    """

    client: Client
    caches: Caches
    routing: GlooRouting
    parts: ManagedObjects
    session: aiohttp.ClientSession
    gateway: str
    obj: Json
    host: str
    target: Json
    answers: Counter[str] = field(default_factory=Counter)

    def canary(self, analysis: Json | None = None, service: Json | None = None, **spec: Any) -> Canary:
        """The canary with an analysis and service settings."""
        said = {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
            "service": {"port": 9898} | (service or {}),
            "analysis": {"interval": "5s", "threshold": 5} | (analysis or {"stepWeight": 10, "maxWeight": 50}),
        }
        return parse_canary(self.obj | {"spec": said | spec})

    async def keep(self, canary: Canary) -> None:
        """Make all parts as rendered, as a tick does: those that are due, in order, until none is."""
        give_up_at_s = time.monotonic() + 60.0
        while due := self.parts.due(canary, self.target) & set(_PARTS):
            assert time.monotonic() < give_up_at_s, f"still due: {due}"
            try:
                for part in _PARTS:
                    if part in due:
                        await self.parts.apply(canary, self.target, part)
            except Conflict:
                await asyncio.sleep(0.2)

    async def split(self, canary: Canary, primary: int, mirror_percent: int = 0, cookie: str = "") -> Route:
        """Set the split as the next move, and wait until the gateway serves it."""
        wanted = Traffic(100 - primary, mirror_percent, cookie)
        for _ in range(20):
            with suppress(Conflict):
                await self.routing.set_traffic(canary, SetTraffic(wanted, self.seen(canary).sequence + 1))
                break
            await asyncio.sleep(0.2)
        await self.settled(canary)
        route = self.seen(canary)
        assert route.traffic == wanted
        return route

    async def settled(self, canary: Canary) -> None:
        await eventually(lambda: self.seen(canary).state, lambda state: state is not RouteState.PENDING)

    def seen(self, canary: Canary) -> Route:
        """What is read back."""
        route = self.routing.observe(canary, time.time())
        assert route is not None
        return route

    async def ask(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[str, list[str]]:
        """Return the side that answers (or the status of a failure), and the cookies that it sets."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.gateway}{path}"
        async with self.session.request(method, url, headers={"Host": self.host} | named) as response:
            text = await response.text()
            side = _side_on(json.loads(text)) if response.status == 200 else str(response.status)
            return side, response.headers.getall("Set-Cookie", [])

    async def side(self, path: str = "/", method: str = "GET", **headers: str) -> str:
        return (await self.ask(path, method, **headers))[0]

    async def sides(self, count: int, **headers: str) -> Counter[str]:
        """Who answers so many requests."""
        return Counter([await self.side(**headers) for _ in range(count)])

    @asynccontextmanager
    async def users(self, count: int = 4) -> AsyncIterator[None]:
        """Let users ask all the while."""
        self.answers.clear()

        async def use() -> None:
            while True:
                self.answers[await self.side()] += 1
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(use(), name=f"user {number}") for number in range(count)]
            try:
                yield
            finally:
                for task in asking:
                    task.cancel()


@asynccontextmanager
async def routed(cluster: Cluster, namespace: str) -> AsyncIterator[Routed]:
    """Both sides up, a VirtualService, and routing on caches of the namespace; no part is made yet."""
    host = f"{namespace}.example.com"
    async with AsyncExitStack() as stack:
        # Last of all: a TLS connection that is cut off, as a watch's is, needs a moment of its loop to be gone.
        stack.push_async_callback(asyncio.sleep, _TLS_ENDS_WITHIN_S)
        client = await stack.enter_async_context(Client.connect(kubeconfig=cluster.kubeconfig, user_agent="tests/1"))
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        canary = {"metadata": {"name": "app", "namespace": namespace}, "spec": _foreign_spec()}
        obj = await client.create(CANARIES, canary)
        for side in ("app-primary", "app"):
            await client.create(DEPLOYMENTS, _deployment(side, namespace))
        await client.create(VIRTUAL_SERVICES, _virtual_service(namespace, host))
        caches = Caches(client, namespace)
        # Caches keep whole what a stored Canary names; those that tests make are stored nowhere.
        named = obj | {"spec": obj["spec"] | {"upstreamRef": {"name": "tuned"}}}
        caches.concerns.take(Change(Key(namespace, "app"), None, named))
        for resource in _WATCHED:
            await stack.enter_async_context(_running(caches.of(resource).run))
            await caches.of(resource).wait_synced()
        applied = AppliedObjects(client, caches)
        routing = GlooRouting(client, caches, applied, time.time)
        target = await client.get(DEPLOYMENTS, "app", namespace)
        for side in ("app-primary", "app"):
            await eventually(partial(_available, client, side, namespace), bool)
        parts = ManagedObjects(caches, applied, routing)
        yield Routed(client, caches, routing, parts, session, cluster.endpoints["gateway"], obj, host, target)


def _side_on(page: Any) -> str:
    """Read the side on a page of podinfo: its message, or, on /env, which takes more methods, where that comes from."""
    if isinstance(page, dict):
        return str(page["message"])
    return next(str(text).removeprefix(_MESSAGE) for text in page if text.startswith(_MESSAGE))


async def _available(client: Client, name: str, namespace: str) -> int:
    return int((await client.get(DEPLOYMENTS, name, namespace)).get("status", {}).get("availableReplicas", 0))


def _foreign_spec() -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
    return {"provider": "kubernetes", "targetRef": target, "service": {"port": 9898}, "analysis": {"interval": "10s"}}


def _deployment(name: str, namespace: str) -> Json:
    deployment = podinfo(name)
    side = "primary" if name.endswith("-primary") else "canary"
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "PODINFO_UI_MESSAGE", "value": side}]
    deployment["metadata"]["namespace"] = namespace
    return deployment


def _virtual_service(namespace: str, host: str) -> Json:
    routes = [{"matchers": [{"prefix": "/"}], "delegateAction": {"ref": {"name": "app", "namespace": namespace}}}]
    return {
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"virtualHost": {"domains": [host], "routes": routes}},
    }


@asynccontextmanager
async def _running(work: Callable[[], Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(work(), name="cache")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
