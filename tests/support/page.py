"""The page with canaries that a test makes up: the agent's caches, filled without an API server, and its own server."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web

from agent.caches import Caches
from agent.page.access import Access, LoopbackAccess
from agent.page.feed import Feed
from agent.page.recent import Recent
from agent.page.server import Page
from agent.page.traffic import TrafficReader
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.sources import BuiltinSource
from agent.resources import CANARIES
from canary.api.canary import Canary
from kube.client import Client
from kube.resource import DEPLOYMENTS
from tests.support.canaries import canary_object

Json = dict[str, Any]

AT = "2026-11-30T15:00:00Z"


@dataclass
class SmallCluster:
    """Caches that a test writes to; each object gets the next version."""

    caches: Caches = field(default_factory=lambda: Caches(cast("Client", None), ""))
    version: int = 0

    def put(self, obj: Json) -> Json:
        self.version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self.caches.of(CANARIES if obj["kind"] == "Canary" else DEPLOYMENTS).remember(obj)
        return obj

    def delete(self, obj: Json) -> None:
        self.caches.of(CANARIES).forget(obj)

    def put_pods(self, namespace: str, name: str, available: int, wanted: int) -> None:
        self.put(
            {
                "kind": "Deployment",
                "metadata": {"namespace": namespace, "name": name, "uid": f"d-{namespace}-{name}"},
                "spec": {"replicas": wanted, "template": {"metadata": {}}},
                "status": {"availableReplicas": available},
            }
        )


def stored(
    name: str = "podinfo",
    namespace: str = "test",
    *,
    phase: str = "Progressing",
    weight: int = 20,
    ready: Sequence[str] = ("True", "Reconciling", "The canary is valid and watched."),
    ours: Json | None = None,
    **status: Any,
) -> Json:
    """The guide's Canary with a status as the agent writes it; `ours` is added to `status.serin`."""
    obj = canary_object()
    obj["metadata"] |= {"name": name, "namespace": namespace, "uid": f"c-{namespace}-{name}"}
    obj["spec"]["targetRef"]["name"] = name
    kept: Json = {
        "strategy": "canary",
        "sequence": 7,
        "storedAt": AT,
        "change": {"revision": "3f2a9c0d11e4b7a6", "what": "podinfod image 6.0.0 -> 6.0.1", "by": "alice"},
        "news": [{"type": "Normal", "text": f"Advance {name}.{namespace} canary weight {weight}"}],
    }
    condition = dict(zip(("status", "reason", "message"), ready, strict=True))
    obj["status"] = {
        "phase": phase,
        "canaryWeight": weight,
        "failedChecks": 1,
        "iterations": 0,
        "lastAppliedSpec": "3f2a9c0d11e4b7a6",
        "lastPromotedSpec": "a1b2c3d4e5f60718",
        "lastTransitionTime": AT,
        "conditions": [{"type": "Ready", **condition}],
        "serin": kept | (ours or {}),
    } | status
    return obj


@asynccontextmanager
async def serving_page(
    cluster: SmallCluster,
    *,
    access: Access | None = None,
    prometheus: str = "http://127.0.0.1:1",
    least_pause_s: float = 0.0,
    heartbeat: Callable[[], object] = lambda: {"version": "dev", "host": "pod-1", "leader": True, "stale": ""},
    now_s: Callable[[], float] | None = None,
    port: int = 0,
    heartbeat_s: float = 15.0,
) -> AsyncIterator[str]:
    """Serve the page on a port of loopback, 0 for a free one; gives its URL."""
    recent = Recent()
    feed = Feed(cluster.caches, recent, heartbeat, least_pause_s=least_pause_s, heartbeat_s=heartbeat_s)
    async with aiohttp.ClientSession() as session:
        connection = Connection(name=prometheus, address=prometheus, timeout_s=5.0)
        server = Prometheus(Exchange(session, connection))

        def source(_: Canary) -> BuiltinSource:
            return BuiltinSource(server, ())

        traffic = TrafficReader(source) if now_s is None else TrafficReader(source, now_s=now_s)
        page = Page(access=access or LoopbackAccess(), caches=cluster.caches, feed=feed, recent=recent, traffic=traffic)
        with feed.following():
            runner = page.runner()
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
                await site.start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()
                await traffic.close()
