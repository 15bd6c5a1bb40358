"""The Upstreams on the cluster: settings of the referenced one are followed, and Envoy gets them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from agent.blockers import find_blockers
from agent.resources import UPSTREAMS
from canary.api.canary import Canary
from canary.run.observation import RouteState
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.rollout import Rollouts, canary, podinfo
from tests.support.routing import Routed, routed

Json = dict[str, Any]
REFERENCE = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "tuned"}


@pytest_asyncio.fixture
async def app(cluster: Cluster, namespace: str) -> AsyncIterator[Routed]:
    async with routed(cluster, namespace) as found:
        yield found


async def tuned(app: Routed, spec: Json) -> None:
    """Make the referenced Upstream, or replace all of its settings."""
    namespace = app.obj["metadata"]["namespace"]
    body = {
        "metadata": {"name": "tuned", "namespace": namespace},
        "spec": {"static": {"hosts": [{"addr": "127.0.0.1", "port": 1}]}} | spec,
    }
    await app.client.apply(UPSTREAMS, body, field_manager="users")


async def specs(app: Routed) -> list[Json]:
    """Our two Upstreams' settings; what they point to is left out."""
    namespace = app.obj["metadata"]["namespace"]
    found = [(await app.client.get(UPSTREAMS, name, namespace))["spec"] for name in _names(namespace)]
    return [{key: value for key, value in spec.items() if key != "kube"} for spec in found]


async def test_settings_are_copied_and_later_edits_and_removals_followed(app: Routed) -> None:
    settings: Json = {
        "circuitBreakers": {"maxConnections": 1000},
        "connectionConfig": {"connectTimeout": "3s"},
        "loadBalancerConfig": {"leastRequest": {"choiceCount": 3}},
        "outlierDetection": {"interval": "5s"},
    }
    await tuned(app, settings)
    said = app.canary(upstreamRef=REFERENCE)
    await eventually(lambda: _is_known(app, said), bool)
    await app.keep(said)
    assert await specs(app) == [settings, settings]
    await eventually(app.side, lambda side: side == "primary")

    edited = {"circuitBreakers": {"maxRequests": 7}, "loadBalancerConfig": {"random": {}}}
    await tuned(app, edited)
    await eventually(lambda: len(app.parts.due(said, app.target)), lambda count: count == 2)
    await app.keep(said)
    assert await specs(app) == [edited, edited]

    namespace = said.namespace
    name = f"{namespace}-app-canaryupstream-9898"
    theirs = {"spec": {"healthChecks": [_health_check()]}}
    await app.client.merge_patch(UPSTREAMS, name, namespace, theirs, field_manager="users")
    await tuned(app, {"useHttp2": False})
    await eventually(lambda: len(app.parts.due(said, app.target)), lambda count: count == 2)
    await app.keep(said)
    assert await specs(app) == [{"useHttp2": False}, {"useHttp2": False, "healthChecks": [_health_check()]}]
    assert await app.sides(20) == {"primary": 20}


async def test_a_referenced_upstream_that_is_missing_is_named_and_changes_nothing(app: Routed) -> None:
    await tuned(app, {"circuitBreakers": {"maxConnections": 5}})
    said = app.canary(upstreamRef=REFERENCE)
    await eventually(lambda: _is_known(app, said), bool)
    await app.keep(said)
    await app.client.delete(UPSTREAMS, "tuned", said.namespace)
    await eventually(lambda: _is_known(app, said), lambda is_known: not is_known)
    found = {blocker.reason: blocker.message for blocker in find_blockers(said, app.caches)}
    assert "spec.upstreamRef.name: found 'tuned'; allowed: the name of an Upstream in" in found["UpstreamNotFound"]
    assert [spec["circuitBreakers"] for spec in await specs(app)] == [{"maxConnections": 5}] * 2


async def test_what_gloo_says_of_an_upstream_is_read_back_with_the_route(app: Routed) -> None:
    await tuned(app, {"outlierDetection": {"consecutive5xx": 3}})  # Gloo wants an interval
    said = app.canary(upstreamRef=REFERENCE)
    await eventually(lambda: _is_known(app, said), bool)
    await app.keep(said)
    await eventually(lambda: app.seen(said).state, lambda state: state in {RouteState.REJECTED, RouteState.WARNED})
    assert "OutlierDetection" in app.seen(said).explanation
    await tuned(app, {"outlierDetection": {"consecutive5xx": 3, "interval": "5s"}})
    await eventually(lambda: app.parts.due(said, app.target), bool)
    await app.keep(said)
    await eventually(lambda: app.seen(said).state, lambda state: state is RouteState.SETTLED)


def _is_known(app: Routed, canary: Canary) -> bool:
    """Has the watch told of the referenced Upstream?"""
    return app.caches.of(UPSTREAMS).get(canary.namespace, "tuned") is not None


def _health_check() -> Json:
    return {"timeout": "1s", "interval": "5s", "unhealthyThreshold": 3, "healthyThreshold": 1, "tcpHealthCheck": {}}


def test_the_agent_waits_for_the_referenced_upstream_and_follows_its_edits_under_load(
    cluster: Cluster, namespace: str
) -> None:
    rollouts = Rollouts(cluster, namespace)
    rollouts.apply(podinfo("app"), virtual_service(namespace), canary("app", upstreamRef=REFERENCE))
    rollouts.wait_for("it is named", lambda: rollouts.condition("app", "Ready").get("reason") == "UpstreamNotFound")
    condition = rollouts.condition("app", "Ready")
    assert condition["status"] == "False"
    assert condition["message"].startswith(f"Canary {namespace}/app spec.upstreamRef.name: found 'tuned'; allowed: ")
    assert rollouts.get("deployment", "app")["spec"]["replicas"] == 1

    settings: Json = {"circuitBreakers": {"maxRequests": 900}, "loadBalancerConfig": {"leastRequest": {}}}
    rollouts.apply(_upstream(settings))
    rollouts.wait_for_phase("app", "Initialized")
    assert _generated(rollouts) == [settings, settings]
    assert rollouts.condition("app", "Ready")["status"] == "True"
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(cluster, namespace)))
    assert _most_requests(rollouts) == [900, 900]
    with steady_load(cluster, namespace) as reports:
        patch = json.dumps({"spec": {"circuitBreakers": {"maxRequests": 800}}})
        cluster.kubectl("-n", namespace, "patch", "upstream", "tuned", "--type=merge", "-p", patch)
        rollouts.wait_for("Envoy has it", lambda: _most_requests(rollouts) == [800, 800])
    edited = settings | {"circuitBreakers": {"maxRequests": 800}}
    assert _generated(rollouts) == [edited, edited]
    assert_no_request_lost(reports[0])


def _upstream(settings: Json) -> Json:
    return {
        "apiVersion": "gloo.solo.io/v1",
        "kind": "Upstream",
        "metadata": {"name": "tuned"},
        "spec": {"static": {"hosts": [{"addr": "127.0.0.1", "port": 1}]}} | settings,
    }


def _names(namespace: str) -> list[str]:
    return [f"{namespace}-app-{side}upstream-9898" for side in ("primary", "canary")]


def _generated(rollouts: Rollouts) -> list[Json]:
    """Return the settings of both generated Upstreams."""
    found = [rollouts.get("upstream", name)["spec"] for name in _names(rollouts.namespace)]
    return [{key: value for key, value in spec.items() if key != "kube"} for spec in found]


def _most_requests(rollouts: Rollouts) -> list[int]:
    """Return the circuit breakers that Envoy itself has for both sides."""
    pods = ("-n", "gloo-system", "get", "pods", "-l", "gloo=gateway-proxy", "-o", "jsonpath={.items[0].metadata.name}")
    pod = rollouts.cluster.kubectl(*pods)
    page = f"/api/v1/namespaces/gloo-system/pods/{pod}:8082/proxy/clusters?format=json"
    found = json.loads(rollouts.cluster.kubectl("get", "--raw", page))["cluster_statuses"]
    limits = {one["name"]: one["circuit_breakers"]["thresholds"][0].get("max_requests") for one in found}
    return [limits[f"{name}_{rollouts.namespace}"] for name in _names(rollouts.namespace)]
