"""Flagger's settings of labels reach all that the agent writes, and what it looks out for."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.applied_objects import AppliedObjects
from agent.apply import Applier
from agent.blockers import find_blockers
from agent.caches import Caches
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.release_objects import unreleased_objects
from agent.side_pods import workloads_sharing_labels
from canary.run.action import ApplyObject, Promote
from canary.run.managed import ManagedObject
from canary.run.revision import revision_of
from kube.resource import DEPLOYMENTS, SERVICES
from kube.store import Change, key_of
from render.labels import LabelSettings
from render.services import apex_service
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored
from tests.unit.kube.apiserver import ManualTime, client_of, ok, running_api_server

CANARY = podinfo_canary(autoscalerRef=None)
BY_TRACK = LabelSettings(("track",), ("team",))
OF_TARGET = {"app": "podinfo", "track": "web"}
OF_PRIMARY = {"app": "podinfo", "track": "web-primary"}
WRITTEN_OBJECTS = (
    ManagedObject.APEX_SERVICE,
    ManagedObject.PRIMARY_SERVICE,
    ManagedObject.CANARY_SERVICE,
    ManagedObject.PRIMARY_UPSTREAM,
    ManagedObject.CANARY_UPSTREAM,
)


class Agent:
    """What an agent with these settings writes: `written` has the bodies, by kind and name."""

    def __init__(self, caches: Caches, applier: Applier, written: dict[str, Any]) -> None:
        self.caches = caches
        self.applier = applier
        self.written = written


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    written: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            found = [cached for cached in caches.of(DEPLOYMENTS).items() if cached["metadata"]["name"] == "podinfo"]
            return await ok({"metadata": {"resourceVersion": "9"}, "items": found})(request)
        body = orjson.loads(await request.read())
        written[f"{body['kind']}/{body['metadata']['name']}"] = body
        return await ok(stored(body), 201 if request.method == "POST" else 200)(request)

    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        server.otherwise = answer
        caches = Caches(client, "", labels=BY_TRACK)
        applied = AppliedObjects(client, caches)
        routing = GlooRouting(client, caches, applied, lambda: 1000.0)
        applier = Applier(client, caches, ManagedObjects(caches, applied, routing), routing)
        caches.of(DEPLOYMENTS).remember(labelled())
        yield Agent(caches, applier, written)


def labelled(**labels: str) -> dict[str, Any]:
    """Return the target, told apart by another label than usual."""
    made = stored(podinfo_deployment())
    made["metadata"]["labels"] = {"team": "a", "tier": "web"}
    made["spec"]["selector"]["matchLabels"] = labels or OF_TARGET
    made["spec"]["template"]["metadata"]["labels"] = (labels or OF_TARGET) | {"version": "3"}
    return made


async def test_all_that_leads_to_a_side_selects_by_the_label_of_the_settings(agent: Agent) -> None:
    await agent.applier.apply(CANARY, Promote(revision_of(labelled()["spec"]["template"])))
    primary = agent.written["Deployment/podinfo-primary"]
    assert primary["spec"]["selector"]["matchLabels"] == OF_PRIMARY
    assert primary["metadata"]["labels"] == {"team": "a", "track": "web-primary"}
    for managed in WRITTEN_OBJECTS:
        await agent.applier.apply(CANARY, ApplyObject(managed))
    selectors = {name: body["spec"].get("kube", body["spec"])["selector"] for name, body in agent.written.items()}
    del selectors["Deployment/podinfo-primary"]
    assert selectors == {
        "Service/podinfo": OF_PRIMARY,
        "Service/podinfo-primary": OF_PRIMARY,
        "Service/podinfo-canary": OF_TARGET,
        "Upstream/test-podinfo-primaryupstream-9898": OF_PRIMARY,
        "Upstream/test-podinfo-canaryupstream-9898": OF_TARGET,
    }
    assert agent.written["Service/podinfo"]["metadata"]["labels"] == {"track": "podinfo"}


async def test_a_target_without_such_a_label_is_in_the_way_as_long_as_it_has_no_primary(agent: Agent) -> None:
    target = labelled(app="podinfo")
    target["metadata"]["resourceVersion"] = "8"
    agent.caches.of(DEPLOYMENTS).remember(target)
    [blocker] = find_blockers(CANARY, agent.caches)
    assert blocker.message == (
        "Deployment test/podinfo spec.selector.matchLabels: found {'app': 'podinfo'}; "
        "allowed: at least one of the labels track"
    )
    primary = labelled(app="podinfo-primary")
    primary["metadata"] |= {
        "name": "podinfo-primary",
        "ownerReferences": [{"kind": "Canary", "name": "podinfo", "uid": "canary-uid", "controller": True}],
    }
    agent.caches.of(DEPLOYMENTS).remember(primary)
    assert find_blockers(CANARY, agent.caches) == ()


async def test_at_its_deletion_the_apex_service_goes_back_to_the_targets_pods(agent: Agent) -> None:
    service = apex_service(CANARY, labelled(), settings=BY_TRACK)
    del service["metadata"]["ownerReferences"]
    agent.caches.of(SERVICES).remember(stored(service))
    assert unreleased_objects(CANARY, labelled(), agent.caches) == {ManagedObject.APEX_SERVICE}


async def test_who_shares_a_label_of_the_settings_is_noticed(agent: Agent) -> None:
    other = deepcopy(labelled(track="web"))
    other["metadata"] |= {"name": "other", "uid": "other"}
    told = list(workloads_sharing_labels(Change(key_of(other), None, other), agent.caches))
    assert [one["metadata"]["name"] for one in told] == ["podinfo"]
