"""A proxy in front of an HTTP server, the API server or a Prometheus, that makes faults as it is told."""

import asyncio
import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.support.faults.switches import NONE

_HOP: Final = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "content-encoding"}
_MOST_WRITES: Final = 5_000
_LEASES: Final = "/apis/coordination.k8s.io/"
_NUMBERS: Final = re.compile(rb'("value":\s*\[[^,]+,\s*)"[^"]*"')


class FaultProxy:
    """Passes requests on to `upstream`, with the faults of `switches`.

    `seen` counts what came, as `GET`, `WATCH` or the method of a write; `made` the faults that were made of it, and
    `writes` has method and path of each write that was passed on but for Leases, the first thousands of them.
    """

    def __init__(self, upstream: str, session: aiohttp.ClientSession, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = upstream.rstrip("/")
        self._session = session
        self._tls: ssl.SSLContext | bool = tls or True
        self._transports: set[asyncio.Transport] = set()
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._port = 0
        self._writes = 0
        self.switches = NONE
        self.seen: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.writes: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    async def switch(self, **changes: Any) -> None:
        """Set some of the switches; what is open feels it at once."""
        was, self.switches = self.switches, self.switches.with_changes(changes)
        if self.switches.is_down and not was.is_down:
            await self._close_door()
            self.cut()
        if was.is_down and not self.switches.is_down:
            await self._open_door()
        self._changed.set()
        self._changed = asyncio.Event()

    async def calm(self) -> None:
        """Make no more faults."""
        await self.switch(**NONE.as_dict())

    def cut(self) -> None:
        """Cut every connection that is open."""
        for transport in list(self._transports):
            transport.abort()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FaultProxy"]:
        """Serve on a free port of loopback until the block ends."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.0, access_log=None)
        await self._runner.setup()
        await self._open_door()
        try:
            yield self
        finally:
            await self.switch(is_silent=False)
            self.cut()
            await self._runner.cleanup()

    async def _open_door(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        self._port = self._port or self._runner.addresses[0][1]

    async def _close_door(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        transport = request.transport
        self._transports.add(transport)
        try:
            return await self._answer(request)
        except (aiohttp.ClientError, ConnectionError) as error:
            self.made["upstream failed"] += 1
            with suppress(ConnectionError):
                transport.abort()
            return web.Response(status=502, text=f"{error}")
        finally:
            self._transports.discard(transport)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        is_write = request.method not in {"GET", "HEAD"} and not request.path.startswith("/api/v1/query")
        is_watch = request.query.get("watch") in {"1", "true"}
        is_lease = request.path.startswith(_LEASES)
        self.seen["WATCH" if is_watch else request.method] += 1
        body = await request.read()
        if self.switches.delay_s:
            self.made["late"] += 1
            await asyncio.sleep(self.switches.delay_s)
        if self.switches.is_down:
            return self._abort(request, "down")
        if self.switches.retry_after_s is not None and not is_lease:
            self.made["429"] += 1
            headers = {"Retry-After": f"{self.switches.retry_after_s:g}"}
            return _status(429, "TooManyRequests", "the server has received too many requests", headers)
        if self.switches.is_compacted and (is_watch or "continue" in request.query):
            self.made["410"] += 1
            return _status(410, "Expired", "too old resource version: 1 (2)")
        is_due = is_write and self._counts_as_due()
        if is_due and not self.switches.is_after:
            return self._refuse_write(request, "before")
        if is_write and not is_lease and len(self.writes) < _MOST_WRITES:
            self.writes.append(f"{request.method} {request.path}")
        return await self._pass_on(request, body, is_watch=is_watch, is_due=is_due)

    def _counts_as_due(self) -> bool:
        if not self.switches.nth_write:
            return False
        self._writes += 1
        return self._writes % self.switches.nth_write == 0

    def _refuse_write(self, request: web.Request, moment: str) -> web.StreamResponse:
        code = self.switches.write_code
        self.made[f"write {code} {moment}"] += 1
        if code == 0:
            return self._abort(request, "write unanswered")
        reason = {409: "Conflict", 500: "InternalError"}.get(code, "")
        return _status(code, reason, f"made by the test, {moment} it was carried out")

    def _abort(self, request: web.Request, what: str) -> web.Response:
        self.made[what] += 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.Request, body: bytes, *, is_watch: bool, is_due: bool) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5)
        url = request.rel_url
        if is_watch and self.switches.is_forgotten:
            url = url.update_query(resourceVersion="1")
        sending = self._session.request(
            request.method,
            f"{self._upstream}{url}",
            headers=headers,
            data=body or None,
            timeout=limits,
            ssl=self._tls,
            allow_redirects=False,
        )
        async with sending as answer:
            if is_watch and answer.status == 200:
                return await self._stream(request, answer)
            content = await answer.read()
            if is_due:
                return self._refuse_write(request, "after")
            if self.switches.value:
                content = _NUMBERS.sub(rb'\1"' + self.switches.value.encode() + b'"', content)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
            if self.switches.cuts_bodies and len(content) > 1:
                return await self._cut_in_the_middle(request, answer.status, kept, content)
            return web.Response(status=answer.status, body=content, headers=kept)

    async def _cut_in_the_middle(
        self, request: web.Request, code: int, headers: dict[str, str], content: bytes
    ) -> web.StreamResponse:
        self.made["body cut"] += 1
        response = web.StreamResponse(status=code, headers=headers)
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        await asyncio.sleep(0)
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            if b'"reason":"Expired"' in chunk:
                self.made["410 of the API server"] += 1
            if self.switches.is_silent:
                # This one is dead for good: whoever waits for it has to find that out.
                self.made["watch silenced"] += 1
                await self._until_heard_again()
                return self._abort(request, "silent watch ended")
            if self.switches.cuts_bodies:
                self.made["body cut"] += 1
                await response.write(chunk[: len(chunk) // 2])
                return self._abort(request, "watch cut")
            await response.write(chunk)
        return response

    async def _until_heard_again(self) -> None:
        while self.switches.is_silent and not self.switches.is_down:
            await self._changed.wait()


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    text = json.dumps(body | {"message": message})
    return web.Response(status=code, text=text, content_type="application/json", headers=headers)
