"""An API server in a thread: objects that are listed, watched, read and patched as the real one does."""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from aiohttp import web

from tests.support.merge_patch import merge

Object = dict[str, Any]
CONTEXTS = {"test": "test", "prod": ""}


@dataclass
class ClusterApi:
    """`refused` are paths that are answered with 403, `unserved` plurals that no CRD is there for.

    Of `unlisted` plurals single objects may be read.

    `on_patch` is called with each patched object, as an agent that watches would see it. `drops` is how many watches
    are still cut off after their first event; `requests` counts by method. `answers` are those of requests that begin
    so (`GET /version`): what is no stored object, such as a review, or a Service behind the proxy.
    """

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)
    on_patch: Callable[[Object], None] = lambda _: None
    on_watch: Callable[[], None] = lambda: None
    answers: dict[str, Callable[[web.Request, bytes], web.Response]] = field(default_factory=dict)
    drops: int = 0
    version: int = 100
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    kubeconfig: Path = Path()
    _log: list[tuple[int, str, str, Object]] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, plural: str, obj: Object) -> None:
        """Create or replace an object, from any thread."""
        stored = copy.deepcopy(obj)
        stored["metadata"].setdefault("namespace", "test")
        key = (plural, stored["metadata"]["namespace"], stored["metadata"]["name"])
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)
        self._log.append((self.version, "MODIFIED" if key in self.objects else "ADDED", plural, stored))
        self.objects[key] = stored
        self._wake()

    def delete(self, plural: str, name: str, namespace: str = "test") -> None:
        gone = self.objects.pop((plural, namespace, name))
        self.version += 1
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self._log.append((self.version, "DELETED", plural, gone))
        self._wake()

    def get(self, plural: str, name: str, namespace: str = "test") -> Object:
        return copy.deepcopy(self.objects[plural, namespace, name])

    def update(self, plural: str, name: str, **status: Any) -> None:
        """Change keys of an object's status; those of `serin` are merged."""
        obj = self.get(plural, name)
        before = obj.setdefault("status", {})
        ours = {**before.get("serin", {}), **status.pop("serin", {})}
        obj["status"] = {**before, **status, "serin": {key: value for key, value in ours.items() if value is not None}}
        self.put(plural, obj)

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._changed.set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.tokens.add(request.headers.get("Authorization", ""))
        for beginning, answer in self.answers.items():
            if f"{request.method} {request.path}".startswith(beginning):
                return answer(request, await request.read())
        parts = request.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = parts[1] if parts[0] == "namespaces" and len(parts) > 2 else None
        plural, name = self._split(parts)
        if plural in self.unserved:
            return web.Response(status=404, text="404 page not found\n")
        if plural in self.refused or (plural in self.unlisted and not name):
            what = f'{plural} is forbidden: User "bob" cannot {request.method.lower()} resource "{plural}"'
            return status(403, "Forbidden", f'{what} in API group "" in the namespace "{namespace}"')
        if not name:
            if "watch" in request.query:
                return await self._watch(request, plural, namespace)
            return self._list(request, plural, namespace)
        key = (plural, namespace or "", name)
        if key not in self.objects:
            return status(404, "NotFound", f'{plural} "{name}" not found', name=name)
        if request.method == "PATCH":
            patch = json.loads(await request.read())
            return self._json_patch(key, patch) if isinstance(patch, list) else self._patch(key, patch)
        return web.json_response(self.objects[key])

    def _split(self, parts: list[str]) -> tuple[str, str]:
        if parts[0] == "namespaces" and len(parts) > 2:
            parts = parts[2:]
        return parts[0], parts[1] if len(parts) > 1 else ""

    def _patch(self, key: tuple[str, str, str], patch: Object) -> web.Response:
        obj = copy.deepcopy(self.objects[key])
        wanted = patch.get("metadata", {}).pop("resourceVersion", None)
        if wanted not in {None, obj["metadata"]["resourceVersion"]}:
            return status(409, "Conflict", "the object has been modified", name=key[2])
        merge(obj, patch)
        self.put(key[0], obj)
        answer = web.json_response(self.objects[key])
        self.on_patch(self.get(*(key[0], key[2], key[1])))
        return answer

    def _json_patch(self, key: tuple[str, str, str], operations: list[Object]) -> web.Response:
        obj = copy.deepcopy(self.objects[key])
        for operation in operations:
            *path, last = operation["path"].strip("/").split("/")
            into = obj
            for part in path:
                into = into[part]
            if operation["op"] == "test" and into.get(last) != operation["value"]:
                return status(422, "Invalid", "the server rejected our request due to an error in our request")
            into[last] = operation["value"]
        self.put(key[0], obj)
        answer = web.json_response(self.objects[key])
        self.on_patch(self.get(*(key[0], key[2], key[1])))
        return answer

    def _selected(self, request: web.Request, plural: str, namespace: str | None) -> Callable[[Object], bool]:
        labels = dict(part.split("=") for part in request.query.get("labelSelector", "").split(",") if part)
        fields = dict(part.split("=") for part in request.query.get("fieldSelector", "").split(",") if part)

        def selects(obj: Object) -> bool:
            found = obj["metadata"].get("labels") or {}
            return (
                (namespace is None or obj["metadata"]["namespace"] == namespace)
                and all(found.get(key) == value for key, value in labels.items())
                and all(field_of(obj, path) == value for path, value in fields.items())
            )

        return selects

    def _list(self, request: web.Request, plural: str, namespace: str | None) -> web.Response:
        selects = self._selected(request, plural, namespace)
        found = [obj for (kind, *_), obj in sorted(self.objects.items()) if kind == plural and selects(obj)]
        start, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "500"))
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        bare = [{k: v for k, v in obj.items() if k not in {"apiVersion", "kind"}} for obj in found]
        return web.json_response({"metadata": metadata, "items": bare[start : start + limit]})

    async def _watch(self, request: web.Request, plural: str, namespace: str | None) -> web.StreamResponse:
        selects = self._selected(request, plural, namespace)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        version = int(request.query["resourceVersion"])
        self.on_watch()
        while not self._closing.is_set():
            self._changed.clear()
            for at, kind, what, obj in list(self._log):
                if at <= version or what != plural or not selects(obj):
                    continue
                try:
                    await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")
                except ConnectionResetError:  # who watched has gone
                    return response
                version = at
                if self.drops:
                    self.drops -= 1
                    assert request.transport is not None
                    request.transport.abort()
                    return response
            changed = asyncio.ensure_future(self._changed.wait())
            closing = asyncio.ensure_future(self._closing.wait())
            await asyncio.wait({changed, closing}, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            closing.cancel()
        return response


def field_of(obj: Object, path: str) -> Any:
    found: Any = obj
    for part in path.split("."):
        found = (found or {}).get(part)
    return found


def status(code: int, reason: str, message: str, **details: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return web.json_response(body, status=code)


@contextmanager
def running_cluster_api(folder: Path) -> Iterator[ClusterApi]:
    """Serve in a thread of its own, for commands that have an event loop of theirs."""
    api, is_up = ClusterApi(), Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", api.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        api.kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://{host}:{port}")
        api._loop = loop
        is_up.set()
        await api._closing.wait()
        await runner.cleanup()

    thread = Thread(target=loop.run_until_complete, args=[serve()], name="API server")
    thread.start()
    assert is_up.wait(60)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(api._closing.set)
        thread.join()
        loop.close()


def write_kubeconfig(path: Path, server: str) -> Path:
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"} | ({"namespace": namespace} if namespace else {})}
        for name, namespace in CONTEXTS.items()
    ]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "sesame"}}],
        "contexts": contexts,
        "current-context": "test",
    }
    path.write_text(json.dumps(config))
    return path
