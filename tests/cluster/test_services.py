"""The generated Services on a real API server: made, followed through edits of the spec, and shared with users."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from canary.run.wire import APPLIED_ANNOTATION
from kube.errors import NotFound
from kube.resource import SERVICES
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.routing import Routed, routed

Json = dict[str, Any]


@pytest_asyncio.fixture
async def app(cluster: Cluster, namespace: str) -> AsyncIterator[Routed]:
    async with routed(cluster, namespace) as found:
        yield found


async def services(app: Routed) -> dict[str, Json]:
    found = {}
    for name in ("app", "app-primary", "app-canary"):
        try:
            found[name] = await app.client.get(SERVICES, name, app.obj["metadata"]["namespace"])
        except NotFound:
            continue
    return found


async def made(app: Routed, **service: Any) -> dict[str, Json]:
    """Make all parts with these service settings."""
    await app.keep(app.canary(service=service))
    return await services(app)


async def test_settings_are_followed_through_edits(app: Routed) -> None:
    service = {
        "portName": "web",
        "targetPort": "http",
        "appProtocol": "http",
        "trafficDistribution": "PreferClose",
        "apex": {"labels": {"team": "a", "gone": "x"}, "annotations": {"note": "1", "gone": "x"}},
        "canary": {"annotations": {"note": "canary"}},
    }
    found = await made(app, **service)
    (port,) = found["app"]["spec"]["ports"]
    assert (port["name"], port["targetPort"], port["appProtocol"]) == ("web", "http", "http")
    assert found["app"]["spec"]["trafficDistribution"] == "PreferClose"
    assert found["app"]["metadata"]["labels"] == {"team": "a", "gone": "x", "app": "app"}
    assert found["app-canary"]["metadata"]["annotations"]["note"] == "canary"
    assert "note" not in found["app-primary"]["metadata"]["annotations"]
    await eventually(app.side, lambda side: side == "primary")

    found = await made(app, apex={"labels": {"team": "b"}, "annotations": {"note": "2"}})
    (port,) = found["app"]["spec"]["ports"]
    assert (port["name"], port["targetPort"], port.get("appProtocol")) == ("http", 9898, None)
    assert "trafficDistribution" not in found["app"]["spec"]
    assert found["app"]["metadata"]["labels"] == {"team": "b", "app": "app"}
    annotations = found["app"]["metadata"]["annotations"]
    assert (annotations["note"], "gone" in annotations) == ("2", False)
    assert "note" not in found["app-canary"]["metadata"]["annotations"]
    assert await services(app) == await made(app, apex={"labels": {"team": "b"}, "annotations": {"note": "2"}})


async def test_all_container_ports_are_served_with_port_discovery(app: Routed) -> None:
    container = app.target["spec"]["template"]["spec"]["containers"][0]
    container["ports"] = [*container["ports"], {"name": "grpc", "containerPort": 9999, "protocol": "TCP"}]
    found = await made(app, portDiscovery=True)
    for service in found.values():
        assert {(port["name"], port["port"]) for port in service["spec"]["ports"]} == {("http", 9898), ("grpc", 9999)}
    found = await made(app)
    assert [port["port"] for port in found["app"]["spec"]["ports"]] == [9898]


async def test_a_service_of_a_user_is_taken_over_with_all_that_is_theirs(app: Routed) -> None:
    theirs = {
        "metadata": {"name": "app", "namespace": app.obj["metadata"]["namespace"], "labels": {"team": "a"}},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "app"},
            "sessionAffinity": "ClientIP",
            "ports": [{"name": "http", "port": 9898, "targetPort": 9898}, {"name": "admin", "port": 81}],
        },
    }
    before = await app.client.create(SERVICES, theirs)
    await eventually(lambda: app.caches.of(SERVICES).get(before["metadata"]["namespace"], "app"), bool)
    found = (await made(app, apex={"labels": {"team": "b"}}, headless=True))["app"]
    assert found["spec"] == before["spec"] | {"selector": {"app": "app-primary"}}
    assert found["metadata"]["labels"] == {"team": "a"}
    assert "ownerReferences" not in found["metadata"]
    assert app.parts.problems(app.canary(service={"headless": True})) == ()  # its address is the user's business


async def test_unmanaged_keys_are_left_to_others_with_their_values(app: Routed) -> None:
    settings = {"apex": {"labels": {"team": "a"}, "annotations": {"note": "a"}}}
    found = (await made(app, **settings))["app"]
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    others = {"metadata": {"labels": {"team": "b"}, "annotations": {"note": "b", "more": "c"}}}
    unmanaged = {"unmanagedMetadata": {"labels": ["team"], "annotations": ["note", "more"]}}
    await app.client.merge_patch(SERVICES, name, namespace, others, field_manager="others")
    found = (await made(app, **settings, **unmanaged))["app"]
    assert found["metadata"]["labels"]["team"] == "b"
    assert {key: found["metadata"]["annotations"][key] for key in ("note", "more")} == {"note": "b", "more": "c"}


async def test_an_address_that_cannot_change_is_told_and_holds_nothing(app: Routed) -> None:
    await made(app)
    headless = app.canary(service={"headless": True})
    await app.keep(headless)
    problems = app.parts.problems(headless)
    assert len(problems) == 3
    assert "spec.service.headless: found true; allowed: false as long as Service app exists" in problems[0]
    for name in ("app", "app-primary", "app-canary"):
        await app.client.delete(SERVICES, name, headless.namespace)
    await eventually(lambda: len(app.parts.due(headless, app.target)), lambda count: count == 3)
    await app.keep(headless)
    assert {service["spec"]["clusterIP"] for service in (await services(app)).values()} == {"None"}
    assert app.parts.problems(headless) == ()
    await eventually(app.side, lambda side: side == "primary")
    addressed = app.canary()
    await app.keep(addressed)
    assert "found false; allowed: true as long as Service app exists" in app.parts.problems(addressed)[0]


async def test_what_is_as_rendered_is_not_written_again(app: Routed) -> None:
    before = await made(app)
    assert all(APPLIED_ANNOTATION in service["metadata"]["annotations"] for service in before.values())
    assert app.parts.due(app.canary(), app.target) == frozenset()
    hand = {"spec": {"selector": {"app": "other"}}}
    await app.client.merge_patch(SERVICES, "app", app.obj["metadata"]["namespace"], hand)
    await eventually(lambda: app.parts.due(app.canary(), app.target), lambda due: len(due) == 1)
    assert (await made(app))["app"]["spec"]["selector"] == {"app": "app-primary"}
