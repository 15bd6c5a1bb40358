"""An API server in memory, as far as certificates need one: named objects with versions, watches, guarded writes."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from tests.support.patience import PATIENCE_S
from tests.unit.kube.apiserver import write_kubeconfig

Object: TypeAlias = dict[str, Any]

SECRET = "/api/v1/namespaces/gloo-system/secrets/serin-webhook-authority"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/serin-webhook"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/serin-webhook"
_CLOSING = web.AppKey("closing", asyncio.Event)


@dataclass
class FakeCluster:
    """Objects by path. `refuse` may answer a write (method, path) with a code in place of doing it."""

    objects: dict[str, Object] = field(default_factory=dict)
    version: int = 1
    events: list[tuple[int, str, str, Object]] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    refuse: Callable[[str, str], int] = lambda _method, _path: 0
    before_write: Callable[[str, str], None] = lambda _method, _path: None
    kubeconfig: Path = Path()
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def put(self, path: str, obj: Object) -> Object:
        """Store an object as somebody else does it."""
        self.version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        metadata = {"name": path.rpartition("/")[2], **obj.get("metadata", {}), "resourceVersion": str(self.version)}
        if "/namespaces/" in path:
            metadata["namespace"] = path.partition("/namespaces/")[2].partition("/")[0]
        self.objects[path] = deepcopy(obj | {"metadata": metadata})
        self.events.append((self.version, kind, path, self.objects[path]))
        return self.objects[path]

    def delete(self, path: str) -> None:
        self.version += 1
        gone = deepcopy(self.objects.pop(path))
        gone["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, "DELETED", path, gone))

    async def notify(self) -> None:
        """Let the watches see what `put` and `delete` did."""
        async with self._news:
            self._news.notify_all()

    async def when(self, holds: Callable[[], bool]) -> None:
        """Return as soon as it is so."""
        async with self._news, asyncio.timeout(PATIENCE_S):
            await self._news.wait_for(holds)

    def bundles(self, path: str) -> list[str]:
        """The caBundles of a configuration's entries, as PEM."""
        entries = self.objects[path]["webhooks"]
        return [base64.b64decode(entry["clientConfig"].get("caBundle", "")).decode() for entry in entries]

    def trusted(self) -> str:
        """Return the bundle of every entry of both configurations; "" while they differ."""
        found = {bundle for path in (MUTATING, VALIDATING) for bundle in self.bundles(path)}
        return found.pop() if len(found) == 1 else ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "GET" and "fieldSelector" in request.query:
            path = f"{request.path}/{request.query['fieldSelector'].removeprefix('metadata.name=')}"
            return await (self._watch(request, path) if "watch" in request.query else self._list(path))
        if request.method == "GET":
            return _ok(self.objects[request.path]) if request.path in self.objects else _no(404, "NotFound")
        sent = orjson.loads(body)
        path = f"{request.path}/{sent['metadata']['name']}" if request.method == "POST" else request.path
        self.writes.append((request.method, path))
        self.before_write(request.method, path)
        if code := self.refuse(request.method, path):
            answer = _no(code, {403: "Forbidden"}.get(code, ""))
        else:
            answer = self._write(request.method, path, sent)
        await self.notify()
        return answer

    def _write(self, method: str, path: str, sent: Any) -> web.Response:
        stored = self.objects.get(path)
        if method == "POST":
            return _ok(self.put(path, sent)) if stored is None else _no(409, "AlreadyExists")
        if stored is None:
            return _no(404, "NotFound")
        if method == "PUT":
            is_same = sent["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]
            return _ok(self.put(path, sent)) if is_same else _no(409, "Conflict")
        patched = deepcopy(stored)
        for operation in sent:
            *parents, last = [int(part) if part.isdigit() else part for part in operation["path"].split("/")[1:]]
            holder: Any = patched
            for part in parents:
                holder = holder[part]
            if operation["op"] == "test" and holder.get(last) != operation["value"]:
                return _no(422, "Invalid")
            holder[last] = operation["value"]
        return _ok(self.put(path, patched))

    async def _list(self, path: str) -> web.StreamResponse:
        items = [self.objects[path]] if path in self.objects else []
        return _ok({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while not request.app[_CLOSING].is_set():
            events = [event for event in self.events if event[0] > seen]
            for version, kind, about, obj in events:
                seen = version
                if about == path:
                    await response.write(orjson.dumps({"type": kind, "object": obj}) + b"\n")
            async with self._news:
                await self._news.wait()
        return response


@asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[FakeCluster]:
    """With an empty Secret and both configurations, two entries each, and no caBundle in them."""
    cluster = FakeCluster()
    for path in (MUTATING, VALIDATING):
        cluster.put(path, configuration())
    cluster.put(SECRET, empty_secret())
    app = web.Application()
    app[_CLOSING] = asyncio.Event()
    app.router.add_route("*", "/{path:.*}", cluster.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster.kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield cluster
    finally:
        app[_CLOSING].set()
        await cluster.notify()
        await runner.cleanup()


def empty_secret() -> Object:
    """As the manifests have it."""
    return {"metadata": {"labels": {"app.kubernetes.io/managed-by": "serin-webhook"}}, "type": "Opaque"}


def configuration() -> Object:
    """As the manifests have it."""
    service = {"namespace": "gloo-system", "name": "serin-webhook", "path": "/"}
    return {"webhooks": [{"name": f"{name}.serin.dev", "clientConfig": {"service": service}} for name in ("a", "b")]}


def _ok(body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _no(code: int, reason: str) -> web.Response:
    status = {"kind": "Status", "code": code, "reason": reason, "message": "no"}
    return web.Response(status=code, body=orjson.dumps(status), content_type="application/json")
