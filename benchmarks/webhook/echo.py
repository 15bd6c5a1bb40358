"""`python -m benchmarks.webhook.echo PORT CERTIFICATE KEY`: the least that an aiohttp server over TLS can do.

It runs on the same loop and the same kind of server as the webhook, without routes, and sends back the body that it
got: what the webhook is held against.
"""

import asyncio
import ssl
import sys

import uvloop
from aiohttp import web


async def _echo(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


async def _serve(port: int, context: ssl.SSLContext) -> None:
    runner = web.ServerRunner(web.Server(_echo, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host="127.0.0.1", port=port, ssl_context=context).start()
    await asyncio.Event().wait()


def main(port: str, certificate: str, key: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    uvloop.run(_serve(int(port), context))


if __name__ == "__main__":
    main(*sys.argv[1:])
