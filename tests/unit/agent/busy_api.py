"""An API server with many Canaries, each of which is written once: none has a provider that the agent knows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.support.canaries import canary_object
from tests.support.patience import PATIENCE_S
from tests.unit.kube.apiserver import write_kubeconfig

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/gloo-system/leases"
_CANARIES = "/apis/flagger.app/v1beta1"

Object = dict[str, Any]


async def _at_once() -> None:
    """Let a request be answered."""


@dataclass
class BusyApi:
    """Keeps canaries, Leases and events. `before_status` is awaited before a status is answered, `before_event` too.

    `statuses` are how often each canary's status was written, `renewals` how often a Lease was written.
    """

    canaries: dict[str, Object]
    before_status: Callable[[], Awaitable[None]] = _at_once
    before_event: Callable[[], Awaitable[None]] = _at_once
    before_lease: Callable[[], Awaitable[None]] = _at_once
    leases: dict[str, Object] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    events: list[Object] = field(default_factory=list)
    writing: int = 0
    most_writing: int = 0
    renewals: int = 0
    kubeconfig: Path = Path()
    _version: int = 1
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(is_so)

    async def until_renewed(self) -> None:
        """Wait until a Lease was written once more."""
        count = self.renewals
        await self.until(lambda: self.renewals > count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            await self._closing.wait()
            return web.Response()
        body = await request.read()
        obj = orjson.loads(body) if body else {}
        answer = await self._answer(request.method, request.path, obj)
        async with self._changed:
            self._changed.notify_all()
        return answer

    async def _answer(self, method: str, path: str, obj: Object) -> web.Response:
        if path.startswith(_LEASES):
            return await self._lease(method, path, obj)
        if method == "PUT" and path.endswith("/status"):
            return await self._status(obj)
        if path.endswith("/events"):
            await self.before_event()
            self.events.append(obj)
            return _json(obj, 201)
        is_canaries = path.startswith(_CANARIES) and path.endswith("/canaries")
        items = list(self.canaries.values()) if is_canaries else []
        return _json({"metadata": {"resourceVersion": str(self._version)}, "items": items})

    async def _lease(self, method: str, path: str, obj: Object) -> web.Response:
        await self.before_lease()
        name = obj["metadata"]["name"] if obj else path.rpartition("/")[2]
        if method == "GET":
            found = self.leases.get(name)
            return (
                _json({"kind": "Status", "code": 404, "details": {"name": name}}, 404)
                if found is None
                else _json(found)
            )
        self.renewals += 1
        self.leases[name] = self._stored(obj)
        return _json(self.leases[name])

    async def _status(self, obj: Object) -> web.Response:
        self.writing += 1
        self.most_writing = max(self.writing, self.most_writing)
        async with self._changed:
            self._changed.notify_all()
        await self.before_status()
        self.writing -= 1
        name = obj["metadata"]["name"]
        self.statuses[name] += 1
        self.canaries[name] = self._stored(obj)
        return _json(self.canaries[name])

    def _stored(self, obj: Object) -> Object:
        self._version += 1
        return obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self._version)}}


def _json(body: Object, code: int = 200) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def busy_api(folder: Path, count: int, *, namespaces: int = 0) -> AsyncIterator[BusyApi]:
    """Serve so many canaries until the block ends, in `test` or in so many namespaces."""
    canaries: dict[str, Object] = {}
    for number in range(count):
        obj = canary_object(provider="linkerd")
        name = f"app-{number}"
        obj["metadata"] |= {"name": name, "uid": name, "resourceVersion": "1", "generation": 1}
        obj["spec"]["targetRef"]["name"] = name
        if namespaces:
            obj["metadata"]["namespace"] = f"team-{number % namespaces}"
        canaries[name] = obj
    api = BusyApi(canaries)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    api.kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://{host}:{port}")
    try:
        yield api
    finally:
        api._closing.set()
        await runner.cleanup()
