"""The HTTP side of the load tester: gates, the probes' `/healthz`, Prometheus' `/metrics`, hooks on any other path."""

import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from loadtester.access import (
    HINT_HEADER,
    KEYS,
    NAMESPACE_PATTERN,
    add_hint,
    answer_refusals,
    as_hint,
    check_access,
)
from loadtester.command import Completion, Outcome
from loadtester.gate import GATES, Gates, gate_routes
from loadtester.hook import Hook, HookType, parse_hook
from loadtester.metrics import RunMetrics
from loadtester.runner import Runner
from loadtester.signature import Keys
from service import endpoint

SHUTDOWN_S = 5.0  # for bash commands to end by themselves when the load tester stops; aiohttp waits it out twice

_MOST_HINTED_CHARS = 40

_RUNNER = web.AppKey("runner", Runner)


def build_app(*, timeout_s: float, namespace_pattern: re.Pattern[str], keys: Keys | None = None) -> web.Application:
    """Build the service; its commands live as long as the application, and each at most `timeout_s` seconds.

    `keys`: what its calls must be signed with, None for unsigned ones.
    """
    app = web.Application(middlewares=[add_hint, answer_refusals])
    metrics = RunMetrics()
    app[_RUNNER] = Runner(timeout_s=timeout_s, metrics=metrics)
    app[NAMESPACE_PATTERN] = namespace_pattern
    app[KEYS] = keys or Keys()
    app[GATES] = Gates()
    app.cleanup_ctx.append(_run_commands)

    async def render_metrics(_: list[str]) -> tuple[bytes, Mapping[str, str]]:
        return metrics.render()

    app.add_routes(
        [
            *endpoint.health_routes(render_metrics),
            *gate_routes(),
            # As with Flagger on any other path: people give hooks the paths that they like (`/acceptance`).
            web.post("/{path:.*}", answer_hook),
        ]
    )
    return app


def serving(app: web.Application, listener: socket.socket) -> AbstractAsyncContextManager[None]:
    """Serve until the block ends. Then take no new requests, let those that run end for a while, and end the rest."""
    # With handler_cancellation a caller that gave up ends its command: it will ask again, and two must not overlap.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
    return endpoint.serving(runner, listener)


async def answer_hook(request: web.Request) -> web.Response:
    """Run a hook's command.

    Answer with Flagger's codes: 202 for a `cmd` that was started or runs already, 200 or 500 for another type that
    ended well or not, 400 for a payload that can't be run, 403 for a namespace that is not allowed here, 401
    where a call must be signed and is not.
    """
    body = await request.read()
    hook = parse_hook(body)
    check_access(request, body, hook.canary)
    match hook.type:
        case HookType.CMD:
            request.app[_RUNNER].start(hook)
            return web.Response(status=202)
        case HookType.BASH | HookType.HELM | HookType.HELMV3 | HookType.KUBECTL:
            return _render_completion(hook, await request.app[_RUNNER].run(hook))


def _render_completion(hook: Hook, completion: Completion) -> web.Response:
    if completion.outcome is Outcome.SUCCEEDED:
        return web.Response(text=completion.output if hook.is_output_returned else "")
    said = f"{completion.reason}\n{completion.output}"
    # A command is often longer than a hint may be, and why it failed stands behind it.
    command = hook.command if len(hook.command) <= _MOST_HINTED_CHARS else f"{hook.command[:_MOST_HINTED_CHARS]}..."
    hint = as_hint(f"command {command}: {said}")
    return web.Response(status=500, text=f"command {hook.command}: {said}", headers={HINT_HEADER: hint})


async def _run_commands(app: web.Application) -> AsyncIterator[None]:
    async with app[_RUNNER]:
        yield
