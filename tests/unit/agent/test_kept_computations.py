"""What is kept of a canary's computations is what they would come to now, whatever was edited since."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import web

from agent.applied_objects import AppliedObjects
from agent.apply import Applier
from agent.blockers import find_blockers
from agent.caches import Caches
from agent.configs import is_started_otherwise, target_revision, tracking_problems
from agent.copy_upkeep import find_upkeep
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.resources import CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, UPSTREAMS
from canary.rules.references import Stage
from canary.run.action import ApplyObject, Promote
from canary.run.managed import ManagedObject
from canary.run.revision import revision_of
from kube.resource import DEPLOYMENTS, HPAS, SERVICES, Object, Resource
from kube.store import Key
from render.objects import UnusableObjectError
from tests.support.podinfo import canary_object, podinfo_canary, podinfo_deployment, podinfo_hpa, stored
from tests.unit.kube.apiserver import ManualTime, client_of, ok, running_api_server

METRIC: Final = {"name": "own", "templateRef": {"name": "own"}, "thresholdRange": {"min": 1}}
ANALYSIS: Final = {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5, "metrics": [METRIC]}
TEMPLATE: Final = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "MetricTemplate",
    "metadata": {"name": "own", "namespace": "test", "uid": "t", "resourceVersion": "7"},
    "spec": {"provider": {"type": "prometheus", "address": "http://prometheus:9090"}, "query": "sum(up)"},
}
MADE: Final = (
    ManagedObject.APEX_SERVICE,
    ManagedObject.PRIMARY_SERVICE,
    ManagedObject.CANARY_SERVICE,
    ManagedObject.PRIMARY_UPSTREAM,
    ManagedObject.CANARY_UPSTREAM,
    ManagedObject.ROUTE,
    ManagedObject.PRIMARY_SCALER,
)

Edit = Callable[[Object], None]


def status(obj: Object) -> None:
    obj["status"] = {"statuses": {"gloo": {"state": "Rejected", "reason": "no"}}, "replicas": 2, "readyReplicas": 1}


def annotation(obj: Object) -> None:
    obj["metadata"]["annotations"] = {}


def owner(obj: Object) -> None:
    reference = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "b", "uid": "b", "controller": True}
    obj["metadata"]["ownerReferences"] = [reference]


def deletion(obj: Object) -> None:
    obj["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"


def pods(obj: Object) -> None:
    obj["spec"]["template"]["metadata"]["labels"] = {"app": "another"}


def podinfos_pods(obj: Object) -> None:
    obj["spec"]["template"]["metadata"]["labels"] = {"app": "podinfo"}


def selector(obj: Object) -> None:
    obj["spec"]["selector"]["matchLabels"] = {"other": "another"}


def configuration(obj: Object) -> None:
    volumes = [{"name": str(number), "configMap": {"name": f"c{number}"}} for number in range(600)]
    obj["spec"]["template"]["spec"]["volumes"] = volumes


def clear(obj: Object) -> None:
    obj["spec"] = {name: {} for name in obj["spec"] if name == "scaleTargetRef"}


def faulty(obj: Object) -> None:
    obj["spec"]["provider"]["type"] = "abacus"


def port(obj: Object) -> None:
    for route in obj["spec"]["routes"]:
        for destination in route["routeAction"]["multi"]["destinations"]:
            upstream = destination["destination"]["upstream"]
            upstream["name"] = upstream["name"].replace("9898", "9899")


def weight(obj: Object) -> None:
    first, second = obj["spec"]["routes"][-1]["routeAction"]["multi"]["destinations"]
    first["weight"], second["weight"] = 70, 30


USUAL: Final = (annotation, owner, status, deletion)
EDITED: Final[tuple[tuple[Resource, str, tuple[Edit, ...]], ...]] = (
    (DEPLOYMENTS, "podinfo", (status, pods, selector, configuration, deletion)),
    (DEPLOYMENTS, "podinfo-primary", (status, owner, pods, selector, configuration, deletion)),
    (DEPLOYMENTS, "neighbour", (podinfos_pods, owner)),
    (SERVICES, "podinfo", (*USUAL, clear)),
    (SERVICES, "podinfo-primary", (*USUAL, clear)),
    (SERVICES, "podinfo-canary", (*USUAL, clear)),
    (UPSTREAMS, "test-podinfo-primaryupstream-9898", (*USUAL, clear)),
    (UPSTREAMS, "test-podinfo-canaryupstream-9898", (*USUAL, clear)),
    (ROUTE_TABLES, "podinfo", (*USUAL, port, weight)),
    (HPAS, "podinfo", (annotation, clear)),
    (HPAS, "podinfo-primary", (*USUAL, clear)),
    (METRIC_TEMPLATES, "own", (annotation, faulty)),
)


class World:
    """A canary with all of its objects as they are to be, and what is made of them."""

    def __init__(self, caches: Caches, managed: ManagedObjects, routing: GlooRouting) -> None:
        self.canary = podinfo_canary(analysis=ANALYSIS)
        self.caches = caches
        self._managed = managed
        self._routing = routing

    def look(self) -> dict[str, Any]:
        """Return all that observing computes of the objects, but for times."""
        canary, caches, routing = self.canary, self.caches, self._routing
        target = caches.target(canary)
        found: dict[str, Any] = {
            "blockers": find_blockers(canary, caches),
            "start": find_blockers(canary, caches, Stage.START),
            "route": routing.observe(canary, 1000.0),
            "unaccepted": routing.unaccepted(canary),
            "port": routing.kept_port(canary),
            "problems": (self._managed.problems(canary), tracking_problems(canary, caches)),
        }
        if target is not None:
            found["revision"] = target_revision(canary, target, caches)
            found["upkeep"] = find_upkeep(canary, target, caches)
            found["otherwise"] = is_started_otherwise(canary, target, caches)
            try:
                found["due"] = self._managed.due(canary, target)
            except UnusableObjectError as error:
                found["due"] = str(error)
        return found

    def edit(self, resource: Resource, name: str, edit: Edit) -> None:
        """Edit an object as it is cached."""
        found = self.caches.of(resource).get("test", name)
        assert found is not None
        edited = deepcopy(found)
        edit(edited)
        edited["metadata"]["resourceVersion"] = str(int(edited["metadata"]["resourceVersion"]) + 1)
        self.caches.of(resource).remember(edited)

    def forget(self) -> None:
        """Keep nothing of what was computed."""
        self.caches.forget_memo(Key("test", "podinfo"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            resource = CANARIES if "/canaries" in request.path else DEPLOYMENTS
            found = [one for one in caches.of(resource).items() if one["metadata"]["name"] == "podinfo"]
            return await ok({"metadata": {"resourceVersion": "9"}, "items": found})(request)
        body = orjson.loads(await request.read())
        return await ok(stored(body), 201 if request.method == "POST" else 200)(request)

    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        server.otherwise = answer
        caches = Caches(client, "")
        applied = AppliedObjects(client, caches)
        routing = GlooRouting(client, caches, applied, lambda: 1000.0)
        managed = ManagedObjects(caches, applied, routing)
        world = World(caches, managed, routing)
        for resource, obj in ((DEPLOYMENTS, podinfo_deployment()), (HPAS, podinfo_hpa()), (METRIC_TEMPLATES, TEMPLATE)):
            caches.of(resource).remember(stored(obj))
        neighbour = stored(podinfo_deployment())
        neighbour["metadata"] |= {"name": "neighbour", "uid": "n", "labels": {}}
        neighbour["spec"]["selector"]["matchLabels"] = neighbour["spec"]["template"]["metadata"]["labels"] = {
            "app": "n"
        }
        caches.of(DEPLOYMENTS).remember(neighbour)
        canary = stored(canary_object(analysis=ANALYSIS)) | {"status": {"phase": "Progressing"}}
        canary["metadata"]["uid"] = "canary-uid"
        caches.of(CANARIES).remember(canary)
        applier = Applier(client, caches, managed, routing)
        await applier.apply(world.canary, Promote(revision_of(podinfo_deployment()["spec"]["template"])))
        for made in MADE:
            await applier.apply(world.canary, ApplyObject(made))
        yield world


async def test_nothing_is_due_of_what_was_made_as_rendered(world: World) -> None:
    found = world.look()
    assert (found["due"], found["blockers"], found["start"]) == (frozenset(), (), ())


@pytest.mark.parametrize(("resource", "name", "edits"), EDITED)
async def test_after_each_edit_all_is_as_if_nothing_had_been_kept(
    world: World, resource: Resource, name: str, edits: tuple[Edit, ...]
) -> None:
    first = world.look()
    seen = []
    for edit in edits:
        world.edit(resource, name, edit)
        kept = world.look()
        world.forget()
        assert world.look() == kept, edit.__name__
        seen.append(kept)
    assert any(kept != first for kept in seen)


@pytest.mark.parametrize(("resource", "name", "edits"), EDITED)
async def test_what_is_gone_is_missed_as_if_nothing_had_been_kept(
    world: World, resource: Resource, name: str, edits: tuple[Edit, ...]
) -> None:
    del edits
    world.look()
    found = world.caches.of(resource).get("test", name)
    assert found is not None
    world.caches.of(resource).forget(found)
    kept = world.look()
    world.forget()
    assert world.look() == kept
