"""The HTTP side of the load tester: hooks on `POST /`, gates, the probes' `/healthz`, Prometheus' `/metrics`."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from loadtester.access import NAMESPACE_PATTERN, answer_refusals, check_access
from loadtester.command import Completion, Outcome
from loadtester.gate import GATES, Gates, gate_routes
from loadtester.hook import Hook, HookType, parse_hook
from loadtester.metrics import RunMetrics
from loadtester.runner import Runner

SHUTDOWN_S = 5.0  # for bash commands to end by themselves when the load tester stops; aiohttp waits it out twice

_RUNNER = web.AppKey("runner", Runner)
_METRICS = web.AppKey("metrics", RunMetrics)


def build_app(*, timeout_s: float, namespace_pattern: re.Pattern[str]) -> web.Application:
    """Builds the service; its commands live as long as the application, and each at most `timeout_s` seconds."""
    app = web.Application(middlewares=[answer_refusals])
    app[_METRICS] = RunMetrics()
    app[_RUNNER] = Runner(timeout_s=timeout_s, metrics=app[_METRICS])
    app[NAMESPACE_PATTERN] = namespace_pattern
    app[GATES] = Gates()
    app.cleanup_ctx.append(_run_commands)
    app.add_routes(
        [
            web.post("/", answer_hook),
            web.get("/healthz", answer_healthz),
            web.get("/metrics", answer_metrics),
            *gate_routes(),
        ]
    )
    return app


@asynccontextmanager
async def serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serves until left: then takes no new requests, lets those that run end for a while, and ends the rest."""
    # With handler_cancellation a caller that gave up ends its command: it will ask again, and two must not overlap.
    app_runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
    await app_runner.setup()
    try:
        await web.SockSite(app_runner, listener).start()
        yield
    finally:
        await app_runner.cleanup()


def listen(port: int) -> socket.socket:
    """Opens the port on all addresses, IPv6 and IPv4 as far as the machine has them."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


async def answer_hook(request: web.Request) -> web.Response:
    """Runs a hook's command.

    Answers with Flagger's codes: 202 for a `cmd` that was started or runs already, 200 or 500 for a `bash` that
    ended well or not, 400 for a payload that can't be run, 403 for a namespace that is not allowed here.
    """
    hook = parse_hook(await request.read())
    check_access(request, hook.canary)
    match hook.type:
        case HookType.CMD:
            request.app[_RUNNER].start(hook)
            return web.Response(status=202)
        case HookType.BASH:
            return _render_completion(hook, await request.app[_RUNNER].run(hook))


async def answer_healthz(_: web.Request) -> web.Response:
    """Tells that the load tester can answer."""
    return web.Response(text="OK")


async def answer_metrics(request: web.Request) -> web.Response:
    """Answers a scrape."""
    body, headers = request.app[_METRICS].render()
    return web.Response(body=body, headers=headers)


def _render_completion(hook: Hook, completion: Completion) -> web.Response:
    if completion.outcome is Outcome.SUCCEEDED:
        return web.Response(text=completion.output if hook.is_output_returned else "")
    return web.Response(status=500, text=f"command {hook.command}: {completion.reason}\n{completion.output}")


async def _run_commands(app: web.Application) -> AsyncIterator[None]:
    async with app[_RUNNER]:
        yield
