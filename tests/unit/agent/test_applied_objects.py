"""What was applied is known again, and forgotten with its object."""

from pathlib import Path

import orjson
import pytest
from aiohttp import web

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from kube.errors import Conflict, Lost
from kube.resource import SERVICES
from tests.support.podinfo import stored
from tests.unit.kube.apiserver import ManualTime, client_of, no, ok, running_api_server


async def spell_otherwise(request: web.Request) -> web.StreamResponse:
    """Store what is applied, with a value in the API server's own spelling."""
    return await ok(stored(orjson.loads(await request.read()) | {"spec": {"cpu": "0.1"}}))(request)


async def test_what_the_api_server_spells_otherwise_is_not_applied_again_and_forgotten_when_it_goes(
    tmp_path: Path,
) -> None:
    rendered = {"kind": "Service", "metadata": {"name": "app", "namespace": "test"}, "spec": {"cpu": "100m"}}
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        caches = Caches(client, "")
        applied, services = AppliedObjects(client, caches), caches.of(SERVICES)
        server.otherwise = spell_otherwise
        assert applied.is_due(SERVICES, rendered)
        await applied.apply(SERVICES, rendered)
        assert not applied.is_due(SERVICES, rendered)
        (found,) = services.items()
        services._notify([services._store.remove(found)])
        assert not applied._left_behind


async def test_what_is_applied_late_does_not_undo_what_another_agent_has_applied_since(tmp_path: Path) -> None:
    rendered = {"kind": "Service", "metadata": {"name": "app", "namespace": "test"}, "spec": {"cpu": "100m"}}
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        caches = Caches(client, "")
        applied = AppliedObjects(client, caches)
        server.otherwise = spell_otherwise
        await applied.apply(SERVICES, rendered)
        seen = caches.of(SERVICES).get("test", "app")
        assert seen is not None
        server.otherwise = no(409, "Conflict")
        with pytest.raises(Conflict):
            await applied.apply(SERVICES, rendered)
        with pytest.raises(Conflict):
            await applied.delete(SERVICES, seen)
    made, again, gone = (request.body for request in server.seen)
    assert not {"uid", "resourceVersion"} & made["metadata"].keys(), "there was none"
    version = {name: seen["metadata"][name] for name in ("uid", "resourceVersion")}
    assert version.items() <= again["metadata"].items()
    assert gone["preconditions"] == version


async def test_an_object_that_forgets_what_was_applied_is_told_as_lost(tmp_path: Path) -> None:
    rendered = {"kind": "Service", "metadata": {"name": "app", "namespace": "test"}, "spec": {}}
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        applied = AppliedObjects(client, Caches(client, ""))
        server.otherwise = ok(stored(rendered))
        with pytest.raises(Lost, match=r"Service test/app: metadata\.annotations\[serin\.dev/applied\] was written"):
            await applied.apply(SERVICES, rendered)
