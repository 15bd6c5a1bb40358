"""The loop of one canary, and an API server in memory that has this Canary alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from agent.caches import Caches
from agent.loop import CanaryLoop
from agent.main import connect_services
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Destinations
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.alerts.port import Destination
from agent.providers.hooks import Hooks
from agent.reporting.event_hooks import EventHooks
from agent.resources import CANARIES
from agent.series.agent_metrics import AgentMetrics
from agent.settings import Settings
from canary.run.state import State
from canary.run.status import write_status
from kube.events import EventRecorder
from kube.store import Key
from tests.support.canaries import canary_object
from tests.support.json_patch import apply_patch
from tests.support.web import serving
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok

Json = dict[str, Any]

DELETED = "2026-01-01T00:00:00Z"


@dataclass
class CanaryApi:
    """Stores one Canary as the API server does, with its resourceVersion and finalizers, and takes its events.

    `history` is what happened, in order: the texts of events, and `gone`. `puts` are the paths of writes.
    `hook` is called by each hook.
    """

    obj: Json
    caches: Caches
    metrics: AgentMetrics
    history: list[str] = field(default_factory=list)
    hook: Callable[[], Awaitable[None]] | None = None
    hook_calls: int = 0
    hook_code: int = 200
    prunes_status: bool = False
    puts: list[str] = field(default_factory=list)
    conflicts: int = 0

    def write(self, obj: Json) -> Json:
        """Store it under a new resourceVersion, and let the caches have it too."""
        metadata = obj["metadata"] | {"resourceVersion": str(int(self.obj["metadata"]["resourceVersion"]) + 1)}
        self.obj = obj | {"metadata": metadata}
        self.caches.of(CANARIES).remember(self.obj)
        return self.obj

    def edit(self, **annotations: str) -> None:
        """Somebody annotates the Canary."""
        obj = deepcopy(self.obj)
        obj["metadata"]["annotations"] = (obj["metadata"].get("annotations") or {}) | annotations
        self.write(obj)

    @property
    def is_gone(self) -> bool:
        return "gone" in self.history

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read() or b"null")
        if request.path.endswith("/events"):
            self.history.append(body["message"])
            return await ok(body)(request)
        if not request.path.startswith("/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo"):
            return await no(404, "NotFound")(request)
        if request.method == "PATCH":
            patched = self.write(apply_patch(self.obj, body))
            if DELETED in patched["metadata"].values() and not patched["metadata"]["finalizers"]:
                self.history.append("gone")
            return await ok(patched)(request)
        if body["metadata"]["resourceVersion"] != self.obj["metadata"]["resourceVersion"]:
            self.conflicts += 1
            return await no(409, "Conflict")(request)
        self.puts.append(request.path)
        status = {key: value for key, value in body["status"].items() if key != "serin" or not self.prunes_status}
        return await ok(self.write(self.obj | {"status": status}))(request)

    async def answer_hook(self, request: web.Request) -> web.Response:
        self.hook_calls += 1
        if self.hook is not None:
            await self.hook()
        return web.Response(status=self.hook_code)


@asynccontextmanager
async def looping(
    server: ApiServer, state: State, analysis: Json, own: Destination | None = None, **spec: Any
) -> AsyncIterator[CanaryApi]:
    """Run the loop of a Canary in this state; `{hooks}` in an analysis' URLs is the address of the hooks.

    `own` is the agent's own chat.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(server, ManualTime()))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = CanaryApi({}, Caches(client, ""), AgentMetrics("1.2.3"))
        api.metrics.show_canaries(api.caches.of(CANARIES).items)
        hooks_url = await stack.enter_async_context(serving(api.answer_hook))
        obj = canary_object(orjson.loads(orjson.dumps(analysis).decode().replace("{hooks}", hooks_url)), **spec)
        obj["metadata"]["resourceVersion"] = "1"
        obj["status"] = write_status(state, {}, target_kind="Deployment", generation=1)
        api.obj, server.otherwise = obj, api.answer
        api.caches.of(CANARIES).remember(obj)
        metrics, hooks = api.metrics, Hooks(session=session)
        recorder = await stack.enter_async_context(EventRecorder(client, instance="test"))
        delivery, destinations = Delivery(session=session), Destinations(client, api.caches, own)
        alerts = AlertDispatcher(destinations, delivery, recorder, metrics.count_alert)
        made = connect_services(
            Settings(metrics_server="http://127.0.0.1:1"),
            client,
            api.caches,
            queries=session,
            hooks=hooks,
            recorder=recorder,
            alerts=await stack.enter_async_context(alerts),
            event_hooks=await stack.enter_async_context(EventHooks(hooks, metrics.count_event, time.time)),
            metrics=metrics,
        )
        loop = CanaryLoop(Key("test", "podinfo"), made)
        api.caches.of(CANARIES).subscribe(lambda _: loop.wake())
        task = asyncio.create_task(loop.run(), name="canary")
        try:
            yield api
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
