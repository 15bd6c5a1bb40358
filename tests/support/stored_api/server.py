"""The verbs of the API server over HTTP, on a store in memory: lists in pages, watches, patches, status, deletion."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import ClientConnectionResetError, web

from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.merge_patch import merge
from tests.support.stored_api.store import Change, Conflict, Expired, Object, Place, Store, place_of
from tests.support.web import serving_bare

_BOOKMARK_EVERY_S: Final = 60.0

_REASONS: Final = {404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid"}

# Of an object's metadata, what no writer changes.
_SERVERS_OWN: Final = (
    "namespace",
    "name",
    "uid",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
)


@dataclass(frozen=True, slots=True)
class _Path:
    place: Place
    """Without a namespace: all of them; without a name: all objects."""

    subresource: str


@dataclass
class StoredApi:
    """Serves a store. `requests` counts what was asked, by verb and kind; `on_write` is told of each write before it.

    Kinds that are `unkept` are answered as if they were stored.
    """

    store: Store
    on_write: Callable[[Place, Object, Object], None] = lambda *_: None
    unkept: frozenset[str] = frozenset()
    requests: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = _parse(request.path)
        if request.query.get("watch"):
            return await self._watch(request, path)
        body = await request.read()
        verb = request.method if path.place.name or request.method == "POST" else "LIST"
        self.requests[f"{verb} {path.place.plural} {path.subresource}".strip()] += 1
        try:
            return self._answer(request, path, body)
        except Conflict:
            return _refusal(HTTPStatus.CONFLICT, path)
        except PatchRefused as error:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, path, message=str(error))

    def _answer(self, request: web.BaseRequest, path: _Path, body: bytes) -> web.Response:
        match request.method:
            case "GET" if path.place.name:
                found = self.store.body(path.place)
                return _refusal(HTTPStatus.NOT_FOUND, path) if found is None else _json(found)
            case "GET":
                return self._list(request, path)
            case "POST":
                return self._create(request, path, orjson.loads(body))
            case "DELETE" if self.store.body(path.place) is None:
                return _refusal(HTTPStatus.NOT_FOUND, path)
            case "DELETE":
                self.store.delete(path.place)
                return _json(orjson.dumps({"kind": "Status", "status": "Success"}))
            case _:
                return self._change(request, path, orjson.loads(body))

    def _list(self, request: web.BaseRequest, path: _Path) -> web.Response:
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 500))
        is_wanted = _filter(path, request.query.get("fieldSelector", ""))
        found = [body for place, body in self.store.bodies(path.place.plural) if is_wanted(place)]
        following = str(start + limit) if start + limit < len(found) else ""
        return _listed(self.store.version, found[start : start + limit], following)

    def _create(self, request: web.BaseRequest, path: _Path, obj: Object) -> web.Response:
        obj["metadata"]["namespace"] = path.place.namespace or obj["metadata"].get("namespace", "")
        place = place_of(path.place.plural, obj)
        if place.plural in self.unkept:
            return _json(orjson.dumps(obj), HTTPStatus.CREATED)
        if self.store.body(place) is not None:
            return _refusal(HTTPStatus.CONFLICT, path, "AlreadyExists")
        self.on_write(place, {}, obj)
        return _json(orjson.dumps(self.store.create(place.plural, obj, _manager(request))), HTTPStatus.CREATED)

    def _change(self, request: web.BaseRequest, path: _Path, change: Any) -> web.Response:
        if path.place.plural in self.unkept:
            return _json(orjson.dumps(change))
        before = self.store.get(path.place)
        if before is None and request.content_type.startswith("application/apply-patch"):
            return self._create(request, path, change)
        if before is None:
            return _refusal(HTTPStatus.NOT_FOUND, path)
        changed = _changed(request, deepcopy(before), change)
        after = _with_part(before, changed, is_status=path.subresource == "status")
        self.on_write(path.place, before, after)
        return _json(orjson.dumps(self.store.update(path.place.plural, after, _manager(request))))

    async def _watch(self, request: web.BaseRequest, path: _Path) -> web.StreamResponse:
        plural = path.place.plural
        self.requests[f"WATCH {plural}"] += 1
        is_wanted = _filter(path, request.query.get("fieldSelector", ""))
        try:
            missed = self.store.changes_since(plural, int(request.query.get("resourceVersion") or 0))
        except Expired:
            return _refusal(HTTPStatus.GONE, path)
        queue = self.store.watch(plural)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            await _send(response, [change for change in missed if is_wanted(change.place)])
            await self._follow(response, queue, is_wanted, float(request.query["timeoutSeconds"]))
        except ClientConnectionResetError:
            pass  # nobody watches any more
        finally:
            self.store.unwatch(plural, queue)
        return response

    async def _follow(
        self,
        response: web.StreamResponse,
        queue: asyncio.Queue[Change],
        is_wanted: Callable[[Place], bool],
        timeout_s: float,
    ) -> None:
        clock = asyncio.get_running_loop().time
        end_at_s = clock() + timeout_s
        while clock() < end_at_s:
            try:
                async with asyncio.timeout(min(_BOOKMARK_EVERY_S, max(end_at_s - clock(), 0.0))):
                    changes = [await queue.get()]
            except TimeoutError:
                await response.write(_line("BOOKMARK", _bookmark(self.store.version)))
                continue
            while not queue.empty():
                changes.append(queue.get_nowait())
            await _send(response, [change for change in changes if is_wanted(change.place)])


@asynccontextmanager
async def serving_api(api: StoredApi) -> AsyncIterator[str]:
    """Serve on a free port of loopback until the block ends; gives the URL."""
    server = web.Server(api.handle, handler_cancellation=True, access_log=None)  # a watch ends with its client
    async with serving_bare(server) as url:
        yield url


def _parse(path: str) -> _Path:
    """Read `/api/v1/...` or `/apis/{group}/{version}/...`, with a namespace or without."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:  # two parts are a Namespace itself
        _, namespace, *rest = rest
    plural, name, subresource, *_ = [*rest, "", ""]
    return _Path(Place(plural, namespace, name), subresource)


def _filter(path: _Path, field_selector: str) -> Callable[[Place], bool]:
    namespace, name = path.place.namespace, ""
    if field_selector.startswith("metadata.name="):
        name = field_selector.partition("=")[2]
    return lambda place: (not namespace or place.namespace == namespace) and (not name or place.name == name)


def _manager(request: web.BaseRequest) -> str:
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0]


def _changed(request: web.BaseRequest, obj: Object, change: Any) -> Object:
    """Return what a PUT or a patch makes of an object, which a patch may change; an apply is a merge here.

    Raises:
        PatchRefused: a JSON patch can't be carried out.
    """
    if request.method == "PUT":
        return dict(change)
    if request.content_type == "application/json-patch+json":
        return apply_patch(obj, change)
    merged: Object = merge(obj, change)
    return merged


def _with_part(before: Object, after: Object, *, is_status: bool) -> Object:
    """Return an object with that part of a change which its path may write: the status, or all but the status.

    What the server alone sets stays. A version that the change names is kept, to be compared.
    """
    written, other = (before, after) if is_status else (after, before)
    named = after["metadata"].get("resourceVersion") or before["metadata"]["resourceVersion"]
    owned = {key: before["metadata"][key] for key in _SERVERS_OWN if key in before["metadata"]}
    made = written | {"metadata": written["metadata"] | owned | {"resourceVersion": named}}
    made.pop("status", None)
    return made | ({"status": other["status"]} if "status" in other else {})


async def _send(response: web.StreamResponse, changes: list[Change]) -> None:
    if changes:
        await response.write(b"".join(_line(change.type, change.body) for change in changes))


def _line(type_: str, body: bytes) -> bytes:
    return b'{"type":"' + type_.encode() + b'","object":' + body + b"}\n"


def _bookmark(version: int) -> bytes:
    return orjson.dumps({"metadata": {"resourceVersion": str(version)}})


def _listed(version: int, bodies: list[bytes], following: str) -> web.Response:
    metadata = {"resourceVersion": str(version)} | ({"continue": following} if following else {})
    return _json(b'{"metadata":' + orjson.dumps(metadata) + b',"items":[' + b",".join(bodies) + b"]}")


def _json(body: bytes, code: int = HTTPStatus.OK) -> web.Response:
    return web.Response(status=code, body=body, content_type="application/json")


def _refusal(code: HTTPStatus, path: _Path, reason: str = "", message: str = "no") -> web.Response:
    details = {"name": path.place.name, "kind": path.place.plural}
    status = {"kind": "Status", "code": code, "reason": reason or _REASONS[code], "message": message}
    return _json(orjson.dumps(status | {"details": details}), code)
