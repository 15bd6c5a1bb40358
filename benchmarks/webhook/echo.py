"""`python -m benchmarks.webhook.echo PORT CERTIFICATE KEY`: the least that an aiohttp server over TLS can do.

It runs on the same loop as the webhook and sends back the body that it got: what the webhook is held against.
"""

import ssl
import sys

import uvloop
from aiohttp import web

LONGEST_BODY = 8 * 1024 * 1024


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


def main(port: str, certificate: str, key: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app = web.Application(client_max_size=LONGEST_BODY)
    app.add_routes([web.post("/mutate/workloads", _echo)])
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(port), ssl_context=context, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
