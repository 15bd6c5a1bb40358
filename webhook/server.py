"""The two servers: admission over TLS for the API server, and plain HTTP for probes and Prometheus.

The plain port serves nothing that a cluster's networks may not see. It is apart because Prometheus, unlike the kubelet,
would have to trust our authority, and because /readyz must be able to say that there is no certificate yet.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from aiohttp import HttpVersion11, hdrs, web

from canary.api.bounds import MOST_LONG_BODIES, MOST_REVIEW_BYTES
from service import endpoint
from service.endpoint import listen, serving
from webhook.context import AdmissionContext, Handler
from webhook.handling import AwaitedHandler, handle_awaited, handle_review
from webhook.http_response import JSON, ReviewResponse, is_kept
from webhook.metrics import WebhookMetrics

_READ_TIMEOUT_S: Final = 10.0
# Longer than the API server keeps an idle connection (90 s): else a request could meet our closing of it. A connection
# that never sends a whole request ends then, too.
_KEEP_ALIVE_S: Final = 300.0
_STOP_TIMEOUT_S: Final = 5.0
# How long a client that was refused in the middle of its body may go on before the connection is closed.
_LINGER_S: Final = 1.0
# The API server opens many connections at once after a pause.
_BACKLOG: Final = 1024
_CONNECTIONS: Final[Mapping[str, Any]] = {
    "access_log": None,
    "keepalive_timeout": _KEEP_ALIVE_S,
    "lingering_time": _LINGER_S,
    "auto_decompress": False,  # few bytes on the wire could be many unpacked, and no API server packs a review
}


class Admission:
    """Answers the entries' requests. While it drains, it asks each client to come back over another connection."""

    def __init__(
        self,
        entries: Mapping[str, Handler],
        context: AdmissionContext,
        metrics: WebhookMetrics,
        awaited: Mapping[str, AwaitedHandler] = MappingProxyType({}),
    ) -> None:
        self._entries = entries
        self._awaited = awaited
        self._context = context
        self._metrics = metrics
        self._is_draining = False
        self._long_bodies = asyncio.Semaphore(MOST_LONG_BODIES)

    @property
    def is_draining(self) -> bool:
        """Return whether the end was announced."""
        return self._is_draining

    @property
    def context(self) -> AdmissionContext:
        """Return the context of the handlers."""
        return self._context

    def drain(self) -> None:
        """Announce the end."""
        self._is_draining = True

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a POST to an entry. Raise the HTTP errors 404, 405, and those of `_read`."""
        path = request.path
        handler, awaited = self._entries.get(path), self._awaited.get(path)
        if handler is None and awaited is None:
            raise web.HTTPNotFound
        if request.method != hdrs.METH_POST:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])
        body = await self._read(request)
        started_s = time.perf_counter()
        if handler is not None:
            reply = handle_review(body, handler, self._context)
        else:
            assert awaited is not None
            reply = await handle_awaited(body, awaited)
        self._metrics.observe_request(path[1:], reply.operation, reply.outcome, time.perf_counter() - started_s)
        is_answered = reply.status == HTTPStatus.OK
        if is_answered and is_kept(request) and not self._is_draining:
            return ReviewResponse(reply.body)
        content_type = JSON if is_answered else "text/plain"
        response = web.Response(status=reply.status, body=reply.body, content_type=content_type)
        if self._is_draining:
            response.force_close()
        return response

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Read the body. Raise the HTTP errors 415, 413, 408, and 400 for a body that breaks off.

        One that did not come whole with its headers waits for others of the kind: each may take megabytes.
        """
        _check_type(request)
        try:
            if request.content.is_eof():  # no clock is needed
                body = request.content.read_nowait()
                if len(body) > MOST_REVIEW_BYTES:
                    raise _too_long(len(body))
                return body
            async with asyncio.timeout(_READ_TIMEOUT_S), self._long_bodies:
                return await _read_on(request)
        except TimeoutError as error:
            text = f"the body did not come within {_READ_TIMEOUT_S:g} s\n"
            raise _for_good(web.HTTPRequestTimeout(text=text)) from error
        except (web.RequestPayloadError, ConnectionResetError) as error:
            request.content.feed_eof()  # else the server reads on, to be polite, and logs the same error once more
            raise _for_good(web.HTTPBadRequest(text=f"the body can't be read: {error}\n")) from error


def _check_type(request: web.BaseRequest) -> None:
    """Raise the HTTP error 415 for a body that is no plain JSON."""
    # A header that is exactly right need not be parsed.
    if request.headers.get(hdrs.CONTENT_TYPE) != JSON and request.content_type != JSON:
        found = request.content_type
        raise web.HTTPUnsupportedMediaType(text=f"Content-Type: found {found!r}; allowed: {JSON!r}\n")
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding != "identity":
        text = f"Content-Encoding: found {encoding!r}; allowed: none\n"
        raise _for_good(web.HTTPUnsupportedMediaType(text=text))


async def _read_on(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > MOST_REVIEW_BYTES:
        raise _too_long(request.content_length or 0)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MOST_REVIEW_BYTES:
            raise _too_long(len(body))
    return bytes(body)


def _too_long(size_bytes: int) -> web.HTTPException:
    return _for_good(web.HTTPRequestEntityTooLarge(max_size=MOST_REVIEW_BYTES, actual_size=size_bytes))


def _for_good(error: web.HTTPException) -> web.HTTPException:
    """Close the connection after this answer: what was not read of the body would be taken for the next request."""
    error.force_close()
    return error


@asynccontextmanager
async def serve_admission(admission: Admission, port: int, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Listen on all addresses until the block ends; yield the port (0 picks one). `context` None is plain HTTP.

    At the end, idle connections are closed and requests under way are answered, for up to 5 s.
    """
    runner = web.ServerRunner(web.Server(admission.answer, **_CONNECTIONS), shutdown_timeout=_STOP_TIMEOUT_S)
    with listen(port) as listener:
        async with serving(runner, listener, context=context, backlog=_BACKLOG):
            yield listener.getsockname()[1]


def serve_health(
    admission: Admission, metrics: WebhookMetrics, port: int, unready: Callable[[], str]
) -> AbstractAsyncContextManager[int]:
    """Serve `/healthz`, `/readyz` and `/metrics` on all addresses until the block ends; yield the port.

    `unready` says why reviews can't be answered, empty when they can.
    """

    async def render_metrics(accepted: list[str]) -> tuple[bytes, Mapping[str, str]]:
        return metrics.render(accepted, len(admission.context.canaries))

    def why_unready() -> str:
        return "stopping" if admission.is_draining else unready()

    return endpoint.serve_health(port, render_metrics, why_unready)
