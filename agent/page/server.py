"""The page's own HTTP server: what it sends, to whom, and how much of it at once."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from importlib.resources import files
from typing import Final

import orjson
from aiohttp import hdrs, web

from agent.caches import Caches
from agent.page.access import (
    MOST_TOKEN_CHARS,
    Access,
    Credentials,
    Refused,
    cookie_of,
    is_from_elsewhere,
    is_over_tls,
)
from agent.page.details import detail_of
from agent.page.feed import Feed, TooManyReaders
from agent.page.recent import Recent
from agent.page.reviews import Viewer
from agent.page.traffic import Busy, TrafficReader
from agent.resources import CANARIES
from agent.stored import read_stored
from canary.run.status import UnknownPhase
from kube.resource import Object

MOST_BODY_BYTES: Final = 8_192
"""Of what is sent to the page: a token, and nothing else."""

MOST_REQUESTS: Final = 256
"""At once, streams among them."""

MOST_LOGINS: Final = 16
"""Forms at once: anybody may send one, so they have places of their own."""

MOST_STREAMS: Final = 8
"""Of one user's."""

_READ_WITHIN_S: Final = 5.0
_WRITTEN_WITHIN_S: Final = 10.0
_RETRY_MS: Final = 3_000
_WHY: Final = b"<!-- why -->"
_OPEN: Final = frozenset({"/login", "/logout"})
_STOP_TIMEOUT_S: Final = 1.0
_KEPT_ALIVE_S: Final = 30.0

_TYPES: Final = {
    "index.html": "text/html",
    "login.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "list.js": "text/javascript",
    "detail.js": "text/javascript",
    "chart.js": "text/javascript",
    "dom.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

# Nothing but this server's own files, no inline script or style, in nobody's frame. What tenants write is put into the
# page as text: with Trusted Types no script of ours can do otherwise.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_VIEWER: Final = web.RequestKey("viewer", Viewer)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the page, as it is sent."""

    body: bytes
    type: str
    tag: str

    @classmethod
    def read(cls, name: str) -> "_Asset":
        body = files("agent.page").joinpath("static", name).read_bytes()
        return cls(body, _TYPES[name], f'"{hashlib.sha256(body).hexdigest()[:16]}"')


class Page:
    """Everything behind the page's port."""

    def __init__(self, *, access: Access, caches: Caches, feed: Feed, recent: Recent, traffic: TrafficReader) -> None:
        self._access = access
        self._caches = caches
        self._feed = feed
        self._recent = recent
        self._traffic = traffic
        self._assets = {name: _Asset.read(name) for name in _TYPES}
        self._requests = 0
        self._logins = 0
        self._streams: dict[asyncio.Task[object], str] = {}

    def runner(self) -> web.AppRunner:
        """Return what serves it. A request whose sender is gone ends at once: its place is another's."""
        return web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_STOP_TIMEOUT_S,
            keepalive_timeout=_KEPT_ALIVE_S,
        )

    def _application(self) -> web.Application:
        """Return the routes, each behind the same guard."""
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BODY_BYTES)
        app.add_routes(
            [
                web.get("/", self._show),
                web.get("/static/{name}", self._send_asset),
                web.get("/api/stream", self._stream),
                web.get("/api/canaries/{namespace}/{name}", self._tell),
                web.get("/api/canaries/{namespace}/{name}/traffic", self._compare),
            ]
        )
        if self._access.has_login:
            app.add_routes(
                [
                    web.get("/login", self._show_login),
                    web.post("/login", self._sign_in),
                    web.post("/logout", self._sign_out),
                ]
            )
        app.on_shutdown.append(self._end)
        return app

    async def _end(self, _: web.Application) -> None:
        for stream in self._streams:
            stream.cancel()

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let in who may look. Whatever is answered has the headers that keep a browser to this page alone."""
        if self._requests >= MOST_REQUESTS:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once; try again")
        self._requests += 1
        try:
            return await self._answer(request, handler)
        except Refused as refused:
            return _text(refused.status, str(refused))
        except web.HTTPException as error:
            return _text(HTTPStatus(error.status), error.reason)
        finally:
            self._requests -= 1

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        credentials = credentials_of(request)
        if request.path != "/" and is_from_elsewhere(credentials.headers):
            raise Refused(HTTPStatus.FORBIDDEN, "the request comes from another site's page")
        is_open = self._access.has_login and (request.path in _OPEN or request.path.startswith("/static/"))
        if not is_open:
            try:
                request[_VIEWER] = await self._access.admit(credentials)
            except Refused as refused:
                if refused.is_unknown and request.path == "/":
                    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**HEADERS, hdrs.LOCATION: "/login"})
                raise
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
            response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        return response

    async def _show(self, request: web.Request) -> web.Response:
        return self._asset(request, "index.html")

    async def _show_login(self, request: web.Request) -> web.Response:
        return self._asset(request, "login.html")

    async def _send_asset(self, request: web.Request) -> web.Response:
        return self._asset(request, request.match_info["name"])

    def _asset(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            raise web.HTTPNotFound
        headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: asset.tag}
        if request.headers.get(hdrs.IF_NONE_MATCH) == asset.tag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(body=asset.body, content_type=asset.type, charset="utf-8", headers=headers)

    async def _sign_in(self, request: web.Request) -> web.Response:
        """Keep a token in the browser, out of reach of scripts, until it is closed."""
        credentials = credentials_of(request)
        if not credentials.is_private:
            text = (
                "a token is taken over HTTPS only: put the page behind an Ingress that ends TLS and sets "
                "X-Forwarded-Proto, or use kubectl port-forward"
            )
            raise Refused(HTTPStatus.FORBIDDEN, text)
        if self._logins >= MOST_LOGINS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many sign in at once; try again")
        self._logins += 1
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                token = str((await request.post()).get("token", "")).strip()
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"the form did not arrive within {_READ_WITHIN_S:g} s") from None
        finally:
            self._logins -= 1
        try:
            await self._access.admit(Credentials(headers={}, cookie=token[: MOST_TOKEN_CHARS + 1]))
        except Refused as refused:
            return self._login_again(refused)
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: "/"})
        response.set_cookie(
            cookie_of(credentials.headers),
            token,
            httponly=True,
            samesite="Strict",
            secure=is_over_tls(credentials.headers),
            path="/",
        )
        return response

    def _login_again(self, refused: Refused) -> web.Response:
        """Return the form with what was wrong."""
        why = f'<p class="problem" role="alert">{escape(str(refused))}</p>'.encode()
        body = self._assets["login.html"].body.replace(_WHY, why)
        return web.Response(status=refused.status, body=body, content_type="text/html", charset="utf-8")

    async def _sign_out(self, request: web.Request) -> web.Response:
        """Take the token out of the browser, also where it is worth nothing any more."""
        headers = credentials_of(request).headers
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: "/login"})
        response.del_cookie(cookie_of(headers), path="/", httponly=True, samesite="Strict", secure=is_over_tls(headers))
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Send the feed until the reader goes, is too slow, or may no longer look."""
        task, name = asyncio.current_task(), request[_VIEWER].name
        assert task is not None
        if name and sum(other == name for other in self._streams.values()) >= MOST_STREAMS:
            text = f"{MOST_STREAMS} pages of yours are open; close one and load this again"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, text)
        self._streams[task] = name
        try:
            return await self._send_feed(request)
        except TooManyReaders:
            text = "too many pages are open; close one and load this again"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, text) from None
        finally:
            del self._streams[task]

    async def _send_feed(self, request: web.Request) -> web.StreamResponse:
        credentials = credentials_of(request)

        async def visible(namespaces: Collection[str]) -> Collection[str]:
            viewer = await self._access.admit(credentials)
            return await self._access.visible(viewer, namespaces)

        response = web.StreamResponse(
            headers={**HEADERS, hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"}
        )
        async with aclosing(self._feed.read(visible, request.headers.get("Last-Event-ID", ""))) as events:
            try:
                async for event in events:
                    if not response.prepared:
                        await response.prepare(request)
                        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
                    async with asyncio.timeout(_WRITTEN_WITHIN_S):
                        await response.write(event)
            except Refused:
                if not response.prepared:
                    raise
            except (TimeoutError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _tell(self, request: web.Request) -> web.Response:
        obj = await self._canary(request)
        return _json(detail_of(obj, self._feed.row(obj), self._recent))

    async def _compare(self, request: web.Request) -> web.Response:
        obj = await self._canary(request)
        try:
            stored = read_stored(obj, None)
            canary = None if stored.blocker is not None else stored.canary
        except UnknownPhase:
            canary = None
        if canary is None:
            raise Refused(HTTPStatus.CONFLICT, "the spec can't be read, so nobody knows what to ask for")
        try:
            return _json(await self._traffic.read(canary))
        except Busy:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "others are waited for; try again") from None

    async def _canary(self, request: web.Request) -> Object:
        """Return the canary of a path. Who may not see it gets the same answer as of one that does not exist.

        The same is asked of the API server in both cases, so neither time nor failure tells them apart.
        """
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        visible = await self._access.visible(request[_VIEWER], self._feed.namespaces)
        obj = self._caches.of(CANARIES).get(namespace, name) if namespace in visible else None
        if obj is None:
            raise Refused(HTTPStatus.NOT_FOUND, "no such canary, or none that you may see")
        return obj


def credentials_of(request: web.Request) -> Credentials:
    """Return what a request says of who sends it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Credentials(headers=headers, cookie=request.cookies.get(cookie_of(headers), ""))


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={**HEADERS, hdrs.CACHE_CONTROL: "no-store"})
