"""The copy of an autoscaler that the spec names no longer goes, and no other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.concerns import SCALERS
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from canary.run.managed import ManagedObject
from render.scaler import primary_scaler
from tests.support.podinfo import podinfo_canary, podinfo_deployment, podinfo_hpa, stored
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, ok, running_api_server

HPA = "HorizontalPodAutoscaler"


class Scaled:
    """The agent's view of the target's HPA and of copies for its primary."""

    def __init__(self, server: ApiServer, caches: Caches, managed: ManagedObjects) -> None:
        self.server = server
        self.caches = caches
        self.managed = managed

    def add_copy(self, name: str, *, kind: str = HPA, of: str = "podinfo", scales: str = "podinfo-primary") -> None:
        copy = stored(primary_scaler(podinfo_canary(), podinfo_hpa()))
        copy["kind"] = kind
        copy["metadata"] |= {"name": name, "uid": f"uid-of-{name}"}
        copy["metadata"]["ownerReferences"][0]["name"] = of
        copy["spec"]["scaleTargetRef"]["name"] = scales
        self.caches.of(SCALERS[kind]).remember(copy)

    def is_due(self, **spec: Any) -> bool:
        return ManagedObject.FORMER_SCALER in self.managed.due(podinfo_canary(**spec), podinfo_deployment())

    async def deleted(self, **spec: Any) -> list[tuple[str, str, str]]:
        """Apply it, and return method, path and uid of what was asked for."""
        self.server.otherwise = ok({"kind": "Status", "status": "Success"})
        await self.managed.apply(podinfo_canary(**spec), podinfo_deployment(), ManagedObject.FORMER_SCALER)
        return [(seen.method, seen.path, seen.body["preconditions"]["uid"]) for seen in self.server.seen]


@pytest.fixture
async def scaled(tmp_path: Path) -> AsyncIterator[Scaled]:
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        caches = Caches(client, "")
        applied = AppliedObjects(client, caches)
        caches.of(SCALERS[HPA]).remember(stored(podinfo_hpa()))
        routing = GlooRouting(client, caches, applied, lambda: 0.0)
        yield Scaled(server, caches, ManagedObjects(caches, applied, routing))


async def test_the_copy_of_a_scaler_that_was_renamed_or_removed_goes(scaled: Scaled) -> None:
    scaled.add_copy("podinfo-primary")
    assert not scaled.is_due()
    scaled.add_copy("old-primary")
    assert scaled.is_due()
    assert scaled.is_due(autoscalerRef=None)
    path = "/apis/autoscaling/v2/namespaces/test/horizontalpodautoscalers/old-primary"
    assert await scaled.deleted() == [("DELETE", path, "uid-of-old-primary")]


async def test_a_copy_of_another_kind_goes(scaled: Scaled) -> None:
    scaled.add_copy("podinfo-primary", kind="ScaledObject")
    path = "/apis/keda.sh/v1alpha1/namespaces/test/scaledobjects/podinfo-primary"
    assert scaled.is_due()
    assert await scaled.deleted() == [("DELETE", path, "uid-of-podinfo-primary")]


async def test_what_scales_another_workload_or_is_of_another_canary_stays(scaled: Scaled) -> None:
    scaled.add_copy("podinfo-primary")
    scaled.add_copy("before-primary", scales="before-primary")
    scaled.add_copy("users", of="another")
    assert not scaled.is_due()
