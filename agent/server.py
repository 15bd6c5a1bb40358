"""The agent's own endpoint: `/metrics`, `/healthz`, `/readyz`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from agent.metrics import AgentMetrics

_STOP_TIMEOUT_S: Final = 2.0


@asynccontextmanager
async def serve(port: int, metrics: AgentMetrics, unready: Callable[[], str]) -> AsyncIterator[None]:
    """Listen on all addresses until the block ends.

    `unready` says why the agent can't do its work, empty when it can: then `/readyz` is 200, else 503 with the reason.
    `/healthz` only says that the event loop turns.
    """

    async def answer_metrics(request: web.Request) -> web.Response:
        body, headers = metrics.render(request.headers.getall("Accept", []))
        return web.Response(body=body, headers=headers)

    async def answer_health(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def answer_ready(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(text=reason or "OK", status=503 if reason else 200)

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", answer_metrics),
            web.get("/healthz", answer_health),
            web.get("/readyz", answer_ready),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
