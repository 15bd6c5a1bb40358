"""Gates that people open and close, and that hooks ask: `/gate/*` to go on, `/rollback/*` to roll back.

Source of paths, codes and words: Flagger's load tester 0.38. Each canary has one gate of either kind. All are closed
until they are opened, and again after a restart of the load tester.
"""

import logging
from enum import StrEnum

from aiohttp import web

from loadtester.access import check_access
from loadtester.payload import Canary, PayloadError, parse_payload, read_canary

_log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a gate is for, and the first part of its paths."""

    GATE = "gate"
    ROLLBACK = "rollback"


class Gates:
    """Which gates are open."""

    def __init__(self) -> None:
        self._open: set[tuple[Kind, Canary]] = set()

    def open(self, kind: Kind, canary: Canary) -> None:
        """Open a gate, or leave it open."""
        self._open.add((kind, canary))

    def close(self, kind: Kind, canary: Canary) -> None:
        """Close a gate, or leave it closed."""
        self._open.discard((kind, canary))

    def is_open(self, kind: Kind, canary: Canary) -> bool:
        """Return whether a gate is open; one that nobody ever opened is closed."""
        return (kind, canary) in self._open


GATES = web.AppKey("gates", Gates)


def gate_routes() -> list[web.RouteDef]:
    """Return the routes; as with Flagger, the method does not matter."""
    routes = [web.route("*", "/gate/approve", _approve), web.route("*", "/gate/halt", _halt)]
    for kind in Kind:
        for verb, handler in (("check", _check), ("open", _open), ("close", _close)):
            routes.append(web.route("*", f"/{{kind:{kind}}}/{verb}", handler))
    return routes


async def _approve(_: web.Request) -> web.Response:
    """Say yes to everybody."""
    return web.Response(text="OK")


async def _halt(_: web.Request) -> web.Response:
    """Say no to everybody."""
    return web.Response(status=403, text="Forbidden")


async def _check(request: web.Request) -> web.Response:
    kind, canary = await _read(request)
    is_open = request.app[GATES].is_open(kind, canary)
    _log.info("%s check: %s", kind, "open" if is_open else "closed", extra={"canary": canary})
    return web.Response(text="Approved") if is_open else web.Response(status=403, text="Forbidden")


async def _open(request: web.Request) -> web.Response:
    kind, canary = await _read(request)
    request.app[GATES].open(kind, canary)
    _log.info("%s opened", kind, extra={"canary": canary})
    return web.Response(status=202)


async def _close(request: web.Request) -> web.Response:
    kind, canary = await _read(request)
    request.app[GATES].close(kind, canary)
    _log.info("%s closed", kind, extra={"canary": canary})
    return web.Response(status=202)


async def _read(request: web.Request) -> tuple[Kind, Canary]:
    """Read whose gate it is. Without a name it is nobody's, and nobody would notice that the wrong one was opened."""
    body = await request.read()
    canary = read_canary(parse_payload(body))
    for key, found in (("name", canary.name), ("namespace", canary.namespace)):
        if not found:
            raise PayloadError(key, found, f"the {key} of a canary")
    check_access(request, body, canary)
    return Kind(request.match_info["kind"]), canary
