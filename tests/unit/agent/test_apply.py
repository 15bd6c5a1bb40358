"""What actions do to an API server in memory, at the edges: the target or another writer was faster."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.applied_objects import AppliedObjects
from agent.apply import Applier
from agent.caches import Caches
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.release_objects import unreleased_objects
from agent.resources import CANARIES, ROUTE_TABLES, SCALED_OBJECTS
from canary.run.action import Promote, ReleaseObject, ScaleTarget, SetTraffic
from canary.run.managed import ManagedObject
from canary.run.traffic import Traffic
from kube.client import Client
from kube.errors import Conflict, Lost
from kube.resource import DEPLOYMENTS, HPAS, Resource
from render.route_table import read_exposure, route_table
from render.scaled_object import PAUSED_REPLICAS
from tests.support.json_patch import apply_patch
from tests.support.podinfo import canary_object, podinfo_canary, podinfo_deployment, stored
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok, running_api_server

CANARY = podinfo_canary()


class PatchingApi:
    """An API server that patches the objects in `stored`, by plural and name; the caches see them, but no target."""

    def __init__(self, client: Client, server: ApiServer) -> None:
        self.caches = Caches(client, "")
        applied = AppliedObjects(client, self.caches)
        self.now_s = 1000.0
        routing = self.routing = GlooRouting(client, self.caches, applied, lambda: self.now_s)
        self.applier = Applier(client, self.caches, ManagedObjects(self.caches, applied, routing), routing)
        self.stored: dict[str, Any] = {}
        self.undo: Callable[[dict[str, Any]], None] = lambda _: None
        self.store(ROUTE_TABLES, route_table(CANARY, Traffic(50)))
        server.otherwise = self._answer

    def store(self, resource: Resource, rendered: dict[str, Any]) -> dict[str, Any]:
        obj = self.stored[f"{resource.plural}/{rendered['metadata']['name']}"] = stored(rendered)
        self.caches.of(resource).remember(obj)
        return obj

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            plural, name = request.path.split("/")[-1], request.query["fieldSelector"].removeprefix("metadata.name=")
            found = self.stored.get(f"{plural}/{name}")
            return await ok({"metadata": {"resourceVersion": "9"}, "items": [] if found is None else [found]})(request)
        key = "/".join(request.path.split("/")[-2:])
        if request.method != "PATCH" or key not in self.stored:
            return await no(404, "NotFound")(request)
        patched = self.stored[key] = apply_patch(self.stored[key], orjson.loads(await request.read()))
        patched["metadata"]["resourceVersion"] += "0"
        self.undo(patched)
        return await ok(patched)(request)

    def weights(self) -> tuple[int, int]:
        exposure = read_exposure(CANARY, self.stored["routetables/podinfo"])
        assert exposure is not None
        return exposure.traffic.primary_percent, exposure.traffic.canary_percent


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api_server(tmp_path) as running:
        yield running


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[PatchingApi]:
    async with client_of(server, ManualTime()) as client:
        yield PatchingApi(client, server)


async def test_traffic_is_pulled_from_a_target_that_is_gone(api: PatchingApi) -> None:
    await api.applier.apply(CANARY, SetTraffic(Traffic(), 5))
    assert api.weights() == (100, 0)


@pytest.mark.parametrize("action", [Promote("rev-2"), ScaleTarget(2)])
async def test_nothing_else_is_done_without_a_target(
    api: PatchingApi, server: ApiServer, action: Promote | ScaleTarget
) -> None:
    going = podinfo_deployment()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    api.store(DEPLOYMENTS, going)
    await api.applier.apply(CANARY, action)
    assert server.seen == []


async def test_a_scaler_that_is_still_paused_is_let_go_of(api: PatchingApi) -> None:
    reference = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo"}
    asked, target = podinfo_canary(autoscalerRef=reference), api.store(DEPLOYMENTS, podinfo_deployment())
    metadata = {"name": "podinfo", "namespace": "test", "annotations": {PAUSED_REPLICAS: "0"}}
    api.store(SCALED_OBJECTS, {"kind": "ScaledObject", "metadata": metadata, "spec": {}})
    assert ManagedObject.TARGET_SCALER in unreleased_objects(asked, target, api.caches)
    await api.applier.apply(asked, ReleaseObject(ManagedObject.TARGET_SCALER))
    assert PAUSED_REPLICAS not in api.stored["scaledobjects/podinfo"]["metadata"]["annotations"]
    assert ManagedObject.TARGET_SCALER not in unreleased_objects(asked, target, api.caches)


async def test_a_route_that_a_webhook_changes_back_is_told_as_lost(api: PatchingApi) -> None:
    def undo(table: dict[str, Any]) -> None:
        destinations = table["spec"]["routes"][-1]["routeAction"]["multi"]["destinations"]
        destinations[0]["weight"], destinations[1]["weight"] = 50, 50

    api.undo = undo
    with pytest.raises(Lost, match=r"RouteTable test/podinfo: spec\.routes: found others than those"):
        await api.applier.apply(CANARY, SetTraffic(Traffic(), 5))


async def test_a_size_that_a_webhook_changes_back_is_told_as_lost(api: PatchingApi) -> None:
    api.store(DEPLOYMENTS, podinfo_deployment())
    api.undo = lambda target: target["spec"].update(replicas=2)
    with pytest.raises(Lost, match=r"Deployment test/podinfo: spec\.replicas: found 2 after 0 was written"):
        await api.applier.apply(CANARY, ScaleTarget(0))


@pytest.mark.parametrize(
    ("manager", "scaled", "is_others"),
    [
        ("serin", "", False),
        ("flagger", "", False),
        ("kube-controller-manager", "", False),
        ("kubectl", "", True),
        ("serin", "podinfo-primary", True),
        ("serin", "podinfo", False),
    ],
)
async def test_a_primarys_size_is_others_where_they_set_it_or_scale_it(
    api: PatchingApi, manager: str, scaled: str, *, is_others: bool
) -> None:
    primary = podinfo_deployment()
    fields = {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    primary["metadata"] |= {"name": "podinfo-primary", "managedFields": [fields]}
    api.store(DEPLOYMENTS, primary)
    hpa = {"metadata": {"name": "own", "namespace": "test"}, "spec": {"scaleTargetRef": {"name": scaled}}}
    api.store(HPAS, {"kind": "HorizontalPodAutoscaler", **hpa})
    canary = podinfo_canary(autoscalerRef=None)
    cached = api.caches.primary(canary)
    assert cached is not None
    assert api.applier._managed.is_scaled_by_others(canary, cached) is is_others


ALL = SetTraffic(Traffic(100), 5)


def with_primary(api: PatchingApi) -> dict[str, Any]:
    """Store the Canary, the target and the primary as the caches have them; return the target."""
    primary = podinfo_deployment()
    primary["metadata"]["name"] = "podinfo-primary"
    api.store(CANARIES, canary_object())
    api.store(DEPLOYMENTS, primary)
    return api.store(DEPLOYMENTS, podinfo_deployment())


def change(obj: dict[str, Any]) -> dict[str, Any]:
    """Return a workload as somebody has written it since, with another template."""
    changed = deepcopy(obj)
    changed["metadata"]["resourceVersion"] = "8"
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "stefanprodan/podinfo:6.0.0"
    return changed


@pytest.mark.parametrize("action", [ALL, Promote("rev-2")])
async def test_a_target_that_changed_since_the_cache_saw_it_does_not_become_all_that_serves(
    api: PatchingApi, server: ApiServer, action: SetTraffic | Promote
) -> None:
    target = with_primary(api)
    changed = api.stored["deployments/podinfo"] = change(target)
    with pytest.raises(Conflict, match="Deployment test/podinfo: it changed, or went, since it was seen"):
        await api.applier.apply(CANARY, action)
    assert [request.method for request in server.seen if request.method != "GET"] == []
    seen = api.caches.target(CANARY)
    assert seen is not None
    assert seen["spec"] == changed["spec"], "the next look sees no more than this one"


async def test_a_target_that_is_gone_behind_the_cache_does_not_become_all_that_serves(api: PatchingApi) -> None:
    with_primary(api)
    del api.stored["deployments/podinfo"]
    with pytest.raises(Conflict):
        await api.applier.apply(CANARY, ALL)
    assert (api.weights(), api.caches.target(CANARY)) == ((50, 50), None)


async def test_a_target_of_which_only_the_status_changed_gets_all_the_traffic(api: PatchingApi) -> None:
    target = with_primary(api)
    api.stored["deployments/podinfo"] = {**target, "metadata": target["metadata"] | {"resourceVersion": "8"}}
    await api.applier.apply(CANARY, ALL)
    assert api.weights() == (0, 100)


async def test_an_agent_with_an_old_status_does_not_roll_the_primary(api: PatchingApi, server: ApiServer) -> None:
    with_primary(api)
    api.stored["canaries/podinfo"] = stored(canary_object())
    api.stored["canaries/podinfo"]["metadata"]["resourceVersion"] = "8"
    with pytest.raises(Conflict, match="Canary test/podinfo: it changed"):
        await api.applier.apply(CANARY, Promote("rev-2"))
    assert {request.method for request in server.seen} == {"GET"}
