"""The verbs of the API server over HTTP, as the agent uses them: lists in pages, watches, patches, status, Leases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import ClientConnectionResetError, web

from benchmarks.scale.replay.patches import PatchRefused, json_patch, merge
from benchmarks.scale.replay.store import Conflict, Event, Key, Object, Store

_BOOKMARK_EVERY_S: Final = 60.0
_MANAGER: Final = "serin"

_REASONS: Final = {404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid"}


@dataclass(frozen=True, slots=True)
class _Path:
    plural: str
    api_version: str
    key: Key
    subresource: str


@dataclass
class ReplayedApi:
    """Serves a store. `requests` counts what was asked, by verb and kind; `on_write` is told of each write."""

    store: Store
    on_write: Callable[[str, Object, Object], None] = lambda *_: None
    requests: Counter[str] = field(default_factory=Counter)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = _parse(request.path)
        if request.query.get("watch"):
            return await self._watch(request, path)
        body = await request.read()
        verb = request.method if path.key.name or request.method == "POST" else "LIST"
        self.requests[f"{verb} {path.plural} {path.subresource}".strip()] += 1
        try:
            return self._answer(request, path, body)
        except Conflict:
            return _refusal(HTTPStatus.CONFLICT, path)
        except PatchRefused:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, path)

    def _answer(self, request: web.BaseRequest, path: _Path, body: bytes) -> web.Response:
        match request.method:
            case "GET" if path.key.name:
                found = self.store.kinds[path.plural].bodies.get(path.key)
                return _refusal(HTTPStatus.NOT_FOUND, path) if found is None else _json(found)
            case "GET":
                return self._list(request, path)
            case "POST":
                return self._create(path, orjson.loads(body))
            case "DELETE":
                self.store.delete(path.plural, path.key)
                return _json(b"{}")
            case _:
                return self._change(request, path, orjson.loads(body))

    def _list(self, request: web.BaseRequest, path: _Path) -> web.Response:
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 500))
        is_wanted = _filter(path, request.query.get("fieldSelector", ""))
        if request.query.get("labelSelector"):
            return _listed(self.store.version, [], "")  # of ReplicaSets none is kept
        found = [body for key, body in self.store.kinds[path.plural].bodies.items() if is_wanted(key)]
        following = str(start + limit) if start + limit < len(found) else ""
        return _listed(self.store.version, found[start : start + limit], following)

    def _create(self, path: _Path, obj: Object) -> web.Response:
        namespace = path.key.namespace or obj["metadata"].get("namespace", "")
        key = Key(namespace, obj["metadata"]["name"])
        if path.plural == "events":
            return _json(orjson.dumps(obj), HTTPStatus.CREATED)  # nobody reads them here
        if key in self.store.kinds[path.plural].bodies:
            return _refusal(HTTPStatus.CONFLICT, path, "AlreadyExists")
        obj["metadata"]["namespace"] = namespace
        self.on_write(path.plural, {}, obj)
        return _json(orjson.dumps(self.store.create(path.plural, obj, _MANAGER)), HTTPStatus.CREATED)

    def _change(self, request: web.BaseRequest, path: _Path, change: Any) -> web.Response:
        before = self.store.get(path.plural, path.key)
        if path.plural == "events":
            return _json(orjson.dumps(change))
        if before is None and request.content_type == "application/apply-patch+yaml":
            change["metadata"]["namespace"] = path.key.namespace
            return _json(orjson.dumps(self.store.create(path.plural, change, _MANAGER)), HTTPStatus.CREATED)
        if before is None:
            return _refusal(HTTPStatus.NOT_FOUND, path)
        after: Object = orjson.loads(self.store.kinds[path.plural].bodies[path.key])
        if request.method == "PUT":
            if change["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
                raise Conflict
            part = "status" if path.subresource == "status" else "spec"
            after[part] = change.get(part, {})
        elif request.content_type == "application/json-patch+json":
            json_patch(after, change)
        else:
            merge(after, change)
        self.on_write(path.plural, before, after)
        return _json(orjson.dumps(self.store.update(path.plural, after, _MANAGER)))

    async def _watch(self, request: web.BaseRequest, path: _Path) -> web.StreamResponse:
        self.requests[f"WATCH {path.plural}"] += 1
        kind, since = self.store.kinds[path.plural], int(request.query["resourceVersion"])
        is_wanted = _filter(path, request.query.get("fieldSelector", ""))
        missed = [event for event in kind.changes if event.version > since]
        queue: asyncio.Queue[Event] = asyncio.Queue()
        kind.watches.append(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            await _send(response, [event for event in missed if is_wanted(event.key)])
            await self._follow(response, queue, is_wanted, float(request.query["timeoutSeconds"]))
        except ClientConnectionResetError:
            pass  # nobody watches any more
        finally:
            kind.watches.remove(queue)
        return response

    async def _follow(
        self,
        response: web.StreamResponse,
        queue: asyncio.Queue[Event],
        is_wanted: Callable[[Key], bool],
        timeout_s: float,
    ) -> None:
        clock = asyncio.get_running_loop().time
        end_at_s = clock() + timeout_s
        while clock() < end_at_s and not self._closing.is_set():
            try:
                async with asyncio.timeout(min(_BOOKMARK_EVERY_S, max(end_at_s - clock(), 0.0))):
                    events = [await queue.get()]
            except TimeoutError:
                await response.write(_line("BOOKMARK", _bookmark(self.store.version)))
                continue
            while not queue.empty():
                events.append(queue.get_nowait())
            await _send(response, [event for event in events if is_wanted(event.key)])

    def close(self) -> None:
        """Let watches end."""
        self._closing.set()


@asynccontextmanager
async def serving(api: ReplayedApi) -> AsyncIterator[str]:
    """Serve until the block ends; gives the URL."""
    runner = web.ServerRunner(web.Server(api.handle, access_log=None), shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        api.close()
        await runner.cleanup()


def _parse(path: str) -> _Path:
    """Read `/api/v1/...` or `/apis/{group}/{version}/...`, with a namespace or without."""
    parts = path.strip("/").split("/")
    version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[0] == "namespaces":
        _, namespace, *rest = rest
    plural, name, subresource, *_ = [*rest, "", ""]
    return _Path(plural, version, Key(namespace, name), subresource)


def _filter(path: _Path, field_selector: str) -> Callable[[Key], bool]:
    namespace, name = path.key.namespace, ""
    if field_selector.startswith("metadata.name="):
        name = field_selector.partition("=")[2]
    return lambda key: (not namespace or key.namespace == namespace) and (not name or key.name == name)


async def _send(response: web.StreamResponse, events: list[Event]) -> None:
    if events:
        await response.write(b"".join(_line(event.type, event.body) for event in events))


def _line(type_: str, body: bytes) -> bytes:
    return b'{"type":"' + type_.encode() + b'","object":' + body + b"}\n"


def _bookmark(version: int) -> bytes:
    return orjson.dumps({"metadata": {"resourceVersion": str(version)}})


def _listed(version: int, bodies: list[bytes], following: str) -> web.Response:
    metadata = {"resourceVersion": str(version)} | ({"continue": following} if following else {})
    return _json(b'{"metadata":' + orjson.dumps(metadata) + b',"items":[' + b",".join(bodies) + b"]}")


def _json(body: bytes, code: int = HTTPStatus.OK) -> web.Response:
    return web.Response(status=code, body=body, content_type="application/json")


def _refusal(code: HTTPStatus, path: _Path, reason: str = "") -> web.Response:
    status = {"kind": "Status", "code": code, "reason": reason or _REASONS[code], "message": "no"}
    return _json(orjson.dumps(status | {"details": {"name": path.key.name, "kind": path.plural}}), code)
