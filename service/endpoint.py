"""The HTTP endpoint of a program: `/healthz`, `/readyz` and `/metrics`, and how any of our servers starts and ends."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import hdrs, web

RenderMetrics: TypeAlias = Callable[[list[str]], Awaitable[tuple[bytes, Mapping[str, str]]]]
"""Takes the client's Accept headers; returns body and headers of the answer to a scrape."""

_STOP_TIMEOUT_S: Final = 2.0


def health_routes(render_metrics: RenderMetrics, why_unready: Callable[[], str] | None = None) -> list[web.RouteDef]:
    """Return the routes of probes and scrapes.

    `/healthz` only says that the event loop turns. `why_unready` says why the program can't do its work, empty when it
    can: then `/readyz` is 200, else 503 with the reason. Without `why_unready` there is no `/readyz`.
    """

    async def answer_metrics(request: web.Request) -> web.Response:
        body, headers = await render_metrics(request.headers.getall(hdrs.ACCEPT, []))
        return web.Response(body=body, headers=headers)

    async def answer_health(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    routes = [web.get("/metrics", answer_metrics), web.get("/healthz", answer_health)]
    if why_unready is None:
        return routes

    async def answer_ready(_: web.Request) -> web.Response:
        reason = why_unready()
        return web.Response(text=reason or "OK", status=503 if reason else 200)

    return [*routes, web.get("/readyz", answer_ready)]


@asynccontextmanager
async def serve_health(port: int, render_metrics: RenderMetrics, why_unready: Callable[[], str]) -> AsyncIterator[int]:
    """Serve `health_routes` alone, over plain HTTP, until the block ends; yield the port (0 picks one)."""
    app = web.Application()
    app.add_routes(health_routes(render_metrics, why_unready))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_TIMEOUT_S)
    with listen(port) as listener:
        async with serving(runner, listener):
            yield listener.getsockname()[1]


@asynccontextmanager
async def serving(
    runner: web.BaseRunner, listener: socket.socket, *, context: ssl.SSLContext | None = None, backlog: int = 128
) -> AsyncIterator[None]:
    """Serve until the block ends. Then close idle connections, and let requests under way end for the runner's time.

    `context` None is plain HTTP. `backlog` is how many connections may wait to be accepted.
    """
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=context, backlog=backlog).start()
        yield
    finally:
        await runner.cleanup()


def listen(port: int) -> socket.socket:
    """Open a port on all addresses, of IPv6 and IPv4 as far as the machine has them; 0 picks a port.

    Raises:
        OSError: the port is taken.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
