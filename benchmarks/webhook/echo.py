"""`python -m benchmarks.webhook.echo PORT CERTIFICATE KEY`: the least that an aiohttp server over TLS can do.

It runs on the same loop and the same kind of server as the webhook, without routes, and sends back the body that it
got: what the webhook is held against.
"""

import sys

from aiohttp import web

from benchmarks.webhook.tls_server import run


async def _echo(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


if __name__ == "__main__":
    run(_echo, *sys.argv[1:])
