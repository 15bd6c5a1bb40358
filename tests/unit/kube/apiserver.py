"""A server that speaks the API server's protocol from a script: each request takes the next answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import orjson
from aiohttp import web

from kube.backoff import Backoff
from kube.client import Client
from tests.support.patience import PATIENCE_S

CLOSING = web.AppKey("closing", asyncio.Event)
Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class TargetIdentity:
    """A request as it came in; `body` is parsed."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ApiServer:
    """Answers in the order of `script`, and when that has ended with `otherwise`: to hang until the test is over."""

    script: list[Answer] = field(default_factory=list)
    otherwise: Answer = field(default_factory=lambda: hang())  # noqa: PLW0108  it is defined further down
    seen: list[TargetIdentity] = field(default_factory=list)
    kubeconfig: Path = Path()
    _arrivals: asyncio.Condition = field(default_factory=asyncio.Condition)

    def will(self, *answers: Answer) -> None:
        self.script += answers

    async def wait_seen(self, count: int) -> None:
        """Until so many requests came in."""
        async with asyncio.timeout(PATIENCE_S), self._arrivals:
            await self._arrivals.wait_for(lambda: len(self.seen) >= count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self._arrivals:
            self.seen.append(
                TargetIdentity(
                    request.method,
                    request.path,
                    dict(request.query),
                    dict(request.headers),
                    orjson.loads(body) if body else None,
                )
            )
            self._arrivals.notify_all()
        answer = self.script.pop(0) if self.script else self.otherwise
        return await answer(request)


@asynccontextmanager
async def running_api_server(folder: Path) -> AsyncIterator[ApiServer]:
    server = ApiServer()
    app = web.Application()
    app[CLOSING] = asyncio.Event()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.kubeconfig = write_kubeconfig(folder / "kubeconfig", f"http://{host}:{port}")
    try:
        yield server
    finally:
        app[CLOSING].set()
        await runner.cleanup()


def write_kubeconfig(
    path: Path,
    server: str,
) -> Path:
    path.write_bytes(
        orjson.dumps(  # JSON is YAML
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "sesame"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return path


@dataclass
class ManualTime:
    """A clock that only sleeping moves; nobody waits for real. `slept_s` keeps each wait."""

    now_s: float = 1000.0
    slept_s: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        for _ in range(5):  # whoever can go on, does so before time does
            await asyncio.sleep(0)
        self.now_s += delay_s


@asynccontextmanager
async def client_of(server: ApiServer, time: ManualTime, *, deadline_s: float = 10.0) -> AsyncIterator[Client]:
    """A client of `server`. It waits long to be connected: where that takes a while, no retry of it is counted."""
    backoff = Backoff(draw=lambda: 0.5)
    with patch("kube.connection.CONNECT_TIMEOUT_S", PATIENCE_S):
        async with Client.connect(
            kubeconfig=server.kubeconfig,
            user_agent="serin/test",
            deadline_s=deadline_s,
            backoff=backoff,
            clock=time.clock,
            sleep=time.sleep,
        ) as client:
            yield client


def ok(body: Any, code: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")

    return answer


def no(
    code: int, reason: str = "", message: str = "no", *, headers: dict[str, str] | None = None, **details: Any
) -> Answer:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, body=orjson.dumps(status), content_type="application/json", headers=headers)

    return answer


def text(code: int, body: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=body)

    return answer


def hang() -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.app[CLOSING].wait()
        return web.Response()

    return answer


def reset() -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        _abort(request)
        return web.Response()

    return answer


def stream(*chunks: bytes, end: str = "clean") -> Answer:
    """A watch's answer; `end` is clean, reset, cut (the same, but what was sent is received) or hang."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if end == "reset":
            _abort(request)
        elif end == "cut":
            assert request.transport is not None
            request.transport.close()
        elif end == "hang":
            await request.app[CLOSING].wait()
        return response

    return answer


def line(type_: str, obj: Any) -> bytes:
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


def listing(version: str | int, *items: Any, following: str = "") -> Answer:
    metadata = {"resourceVersion": str(version)} | ({"continue": following} if following else {})
    return ok({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items})


def config_map(name: str, version: str | int, namespace: str = "test", **data: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version), "managedFields": [{}]},
        "data": data,
    }


def bookmark(version: str | int) -> bytes:
    return line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def _abort(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
