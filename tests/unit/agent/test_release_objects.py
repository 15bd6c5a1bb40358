"""What outlives a Canary, found in the caches."""

from pathlib import Path

from agent.caches import Caches
from agent.release_objects import release_object, unreleased_objects
from agent.resources import ROUTE_TABLES, UPSTREAMS
from canary.api.names import Side
from canary.run.managed import ManagedObject
from render.route_table import route_table
from render.upstreams import upstream
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored
from tests.unit.kube.apiserver import ManualTime, client_of, ok, running_api_server

BEFORE = podinfo_canary()
EDITED = podinfo_canary(service={"port": 8080, "targetPort": 9898})
TARGET = podinfo_deployment()


async def test_the_upstreams_that_the_route_leads_to_stay_though_the_port_was_edited(tmp_path: Path) -> None:
    upstreams = {side: stored(upstream(BEFORE, TARGET, side)) for side in Side}
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        caches = Caches(client, "")
        caches.of(ROUTE_TABLES).remember(stored(route_table(BEFORE)))
        for found in upstreams.values():
            caches.of(UPSTREAMS).remember(found)
        assert {ManagedObject.PRIMARY_UPSTREAM, ManagedObject.CANARY_UPSTREAM} <= unreleased_objects(
            EDITED, TARGET, caches
        )
        server.will(ok(upstreams[Side.CANARY]))
        await release_object(client, caches, EDITED, TARGET, ManagedObject.CANARY_UPSTREAM)
    (patch,) = server.seen
    assert patch.path.endswith("/upstreams/test-podinfo-canaryupstream-9898")
    assert {"op": "remove", "path": "/metadata/ownerReferences"} in patch.body
