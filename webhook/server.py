"""The two doors: admission over TLS for the API server, and plain HTTP for probes and Prometheus.

The plain port serves nothing that a cluster's networks may not see. It is apart because Prometheus, unlike the kubelet,
would have to trust our authority, and because /readyz must be able to say that there is no certificate yet.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from webhook.answering import reply_to
from webhook.metrics import WebhookMetrics
from webhook.world import Handler, World

LONGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes. A review carries object and old object, each up to etcd's limit of 1.5 MiB, more when written with escapes."""

_READ_TIMEOUT_S: Final = 10.0
# Longer than the API server keeps an idle connection (90 s): else a request could meet our closing of it.
_KEEP_ALIVE_S: Final = 300.0
_STOP_TIMEOUT_S: Final = 5.0
# How long a client that was refused in mid-sentence may go on before the connection is cut.
_LINGER_S: Final = 1.0

_Answerer: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class Admission:
    """Answers the entries' requests. While it drains, it asks each client to come back over another connection."""

    def __init__(self, entries: Mapping[str, Handler], world: World, metrics: WebhookMetrics) -> None:
        self._entries = entries
        self._world = world
        self._metrics = metrics
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether the end was announced."""
        return self._is_draining

    @property
    def world(self) -> World:
        """What the handlers look at."""
        return self._world

    def drain(self) -> None:
        """Announce the end."""
        self._is_draining = True

    def application(self) -> web.Application:
        """Make the application: a POST route for each entry."""
        # aiohttp refuses what is as long as its limit.
        app = web.Application(client_max_size=LONGEST_BODY + 1)
        app.add_routes([web.post(path, self._answerer(path, handler)) for path, handler in self._entries.items()])
        return app

    def _answerer(self, path: str, handler: Handler) -> _Answerer:
        entry = path.removeprefix("/")

        async def answer(request: web.Request) -> web.Response:
            body = await _read(request)
            started_s = time.perf_counter()
            reply = reply_to(body, handler, self._world)
            self._metrics.observe_request(entry, reply.operation, reply.outcome, time.perf_counter() - started_s)
            content_type = "application/json" if reply.status == HTTPStatus.OK else "text/plain"
            response = web.Response(status=reply.status, body=reply.body, content_type=content_type)
            if self._is_draining:
                response.force_close()
            return response

        return answer


async def _read(request: web.Request) -> bytes:
    """Read the body. Raises the HTTP errors 415, 413, 408, and 400 for one that breaks its own encoding."""
    if request.content_type != "application/json":
        found = request.content_type
        raise web.HTTPUnsupportedMediaType(text=f"Content-Type: found {found!r}; allowed: 'application/json'\n")
    if (request.content_length or 0) > LONGEST_BODY:
        raise _for_good(web.HTTPRequestEntityTooLarge(max_size=LONGEST_BODY, actual_size=request.content_length or 0))
    try:
        if request.content.is_eof():  # all of it came with the headers, as most do: no clock is needed
            return await request.read()
        async with asyncio.timeout(_READ_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _for_good(error) from None
    except TimeoutError as error:
        text = f"the body did not come within {_READ_TIMEOUT_S:g} s\n"
        raise _for_good(web.HTTPRequestTimeout(text=text)) from error
    except web.RequestPayloadError as error:
        raise _for_good(web.HTTPBadRequest(text=f"the body can't be read: {error}\n")) from error


def _for_good(error: web.HTTPException) -> web.HTTPException:
    """Close the connection after this answer: what was not read of the body would be taken for the next request."""
    error.force_close()
    return error


@asynccontextmanager
async def serve_admission(admission: Admission, port: int, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Listen on all addresses until the block ends; gives the port (0 picks one). `context` None is plain HTTP."""
    async with _serving(admission.application(), port, context) as bound:
        yield bound


@asynccontextmanager
async def serve_health(
    admission: Admission, metrics: WebhookMetrics, port: int, unready: Callable[[], str]
) -> AsyncIterator[int]:
    """Serve `/healthz`, `/readyz` and `/metrics` on all addresses until the block ends; gives the port.

    `unready` says why reviews can't be answered, empty when they can: then `/readyz` is 200, else 503 with the reason.
    """

    async def answer_metrics(request: web.Request) -> web.Response:
        body, headers = metrics.render(request.headers.getall("Accept", []), len(admission.world.targets))
        return web.Response(body=body, headers=headers)

    async def answer_health(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def answer_ready(_: web.Request) -> web.Response:
        reason = "stopping" if admission.is_draining else unready()
        return web.Response(text=reason or "OK", status=503 if reason else 200)

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", answer_metrics),
            web.get("/healthz", answer_health),
            web.get("/readyz", answer_ready),
        ]
    )
    async with _serving(app, port, None) as bound:
        yield bound


@asynccontextmanager
async def _serving(app: web.Application, port: int, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """At the end, idle connections are closed and requests under way are answered, for up to 5 s."""
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_STOP_TIMEOUT_S,
        keepalive_timeout=_KEEP_ALIVE_S,
        lingering_time=_LINGER_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port, ssl_context=context, backlog=1024).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
