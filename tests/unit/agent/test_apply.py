"""What actions do to an API server in memory, at the edges: the target or another writer was faster."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.applied import AppliedObjects
from agent.apply import Applier
from agent.caches import Caches
from agent.parts import Parts
from agent.providers.routing.gloo import GlooRouting
from agent.resources import ROUTE_TABLES
from canary.action import Promote, ScaleTarget, SetWeights
from kube.client import Client
from kube.resource import DEPLOYMENTS
from render.route_table import read_exposure, route_table
from render.split import Split
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok, running_api_server

CANARY = podinfo_canary()


class World:
    """An API server with a RouteTable whose canary has half of the traffic, and no target."""

    def __init__(self, client: Client, server: ApiServer) -> None:
        self.caches = Caches(client, "")
        applied = AppliedObjects(client, self.caches)
        routing = GlooRouting(client, self.caches, applied, lambda: 1000.0)
        self.applier = Applier(client, self.caches, Parts(self.caches, applied, routing), routing)
        self.table = stored(route_table(CANARY, Split(50, 50)))
        self.caches.of(ROUTE_TABLES).remember(self.table)
        server.otherwise = self._answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method != "PATCH" or not request.path.endswith("/routetables/podinfo"):
            return await no(404, "NotFound")(request)
        self.table = apply_patch(self.table, orjson.loads(await request.read()))
        return await ok(self.table)(request)

    def weights(self) -> tuple[int, int]:
        split: Any = read_exposure(CANARY, self.table)
        return split.primary, split.canary


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api_server(tmp_path) as running:
        yield running


@pytest.fixture
async def world(server: ApiServer) -> AsyncIterator[World]:
    async with client_of(server, ManualTime()) as client:
        yield World(client, server)


async def test_traffic_is_pulled_from_a_target_that_is_gone(world: World) -> None:
    await world.applier.apply(CANARY, SetWeights(100, 0, 5))
    assert world.weights() == (100, 0)


@pytest.mark.parametrize("action", [Promote("rev-2"), ScaleTarget(2)])
async def test_nothing_else_is_done_without_a_target(
    world: World, server: ApiServer, action: Promote | ScaleTarget
) -> None:
    going = stored(podinfo_deployment())
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.caches.of(DEPLOYMENTS).remember(going)
    await world.applier.apply(CANARY, action)
    assert server.seen == []
