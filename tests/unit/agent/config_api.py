"""An API server with ConfigMaps and Secrets, held in memory, and what the agent's caches have of it."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import orjson
from aiohttp import web

from agent.caches import Caches
from agent.config_copies import ConfigCopies
from agent.configs import target_revision
from agent.resources import CANARIES
from agent.settings import ConfigTracking
from canary.run.phase import Phase
from kube.cache import Cache
from kube.client import Client
from kube.resource import DEPLOYMENTS
from render.config_refs import ConfigRef
from render.workload import primary_workload
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.unit.kube.apiserver import ApiServer, ManualTime, client_of, no, ok, running_api_server

Json = dict[str, Any]

CANARY = podinfo_canary()
PRIMARY_UID: Final = "primary-uid"
CONF, KEYS, EXTRA = ConfigRef("ConfigMap", "conf"), ConfigRef("Secret", "keys"), ConfigRef("ConfigMap", "extra")


def target(**annotations: str) -> Json:
    """A Deployment that needs the ConfigMap `conf` and the Secret `keys`, and can do without the ConfigMap `extra`."""
    made = podinfo_deployment(
        volumes=[{"name": "keys", "secret": {"secretName": "keys"}}],
        initContainers=[{"name": "init", "envFrom": [{"configMapRef": {"name": "extra", "optional": True}}]}],
    )
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "conf"}}]
    made["metadata"]["annotations"] = annotations
    return made


TEMPLATE = target()["spec"]["template"]


class ConfigApi:
    """An API server with ConfigMaps and Secrets, and the agent's caches of it."""

    def __init__(self, client: Client, server: ApiServer, tracking: ConfigTracking) -> None:
        self.caches = Caches(client, "", tracking=tracking, config_reads_s=0.0)
        self.tracking = tracking
        self.copies = ConfigCopies(client, self.caches)
        self.stored: dict[str, Json] = {}
        self.old_primaries: list[Json] = []
        self.read_as_missing: set[str] = set()
        """Names of what is read just before it is made."""
        self.version = 10
        server.otherwise = self._answer

    async def write(
        self,
        kind: str,
        name: str,
        value: str | None,
        *,
        is_cached: bool = True,
        fields: Json | None = None,
        **metadata: Any,
    ) -> None:
        """Somebody writes one, with `value` as its content, or deletes it; the caches see it unless they lag."""
        path = f"/api/v1/namespaces/test/{kind.lower()}s/{name}"
        if value is None:
            gone = self.stored.pop(path)
            await self._let_see(gone, is_gone=True)
            return
        content = b64encode(value.encode()).decode() if kind == "Secret" else value
        body: Json = {"kind": kind, "metadata": {"name": name, "namespace": "test"} | metadata, "data": {"a": content}}
        if kind == "Secret":
            body["type"] = "Opaque"
        body = self._store(path, body | (fields or {}))
        if is_cached:
            await self._let_see(body)

    async def look(self) -> None:
        """Let the agent look as at the beginning of a tick: with a watch, it knows all before it does."""
        await self.caches.tracking.refresh(CANARY, target(), self.caches.primary(CANARY))

    async def _let_see(self, config: Json, *, is_gone: bool = False) -> None:
        if self.tracking is ConfigTracking.WATCH:
            cache = cast("Cache", self.caches.tracking.of("ConfigMap" if config["kind"] == "ConfigMap" else "Secret"))
            cache._store.remove(config) if is_gone else cache.remember(config)
        await self.look()

    def status(self, **status: Any) -> None:
        self.version += 1
        metadata = {"name": "podinfo", "namespace": "test", "resourceVersion": str(self.version)}
        self.caches.of(CANARIES).remember({"metadata": metadata, "status": status})

    def remember(self, phase: Phase = Phase.PROGRESSING) -> str:
        """Store what is observed, as the state machine does; return the revision."""
        revision, configs = target_revision(CANARY, target(), self.caches)
        identity = {"seen": {"revision": revision}}
        self.status(phase=phase, trackedConfigs=configs, serin=identity, lastAppliedSpec=revision)
        return revision

    def revision(self) -> str:
        return target_revision(CANARY, target(), self.caches)[0]

    async def promote(self, revision: str) -> dict[ConfigRef, str]:
        return await self.copies.promote(CANARY, target(), TEMPLATE, revision)

    async def keep(self) -> None:
        await self.look()
        await self.copies.keep(CANARY, target())

    def content(self, kind: str, name: str) -> str:
        found = self.stored[f"/api/v1/namespaces/test/{kind.lower()}s/{name}"]["data"]["a"]
        return str(found)

    def metadata(self, kind: str, name: str) -> Json:
        found: Json = self.stored[f"/api/v1/namespaces/test/{kind.lower()}s/{name}"]["metadata"]
        return found

    def names(self) -> set[str]:
        """The names of all ConfigMaps and Secrets that there are."""
        return {path.rpartition("/")[2] for path in self.stored}

    async def run_primary(
        self, copies: Mapping[ConfigRef, str], revision: str = "", *, name: str = "podinfo", is_rolling: bool = False
    ) -> None:
        """A primary runs with these copies, of the canary and the target with this name."""
        self.version += 1
        made = primary_workload(CANARY, target(), TEMPLATE, revision=revision, replicas=2, config_copies=copies)
        made["metadata"] |= {"name": f"{name}-primary", "generation": 2, "resourceVersion": str(self.version)}
        made["metadata"]["uid"] = PRIMARY_UID
        made["status"] = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1 if is_rolling else 2}
        self.caches.of(DEPLOYMENTS).remember(made)
        await self.look()

    def keep_older_primary(self, copies: Mapping[ConfigRef, str]) -> None:
        """A ReplicaSet of the primary still tells which copies it used before."""
        made = primary_workload(CANARY, target(), TEMPLATE, revision="", replicas=2, config_copies=copies)
        owner = {"kind": "Deployment", "name": "podinfo-primary", "uid": PRIMARY_UID}
        metadata = {"name": "podinfo-primary-5tg9", "namespace": "test", "ownerReferences": [owner]}
        self.old_primaries.append({"metadata": metadata, "spec": made["spec"]})

    def add_canary(self, name: str) -> None:
        """Another canary of the namespace, on the target of its name."""
        self.version += 1
        metadata = {"name": name, "namespace": "test", "resourceVersion": str(self.version)}
        self.caches.of(CANARIES).remember({"metadata": metadata, "spec": {"targetRef": {"name": name}}})

    def _store(self, path: str, body: Json) -> Json:
        self.version += 1
        body["metadata"] |= {"resourceVersion": str(self.version), "uid": path}
        self.stored[path] = body
        return body

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found, body = self.stored.get(request.path), await request.read()
        if request.path == "/apis/apps/v1/namespaces/test/replicasets":
            return await ok({"kind": "ReplicaSetList", "metadata": {}, "items": self.old_primaries})(request)
        if request.method == "POST":
            made = orjson.loads(body)
            if f"{request.path}/{made['metadata']['name']}" in self.stored:
                return await no(409, "AlreadyExists")(request)
            return await ok(self._store(f"{request.path}/{made['metadata']['name']}", made))(request)
        is_early = request.method == "GET" and request.path.rpartition("/")[2] in self.read_as_missing
        if found is None or is_early:
            return await no(404, "NotFound")(request)
        if request.method == "PATCH":
            changed = apply_patch(found, orjson.loads(body))
            if found.get("immutable") or changed.get("type") != found.get("type"):
                return await no(422, "Invalid", causes=[{"message": "field is immutable"}])(request)
            found = self._store(request.path, changed)
        if request.method == "DELETE":
            del self.stored[request.path]
        return await ok(found)(request)


@asynccontextmanager
async def running_config_api(folder: Path, tracking: ConfigTracking) -> AsyncIterator[ConfigApi]:
    """It has what the target can't do without: the ConfigMap `conf` and the Secret `keys`."""
    async with running_api_server(folder) as server, client_of(server, ManualTime()) as client:
        made = ConfigApi(client, server, tracking)
        await made.write("ConfigMap", "conf", "1")
        await made.write("Secret", "keys", "1")
        yield made
