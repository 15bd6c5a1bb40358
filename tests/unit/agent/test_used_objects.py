"""The agent keeps whole what a canary names or owns; what it begins to name is read before anything is decided."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from agent.caches import Caches
from agent.loop import CanaryLoop
from agent.main import freeze_once_synced
from agent.resources import CANARIES, SCALED_OBJECTS, UPSTREAMS
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from kube.client import WatchEvent
from kube.errors import Unread
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, SERVICES, Resource
from kube.store import Key
from service.lifetime import running
from tests.support.canaries import canary_object
from tests.support.connected import connected
from tests.support.patience import PATIENCE_S
from tests.support.podinfo import podinfo_deployment
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, hang, listing, running_api_server

OWNER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "gone", "uid": "1", "controller": True}


def some_object(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    """An object that is one of any kind, as far as anybody looks."""
    made = podinfo_deployment()
    made["metadata"] = {"name": name, "namespace": "test", "uid": name, "resourceVersion": str(version), **metadata}
    made["spec"] |= {"scaleTargetRef": {"name": name}}
    return made


def stored_canary(version: int, **spec: Any) -> dict[str, Any]:
    made = canary_object(**spec)
    made["metadata"]["resourceVersion"] = str(version)
    return made


def names_of_whole(caches: Caches, resource: Resource) -> set[str]:
    return {found["metadata"]["name"] for found in caches.of(resource).items()}


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        (DEPLOYMENTS, {"podinfo", "podinfo-primary"}),
        (DAEMONSETS, {"podinfo", "podinfo-primary"}),
        (SERVICES, {"podinfo", "podinfo-primary", "podinfo-canary"}),
        (UPSTREAMS, {"test-podinfo-primaryupstream-9898", "test-podinfo-canaryupstream-9898"}),
        (HPAS, {"scaler", "scaler-primary"}),
        (SCALED_OBJECTS, {"scaler", "scaler-primary"}),
    ],
    ids=lambda value: getattr(value, "plural", ""),
)
def test_whole_are_the_objects_that_a_canary_names_or_owns(resource: Resource, named: set[str]) -> None:
    caches = Caches(None, "")  # type: ignore[arg-type]  # nothing is asked
    reference = {"kind": "HorizontalPodAutoscaler", "name": "scaler"}
    caches.of(CANARIES).remember(stored_canary(1, autoscalerRef=reference))
    cache = caches.of(resource)
    for version, name in enumerate([*sorted(named), "foreign"], start=10):
        cache._handle_event(WatchEvent("ADDED", some_object(name, version)))
    cache._handle_event(WatchEvent("ADDED", some_object("owned", 20, ownerReferences=[OWNER])))
    assert names_of_whole(caches, resource) == {*named, "owned"}
    with pytest.raises(Unread):
        cache.get("test", "foreign")
    assert caches.has(resource, "test", "foreign") is True
    assert {found["metadata"]["name"] for found in cache.outlines("test")} == {*named, "owned", "foreign"}


def test_what_no_canary_names_any_more_shrinks_again() -> None:
    caches = Caches(None, "")  # type: ignore[arg-type]  # nothing is asked
    canaries, workloads = caches.of(CANARIES), caches.of(DEPLOYMENTS)
    canaries.remember(stored_canary(1))
    for version, name in enumerate(("podinfo", "podinfo-primary", "other"), start=10):
        workloads._handle_event(WatchEvent("ADDED", some_object(name, version)))
    assert names_of_whole(caches, DEPLOYMENTS) == {"podinfo", "podinfo-primary"}
    second = stored_canary(2)
    second["metadata"] |= {"name": "second"}
    canaries.remember(second)
    canaries._handle_event(WatchEvent("DELETED", stored_canary(20)))
    assert names_of_whole(caches, DEPLOYMENTS) == {"podinfo", "podinfo-primary"}  # the other one names them
    renamed = stored_canary(21, targetRef={"kind": "Deployment", "name": "other"})
    renamed["metadata"] |= {"name": "second"}
    canaries._handle_event(WatchEvent("MODIFIED", renamed))
    assert names_of_whole(caches, DEPLOYMENTS) == set()
    workloads._handle_event(WatchEvent("MODIFIED", some_object("other", 30)))
    assert names_of_whole(caches, DEPLOYMENTS) == {"other"}


def test_a_deployment_of_flagger_is_kept_whole_for_it_is_looked_for_everywhere() -> None:
    caches = Caches(None, "")  # type: ignore[arg-type]  # nothing is asked
    flagger = some_object("flagger", 5)
    flagger["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/fluxcd/flagger:1.44.0"
    caches.of(DEPLOYMENTS)._handle_event(WatchEvent("ADDED", flagger))
    assert names_of_whole(caches, DEPLOYMENTS) == {"flagger"}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[ApiServer, AgentServices]]:
    """Services of an agent whose caches hear what the test tells, and read from the API server."""
    async with (
        running_api_server(folder) as api,
        client_of(api, ManualTime()) as client,
        aiohttp.ClientSession() as session,
    ):
        yield api, connected(client, Caches(client, ""), session, AgentMetrics("1.2.3"))


async def test_what_is_there_once_the_caches_are_full_is_no_business_of_the_garbage_collector_any_more() -> None:
    caches = Caches(None, "")  # type: ignore[arg-type]  # nothing is asked
    caches.of(DEPLOYMENTS)._handle_event(WatchEvent("ADDED", kept := some_object("podinfo", 1)))
    try:
        async with running(freeze_once_synced(caches), "freezing") as freezing:
            await asyncio.sleep(0)
            assert gc.get_freeze_count() > 10_000
            later = [kept, [kept]]
            for cache in caches.all():
                cache._store_list({}, "1")
            await asyncio.wait({freezing})
        assert not any(found is later for found in gc.get_objects())
    finally:
        gc.unfreeze()


async def test_a_canary_of_a_target_that_was_there_before_waits_until_it_is_read(tmp_path: Path) -> None:
    """The target is there: whoever decided before it is read would say that it is not."""
    async with served(tmp_path) as (api, services):
        caches, target = services.caches, some_object("podinfo", 5, generation=1)
        may_read, is_asked, is_written = asyncio.Event(), asyncio.Event(), asyncio.Event()
        statuses: list[dict[str, Any]] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            is_asked.set()
            if request.path.endswith("/deployments"):
                await may_read.wait()
                return await listing(30, target)(request)
            if request.path.endswith("/status"):
                statuses.append(orjson.loads(await request.read())["status"])
                is_written.set()
            return await hang()(request)

        api.otherwise = answer
        caches.of(DEPLOYMENTS)._handle_event(WatchEvent("ADDED", target))
        caches.of(CANARIES).remember(stored_canary(20))
        loop = CanaryLoop(Key("test", "podinfo"), services)
        async with running(loop.run(), "canary"), asyncio.timeout(PATIENCE_S):
            await is_asked.wait()
            assert statuses == []
            may_read.set()
            await is_written.wait()
        assert statuses[0]["phase"] == "Initializing"
        assert statuses[0]["conditions"][0]["message"] == "New Deployment detected, starting initialization."
