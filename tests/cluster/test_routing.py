"""Splits on the cluster, with real traffic: our routing writes the RouteTable, the gateway follows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from agent.resources import ROUTE_TABLES, UPSTREAMS
from canary.run.observation import RouteState
from canary.run.traffic import Traffic
from kube.errors import Conflict
from render.json_patch import put
from render.route_table import route_patch
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.rollout import Rollouts, canary, podinfo
from tests.support.routing import Routed, routed

Json = dict[str, Any]


@pytest_asyncio.fixture
async def app(cluster: Cluster, namespace: str) -> AsyncIterator[Routed]:
    async with routed(cluster, namespace) as found:
        yield found


async def ready(app: Routed, analysis: Json | None = None, **spec: Any) -> Any:
    """All parts made, and the primary serving."""
    said = app.canary(analysis, **spec)
    await app.keep(said)
    await app.settled(said)
    await eventually(app.side, lambda side: side == "primary")
    return said


async def test_an_ab_test_sends_matched_requests_to_the_canary_and_everyone_else_to_the_primary(app: Routed) -> None:
    match: list[Json] = [
        {"headers": {"x-user": {"regex": "^(?:a&b|<c>)$"}}},  # letters that Go spells otherwise in JSON
        {
            "headers": {"cookie": {"regex": "^(.*?;)?(canary=always)(;.*)?$"}},
            "withoutHeaders": {"x-bot": {"exact": "1"}},
        },
        {"uri": {"prefix": "/env"}, "method": {"exact": "GET"}},
        {"queryParams": {"beta": {"exact": "1"}}},
        {"headers": {"x-plan": {"prefix": "pro."}}},
        {"headers": {"x-mail": {"suffix": "@example.com"}}},
        {"headers": {"x-preview": {"present": True}}},
    ]
    said = await ready(app, {"iterations": 5, "match": match})
    assert app.seen(said).traffic.canary_percent == 0
    async with app.users():
        assert await app.side(x_user="a&b") == "primary"
        await app.split(said, 0)
        matched = [
            *({"x_user": "a&b"}, {"x_user": "<c>"}, {"cookie": "canary=always"}, {"path": "/?beta=1"}),
            *({"path": "/env"}, {"x_plan": "pro.team"}, {"x_mail": "a@example.com"}, {"x_preview": ""}),
        ]
        assert [await app.side(**request) for request in matched] == ["canary"] * len(matched)
        others = [
            *({"x_user": "a"}, {"cookie": "canary=always", "x_bot": "1"}, {"path": "/?beta=2"}, {}),
            *({"path": "/env", "method": "POST"}, {"x_plan": "prox"}, {"x_plan": "a pro.team"}),
            *({"x_mail": "a@example.com.org"}, {"x_mail": "a@exampleXcom"}, {"x_previews": "1"}),
        ]
        assert [await app.side(**request) for request in others] == ["primary"] * len(others)
        edited = app.canary({"iterations": 5, "match": [{"headers": {"x-user": {"exact": "new"}}}]})
        await app.keep(edited)
        await app.settled(edited)
        assert app.seen(edited).traffic.canary_percent == 100
        assert (await app.side(x_user="new"), await app.side(x_user="a&b")) == ("canary", "primary")
        await app.split(edited, 100)
        assert await app.side(x_user="new") == "primary"
    assert set(app.answers) == {"primary"}  # none of the users matches, and none was lost


async def test_the_canary_gets_copies_of_requests_that_the_primary_answers(app: Routed, cluster: Cluster) -> None:
    said = await ready(app, {"iterations": 5, "mirror": True})
    pod = cluster.kubectl(
        "-n", said.namespace, "get", "pods", "-l", "app=app", "-o", "jsonpath={.items[0].metadata.name}"
    )

    def copies() -> int:
        raw = f"/api/v1/namespaces/{said.namespace}/pods/{pod}:9898/proxy/metrics"
        lines = cluster.kubectl("get", "--raw", raw).splitlines()
        counts = [line for line in lines if line.startswith("http_requests_total")]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts if 'status="200"' in line)

    await app.split(said, 100, mirror_percent=100)
    before = copies()
    assert await app.sides(50) == {"primary": 50}
    await eventually(copies, lambda count: count >= before + 50)
    await app.split(said, 100)
    before = copies()
    assert await app.sides(50) == {"primary": 50}
    assert copies() < before + 25  # probes and our own looks


async def test_a_client_with_a_cookie_jar_stays_on_the_canary_until_the_run_is_over(app: Routed) -> None:
    said = await ready(app, {"stepWeight": 10, "maxWeight": 50, "sessionAffinity": {"cookieName": "app", "maxAge": 60}})
    async with app.users():
        await app.split(said, 70, cookie="app=r1")
        jar: SimpleCookie = SimpleCookie()
        while not jar:
            side, cookies = await app.ask()
            for header in cookies:
                jar.load(header)
                assert (side, jar["app"]["max-age"]) == ("canary", "60")
        sent = f"other=1; app={jar['app'].value}"
        assert await app.sides(30, cookie=sent) == {"canary": 30}
        await app.split(said, 60, cookie="app=r1")
        assert await app.sides(30, cookie=sent) == {"canary": 30}
        await app.split(said, 100)
        side, (header,) = await app.ask(cookie=sent)
        assert (side, header) == ("primary", "app=r1; Max-Age=-1")
        assert await app.sides(30) == {"primary": 30}
        await app.split(said, 50, cookie="app=r2")
        assert set(await app.sides(40, cookie=sent)) == {"primary", "canary"}  # an old cookie decides nothing
    assert set(app.answers) == {"primary", "canary"}


async def test_another_port_is_taken_without_a_lost_request(app: Routed) -> None:
    said = await ready(app)
    await app.split(said, 50)
    async with app.users(8):
        moved = app.canary(service={"port": 8080, "targetPort": 9898})
        await app.keep(moved)
        await app.settled(moved)
        await app.keep(moved)
        assert app.seen(moved).traffic.canary_percent == 50
        assert set(await app.sides(30)) == {"primary", "canary"}
        back = app.canary()
        await app.keep(back)
        await app.settled(back)
        await app.keep(back)
    assert set(app.answers) == {"primary", "canary"}, app.answers
    assert sum(app.answers.values()) > 300


async def test_options_of_the_spec_are_followed_on_a_table_that_users_enriched(app: Routed) -> None:
    said = await ready(app, service={"headers": {"response": {"set": {"x-a": "1"}}}})
    theirs = {"matchers": [{"exact": "/theirs"}], "directResponseAction": {"status": 203, "body": "theirs"}}
    users = [put("/spec/routes/0/options/idleTimeout", "9s"), put("/spec/routes/0", theirs)]
    await app.client.json_patch(ROUTE_TABLES, "app", said.namespace, users)
    edited = app.canary(service={"timeout": "9s"})
    await eventually(lambda: app.parts.due(edited, app.target), bool)
    await app.keep(edited)
    table = await app.client.get(ROUTE_TABLES, "app", said.namespace)
    assert table["spec"]["routes"][0] == theirs
    assert table["spec"]["routes"][1]["options"] == {"idleTimeout": "9s", "timeout": "9s"}
    await eventually(lambda: app.side("/theirs"), lambda side: side == "203")


async def test_gloos_refusal_is_read_back_and_its_content_too(app: Routed) -> None:
    """An Upstream of the route that is gone: Gloo serves the route, and warns of what it leads to."""
    said = await ready(app)
    gone = f"{said.namespace}-app-canaryupstream-9898"
    await app.client.delete(UPSTREAMS, gone, said.namespace)
    # Gloo may have warned before of what it had not seen yet when the route was made.
    named = f"{said.namespace}.{gone}"
    await eventually(
        lambda: app.seen(said), lambda route: route.state is RouteState.WARNED and named in route.explanation
    )
    assert await app.side() == "primary"
    await app.keep(said)
    await eventually(lambda: app.seen(said).state, lambda state: state is RouteState.SETTLED)


async def test_a_write_on_an_old_view_is_refused(app: Routed) -> None:
    said = await ready(app)
    table = await app.client.get(ROUTE_TABLES, "app", said.namespace)
    await app.split(said, 70)
    patch = route_patch(said, table, Traffic(100), 1)
    with pytest.raises(Conflict):
        await app.client.json_patch(ROUTE_TABLES, "app", said.namespace, patch)


def policy(namespace: str, most: int) -> tuple[Json, Json]:
    """A policy of the cluster that lets no RouteTable of the namespace send more than `most` percent to a canary."""
    routes = "object.spec.routes.all(r, !has(r.routeAction) || r.routeAction.multi.destinations.all(d, "
    rule = f"{routes}!d.destination.upstream.name.contains('canaryupstream') || d.weight <= {most}))"
    api = "admissionregistration.k8s.io/v1"
    matched = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [
            {
                "apiGroups": ["gateway.solo.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["routetables"],
            }
        ],
    }
    spec = {"matchConstraints": matched, "validations": [{"expression": rule, "message": "too much for a canary"}]}
    metadata = {"name": f"weights-{namespace}"}
    return (
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": metadata["name"], "validationActions": ["Deny"]},
        },
    )


@pytest.mark.long
def test_a_write_that_the_cluster_refuses_holds_the_run_and_tells_why(cluster: Cluster, namespace: str) -> None:
    """As Gloo's own validating webhook may refuse it."""
    rollouts = Rollouts(cluster, namespace)
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    refusing = policy(namespace, 25)
    rollouts.apply(*refusing)
    try:
        rollouts.wait_for("the policy is in force", lambda: not may_shift(rollouts, 50))
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_until_told("app", "too much for a canary", kind="Warning")
        assert rollouts.status("app")["phase"] == "Progressing"
        assert canary_weight(rollouts) == 25
    finally:
        for obj in refusing:
            cluster.kubectl("delete", obj["kind"], obj["metadata"]["name"])
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=120)


def may_shift(rollouts: Rollouts, percent: int) -> bool:
    """Would a write of so much weight be let in?"""
    path = "/spec/routes/0/routeAction/multi/destinations/1/weight"
    patch = f'[{{"op": "replace", "path": "{path}", "value": {percent}}}]'
    command = ("patch", "routetable", "app", "--type=json", "--dry-run=server", "-p", patch)
    done = rollouts.cluster.try_kubectl("-n", rollouts.namespace, *command)
    return done.returncode == 0


def canary_weight(rollouts: Rollouts) -> int:
    (route,) = rollouts.get("routetable", "app")["spec"]["routes"]
    weight: int = route["routeAction"]["multi"]["destinations"][1]["weight"]
    return weight


async def test_the_agent_follows_an_edited_port_and_edited_options_without_a_lost_request(
    cluster: Cluster, namespace: str
) -> None:
    rollouts = Rollouts(cluster, namespace)
    host = f"{namespace}.example.com"
    served = podinfo("app"), virtual_service(namespace, host), canary("app")
    await asyncio.to_thread(rollouts.apply, *served)
    await asyncio.to_thread(rollouts.wait_for_phase, "app", "Initialized")
    answers: Counter[int] = Counter()
    async with aiohttp.ClientSession() as session, asking(session, cluster.endpoints["gateway"], host, answers):
        await eventually(lambda: answers[200], bool)
        answers.clear()
        edited = canary("app", service={"port": 8080, "targetPort": 9898, "timeout": "9s"})
        await asyncio.to_thread(rollouts.apply, edited)

        def is_followed() -> bool:
            (route,) = rollouts.get("routetable", "app")["spec"]["routes"]
            ports = [port["port"] for port in rollouts.get("service", "app-primary")["spec"]["ports"]]
            is_moved = "primaryupstream-8080" in str(route) and "9898" not in str(route)
            return is_moved and ports == [8080] and route.get("options") == {"timeout": "9s"}

        await asyncio.to_thread(rollouts.wait_for, "the port is followed", is_followed)
        await asyncio.sleep(3.0)
    assert set(answers) == {200}, answers
    assert answers[200] > 100
    await asyncio.to_thread(rollouts.set_image, "app", "3.1.1")
    await asyncio.to_thread(rollouts.wait_for_phase, "app", "Succeeded", 120.0)


@asynccontextmanager
async def asking(session: aiohttp.ClientSession, gateway: str, host: str, answers: Counter[int]) -> AsyncIterator[None]:
    """Ask all the while, and count the answers by their status."""

    async def ask() -> None:
        while True:
            async with session.get(gateway, headers={"Host": host}) as response:
                await response.read()
                answers[response.status] += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(ask(), name="a user")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def virtual_service(namespace: str, host: str) -> Json:
    routes = [{"matchers": [{"prefix": "/"}], "delegateAction": {"ref": {"name": "app", "namespace": namespace}}}]
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "app"},
        "spec": {"virtualHost": {"domains": [host], "routes": routes}},
    }
