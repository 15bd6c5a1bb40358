"""Who may use the load tester: canaries of namespaces that `--namespace-regexp` matches, and how a refusal reads."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from loadtester.payload import Canary, PayloadError
from loadtester.signature import Keys, NotSigned

KEYS = web.AppKey("keys", Keys)
NAMESPACE_PATTERN = web.AppKey("namespace_pattern", re.Pattern[str])


class NamespaceRefused(Exception):  # noqa: N818  reads as what happened
    """Canaries of this namespace are not served."""


def check_access(request: web.Request, body: bytes, canary: Canary) -> None:
    """Let canaries of the allowed namespaces pass; whose the call is, its signature shows where one is asked for.

    Raises:
        NotSigned: nobody knows whose it is.
        NamespaceRefused: the canary is in another namespace.
    """
    request.app[KEYS].check(request, body, canary)
    pattern = request.app[NAMESPACE_PATTERN]
    if not pattern.search(canary.namespace):
        raise NamespaceRefused(
            f"namespace: found {canary.namespace!r}, allowed is what --namespace-regexp={pattern.pattern} matches"
        )


# What Serin shows of an answer in its events; of bodies, which may be anybody's, it shows nothing.
HINT_HEADER = "Serin-Hint"
_MOST_HINT_CHARS = 200
_NO = 300


@web.middleware
async def add_hint(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send with an answer that is no yes a hint: its own, or the beginning of its body."""
    response = await handler(request)
    if response.status >= _NO and isinstance(response, web.Response) and response.text:
        response.headers.setdefault(HINT_HEADER, as_hint(response.text))
    return response


def as_hint(text: str) -> str:
    """Return the beginning of a text, in one line."""
    words = "".join(char if char.isprintable() else " " for char in text[: 4 * _MOST_HINT_CHARS]).split()
    return " ".join(words)[:_MOST_HINT_CHARS]


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a handler's refusals into Flagger's codes, with the reason: 400 for a payload, 403 for a namespace.

    A call that is not signed, where one must be, gets 401.
    """
    try:
        return await handler(request)
    except PayloadError as error:
        return web.Response(status=400, text=str(error))
    except NotSigned as error:
        return web.Response(status=401, text=str(error))
    except NamespaceRefused as error:
        return web.Response(status=403, text=str(error))
