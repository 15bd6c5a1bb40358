"""An API server in memory: objects, their versions, and watches that tell of each change. It knows no kind."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aiohttp import web

from tests.support.json_patch import PatchRefused, apply_patch

Json = dict[str, Any]

_BOOKMARK_EVERY_S: Final = 60.0


class Place(NamedTuple):
    """Where an object is: its kind's plural, its namespace and its name."""

    plural: str
    namespace: str
    name: str


class Change(NamedTuple):
    """What a watch tells."""

    version: int
    type: str
    plural: str
    obj: Json


class _Path(NamedTuple):
    api_version: str
    plural: str
    namespace: str
    name: str
    subresource: str


class StoredApi:
    """Stores what it is sent as the API server does. `after_change` is called with the place of each change."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.objects: dict[Place, Json] = {}
        self.after_change: Callable[[Place], None] = lambda _: None
        self.requests: Counter[str] = Counter()
        self.url = ""
        self._version = 100
        self._oldest = 0
        self._log: list[Change] = []
        self._news = asyncio.Event()
        self._is_over = False

    def get(self, plural: str, name: str, namespace: str = "test") -> Json:
        """Return an object, empty where there is none."""
        return self.objects.get(Place(plural, namespace, name), {})

    def named(self, plural: str) -> dict[str, Json]:
        """Return all objects of a kind by their names."""
        return {place.name: obj for place, obj in self.objects.items() if place.plural == plural}

    def put(self, plural: str, obj: Json) -> Json:
        """Store an object, as somebody who writes it whole; its status stays if it has none."""
        metadata = obj["metadata"]
        place = Place(plural, metadata.get("namespace", ""), metadata["name"])
        return self._store(place, obj)

    def edit(self, plural: str, name: str, change: Callable[[Json], None], namespace: str = "test") -> Json:
        """Change an object in place, as somebody with kubectl does."""
        obj = deepcopy(self.objects[Place(plural, namespace, name)])
        change(obj)
        return self._store(Place(plural, namespace, name), obj)

    def delete(self, plural: str, name: str, namespace: str = "test") -> None:
        """Delete an object; with finalizers it waits for them."""
        place = Place(plural, namespace, name)
        obj = deepcopy(self.objects[place])
        if obj["metadata"].get("finalizers"):
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._store(place, obj)
            return
        del self.objects[place]
        self._tell(place, "DELETED", obj)

    def compact(self) -> None:
        """Forget what was before now: a watch from an older version is refused with 410."""
        self._oldest = self._version
        self._log.clear()
        self._news.set()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["StoredApi"]:
        """Serve on a free port of loopback until the block ends."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.0, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self._is_over = True
            self._news.set()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = _parsed(request.path)
        text = await request.read()
        body = json.loads(text) if text else {}
        self.requests[f"{request.method} {path.plural}"] += 1
        if request.method == "GET" and path.name:
            found = self.objects.get(Place(path.plural, path.namespace, path.name))
            return _answer(found) if found is not None else _refusal(404, "NotFound", path.name)
        if request.query.get("watch"):
            with suppress(ConnectionError):  # whoever watched has gone
                return await self._watch(request, path)
            return web.Response()
        if request.method == "GET":
            return self._list(request, path)
        return self._write(request, path, body)

    def _list(self, request: web.Request, path: _Path) -> web.Response:
        items = [obj for place, obj in self.objects.items() if _is_meant(request, path, place)]
        return _answer({"metadata": {"resourceVersion": str(self._version)}, "items": items})

    def _write(self, request: web.Request, path: _Path, body: Any) -> web.Response:
        place = Place(path.plural, path.namespace, path.name or body["metadata"]["name"])
        found = self.objects.get(place)
        if request.method == "POST":
            return self._create(request, place, body)
        if found is None and not request.content_type.startswith("application/apply-patch"):
            return _refusal(404, "NotFound", place.name)
        if request.method == "DELETE":
            self.delete(*place[:1], place.name, place.namespace)
            return _answer({"kind": "Status", "status": "Success"})
        expected = body["metadata"].get("resourceVersion") if request.method == "PUT" else None
        if expected and found and expected != found["metadata"]["resourceVersion"]:
            return _refusal(409, "Conflict", place.name)
        try:
            made = _made(request, found or {}, body)
        except PatchRefused as error:
            return _refusal(422, "Invalid", str(error))
        if manager := request.query.get("fieldManager"):
            made = self._noted(made, manager)
        if found is not None:
            kept = found if path.subresource == "status" else made
            made = kept | {"status": (made if path.subresource == "status" else found).get("status")}
        stored = self._store(place, made)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            del self.objects[place]
            self._tell(place, "DELETED", stored)
        return _answer(stored)

    def _create(self, request: web.Request, place: Place, body: Json) -> web.Response:
        if place in self.objects:
            return _refusal(409, "AlreadyExists", place.name)
        manager = request.headers.get("User-Agent", "").partition("/")[0]
        return _answer(self._store(place, self._noted(body, manager)), 201)

    def _noted(self, obj: Json, manager: str) -> Json:
        """Note when a manager wrote what it wrote, as managedFields do."""
        metadata, at = obj["metadata"], datetime.fromtimestamp(self._now_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        others = [one for one in metadata.get("managedFields") or () if one["manager"] != manager]
        mine = {"manager": manager, "operation": "Apply", "time": at, "fieldsV1": {"f:spec": {}}}
        return obj | {"metadata": metadata | {"managedFields": [*others, mine]}}

    def _store(self, place: Place, obj: Json) -> Json:
        before = self.objects.get(place)
        self._version += 1
        metadata = dict(obj["metadata"])
        was = before["metadata"] if before else {}
        is_same_spec = before is not None and before.get("spec") == obj.get("spec")
        metadata |= {
            "namespace": place.namespace,
            "name": place.name,
            "uid": was.get("uid") or metadata.get("uid") or f"{place.plural}-{place.name}-{self._version}",
            "resourceVersion": str(self._version),
            "generation": was.get("generation", 0) + (0 if is_same_spec else 1),
            "creationTimestamp": was.get("creationTimestamp", "2026-01-01T00:00:00Z"),
        }
        stored = deepcopy(obj) | {"metadata": metadata}
        if before is not None and "status" in before and "status" not in stored:
            stored["status"] = before["status"]
        self.objects[place] = stored
        self._tell(place, "ADDED" if before is None else "MODIFIED", stored)
        return stored

    def _tell(self, place: Place, kind: str, obj: Json) -> None:
        if kind == "DELETED":
            self._version += 1
            obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self._version)}}
        self._log.append(Change(self._version, kind, place.plural, obj))
        self._news.set()
        self._news = asyncio.Event()
        self.after_change(place)

    async def _watch(self, request: web.Request, path: _Path) -> web.StreamResponse:
        told = int(request.query.get("resourceVersion") or 0)
        if told < self._oldest:
            return _refusal(410, "Expired", f"too old resource version: {told} ({self._oldest})")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + float(request.query.get("timeoutSeconds") or 300)
        while not self._is_over and loop.time() < ends_at_s:
            if told < self._oldest:
                error = {"kind": "Status", "code": 410, "reason": "Expired", "message": "compacted"}
                await response.write(_line("ERROR", error))
                return response
            news = self._news
            for change in [change for change in self._log if change.version > told]:
                place = Place(change.plural, change.obj["metadata"]["namespace"], change.obj["metadata"]["name"])
                if _is_meant(request, path, place):
                    await response.write(_line(change.type, change.obj))
                told = max(told, change.version)
            try:
                async with asyncio.timeout(min(_BOOKMARK_EVERY_S, max(ends_at_s - loop.time(), 0.1))):
                    await news.wait()
            except TimeoutError:
                told = self._version if not self._log else max(told, self._log[-1].version)
                await response.write(_line("BOOKMARK", {"metadata": {"resourceVersion": str(told)}}))
        return response


def _parsed(path: str) -> _Path:
    parts = path.strip("/").split("/")
    group, parts = ("/".join(parts[1:3]), parts[3:]) if parts[0] == "apis" else (parts[1], parts[2:])
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = (*parts, "", "")[:3]
    return _Path(group, plural, namespace, name, subresource)


def _is_meant(request: web.Request, path: _Path, place: Place) -> bool:
    if place.plural != path.plural or path.namespace not in {"", place.namespace}:
        return False
    selector = request.query.get("fieldSelector", "")
    return not selector.startswith("metadata.name=") or selector == f"metadata.name={place.name}"


def _made(request: web.Request, found: Json, body: Any) -> Json:
    """Return what a PUT or a patch makes of an object.

    Raises:
        PatchRefused: a test of a JSON patch does not hold.
    """
    if request.method == "PUT":
        return dict(body)
    if request.content_type == "application/json-patch+json":
        return apply_patch(found, body)
    merged: Json = _merged(found, body)
    return merged


def _merged(found: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    merged = dict(found) if isinstance(found, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _answer(obj: Json, code: int = 200) -> web.Response:
    return web.Response(status=code, text=json.dumps(obj), content_type="application/json")


def _refusal(code: int, reason: str, message: str) -> web.Response:
    details = {"name": message} if code == 404 else {}
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return _answer(body, code)


def _line(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"
