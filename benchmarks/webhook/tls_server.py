"""A server on the webhook's own loop and library, over TLS, without routes: for handlers that know nothing."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import uvloop
from aiohttp import web

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.Response]]


def run(handler: Handler, port: str, certificate: str, key: str, *, is_told: bool = False, **settings: Any) -> None:
    """Serve until the process is ended. `is_told`: say so on stdout once it listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(handler, access_log=None, **settings))
        await runner.setup()
        await web.TCPSite(runner, host="127.0.0.1", port=int(port), ssl_context=context).start()
        if is_told:
            print("listening", flush=True)
        await asyncio.Event().wait()

    uvloop.run(serve())
