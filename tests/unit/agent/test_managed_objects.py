"""Which generated objects are due: a scaler's copy that changed, and one that the spec names no longer, which goes."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.concerns import SCALERS
from agent.managed_objects import ManagedObjects
from agent.providers.routing.gloo import GlooRouting
from agent.resources import CANARIES
from canary.run.managed import ManagedObject
from kube.store import Key
from render.scaler import primary_scaler
from tests.support.podinfo import podinfo_canary, podinfo_deployment, podinfo_hpa, stored
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, ok, running_api_server

HPA = "HorizontalPodAutoscaler"
COPY = ManagedObject.PRIMARY_SCALER


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

    def answer_applies(self, **stored_otherwise: Any) -> None:
        """Answer each apply with what is stored then; of the same content the version stays."""
        versions: list[Any] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            body = orjson.loads(await request.read())
            if body["spec"] not in versions:
                versions.append(body["spec"])
            metadata = body["metadata"] | {"uid": "u-1", "resourceVersion": str(100 + versions.index(body["spec"]))}
            made = body | {"metadata": metadata, "spec": body["spec"] | stored_otherwise}
            return web.Response(body=orjson.dumps(made), content_type="application/json")

        self.server.otherwise = answer

    def restart(self) -> None:
        """Let another process see the same cluster."""
        applied = AppliedObjects(self.managed._applied._client, self.caches)
        self.managed = ManagedObjects(self.caches, applied, self.managed._routing)
        self.caches.forget_memo(Key("test", "podinfo"))

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


async def test_a_copy_that_somebody_changed_is_due(scaled: Scaled) -> None:
    canary, target, scalers = podinfo_canary(), podinfo_deployment(), scaled.caches.of(SCALERS[HPA])
    scaled.answer_applies()
    assert COPY in scaled.managed.due(canary, target)
    await scaled.managed.apply(canary, target, COPY)
    assert COPY not in scaled.managed.due(canary, target)
    edited = deepcopy(scalers.get("test", "podinfo-primary") or {})
    edited["spec"]["maxReplicas"] = 40
    edited["metadata"]["resourceVersion"] = "200"
    scalers.remember(edited)
    assert COPY in scaled.managed.due(canary, target)


async def test_a_copy_that_is_stored_in_another_spelling_is_applied_once_by_each_process(scaled: Scaled) -> None:
    canary, target = podinfo_canary(), podinfo_deployment()
    scaled.answer_applies(maxReplicas="4")
    await scaled.managed.apply(canary, target, COPY)
    assert COPY not in scaled.managed.due(canary, target)
    scaled.restart()
    assert COPY in scaled.managed.due(canary, target), "nobody knows whose spelling it is"
    await scaled.managed.apply(canary, target, COPY)
    assert COPY not in scaled.managed.due(canary, target), "nothing was stored anew, but it is known now"


async def test_a_copy_is_due_when_the_primary_must_not_be_smaller_than_it_says(scaled: Scaled) -> None:
    canary, target, canaries = podinfo_canary(), podinfo_deployment(), scaled.caches.of(CANARIES)
    scaled.answer_applies()
    await scaled.managed.apply(canary, target, COPY)
    assert COPY not in scaled.managed.due(canary, target)
    metadata = {"name": "podinfo", "namespace": "test", "resourceVersion": "300"}
    canaries.remember({"metadata": metadata, "spec": {}, "status": {"serin": {"primaryFloor": 3}}})
    assert COPY in scaled.managed.due(canary, target)


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
