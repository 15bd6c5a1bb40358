"""What stands in a canary's way, read from the caches: each with the path of the field that has to be mended."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.applied_objects import AppliedObjects
from agent.blockers import find_blockers
from agent.caches import Caches
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.resources import ROUTE_TABLES
from kube.resource import DEPLOYMENTS, Resource
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.unit.kube.apiserver import ManualTime, client_of, running_api_server


class AgentServices:
    """The agent's caches, and what it finds in them for a canary `podinfo` with these service settings."""

    def __init__(self, caches: Caches, parts: ManagedObjects) -> None:
        self._caches = caches
        self._parts = parts

    def has(self, resource: Resource, name: str, *, of_canary: str, uid: str) -> None:
        owner = {"kind": "Canary", "name": of_canary, "uid": uid, "controller": True}
        metadata = {"name": name, "namespace": "test", "resourceVersion": "1", "uid": name, "ownerReferences": [owner]}
        self._caches.of(resource).remember(
            {"kind": resource.kind, "metadata": metadata, "spec": podinfo_deployment()["spec"]}
        )

    def has_primary(self, *ports: str) -> None:
        primary = podinfo_deployment()
        primary["metadata"] |= {"name": "podinfo-primary", "resourceVersion": "1"}
        container = primary["spec"]["template"]["spec"]["containers"][0]
        container["ports"] = [{"name": port, "containerPort": 9898} for port in ports]
        self._caches.of(DEPLOYMENTS).remember(primary)

    def blockers(self, **service: Any) -> list[tuple[str, str]]:
        canary = podinfo_canary(service=service, autoscalerRef=None)
        found = find_blockers(canary, podinfo_deployment(), self._caches, self._parts)
        return [(obstacle.reason, obstacle.message) for obstacle in found]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentServices]:
    time = ManualTime()
    async with running_api_server(tmp_path) as server, client_of(server, time) as client:
        caches = Caches(client, "")
        applied = AppliedObjects(client, caches)
        yield AgentServices(caches, ManagedObjects(caches, applied, GlooRouting(client, caches, applied, lambda: 0.0)))


@pytest.mark.parametrize(
    ("resource", "name", "service", "path"),
    [
        (DEPLOYMENTS, "podinfo-primary", {}, "spec.targetRef.name"),
        (DEPLOYMENTS, "podinfo-primary", {"name": "shop"}, "spec.targetRef.name"),
        (ROUTE_TABLES, "podinfo", {}, "spec.targetRef.name"),
        (ROUTE_TABLES, "shop", {"name": "shop"}, "spec.service.name"),
    ],
)
async def test_objects_of_another_canary_are_told_with_the_field_that_names_them(
    world: AgentServices, resource: Resource, name: str, service: dict[str, Any], path: str
) -> None:
    world.has(resource, name, of_canary="twin", uid="of-twin")
    ((reason, message),) = world.blockers(**service)
    assert reason == "OwnedByOther"
    assert message.startswith(
        f"Canary test/podinfo {path}: found {resource.kind} {name} of Canary twin, uid of-twin; allowed: "
    )


async def test_own_objects_are_in_nobodys_way(world: AgentServices) -> None:
    world.has(DEPLOYMENTS, "podinfo-primary", of_canary="podinfo", uid="canary-uid")
    world.has(ROUTE_TABLES, "podinfo", of_canary="podinfo", uid="canary-uid")
    assert world.blockers() == []


async def test_a_target_port_by_name_is_one_of_both_sides(world: AgentServices) -> None:
    allowed = "allowed: a number, or the name of a container port of Deployment"
    ((reason, message),) = world.blockers(targetPort="web")
    assert reason == "TargetPortNotFound"
    assert message.startswith(f"Canary test/podinfo spec.service.targetPort: found 'web'; {allowed} podinfo (")
    assert world.blockers(targetPort="http") == []
    world.has_primary("old")
    ((_, message),) = world.blockers(targetPort="http")
    assert message.endswith(f"found 'http'; {allowed} podinfo-primary (old)")
    assert world.blockers(targetPort=9898) == []
