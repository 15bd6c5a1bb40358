"""Asking the API server for a metric, in the words of every other server that is asked for one."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final, TypeVar

from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.metrics.port import Connection
from canary.api.shown import shown
from kube.errors import Forbidden, KubeError, NotFound, TransientError

_MOST_SAID_CHARS: Final = 200
_BEYOND_S: Final = 1.0

T = TypeVar("T")


def client_timeout_s(connection: Connection) -> float:
    """Return the deadline of the client's own: a little later than that of `ask`, which has better words for it."""
    return connection.timeout_s + _BEYOND_S


async def ask(connection: Connection, call: Awaitable[T], *, what: str, right: str) -> T:
    """Wait for what the API server answers within the connection's timeout.

    `what` is asked for, such as `KeptnMetric shop/errors`; `right` is what a 403 wants to be granted.

    Raises:
        ProviderUnavailable, ProviderRefused: as of any other metric server.
    """
    try:
        async with asyncio.timeout(connection.timeout_s):
            return await call
    except TimeoutError as error:
        raise ProviderUnavailable(f"{connection.name}: no answer within {connection.timeout_s:g} s") from error
    except KubeError as error:
        raise _as_provider(connection, error, what if connection.is_known else "what it is asked for", right) from error


def _as_provider(connection: Connection, error: KubeError, what: str, right: str) -> ProviderError:
    name, code = connection.name, f"HTTP {error.status}"
    if error.status is None:
        is_unreached = isinstance(error, TransientError) and error.is_without_effect
        if isinstance(error, TransientError):
            return ProviderUnavailable(f"{name}: {'it cannot be reached' if is_unreached else 'its answer broke off'}")
        return ProviderRefused(f"{name}: not an answer of the API server")
    if error.status == HTTPStatus.UNAUTHORIZED and connection.secret:
        return ProviderRefused(
            f"{name}: {code}, it refuses the credentials of {connection.secret}, or they lack a right"
        )
    if isinstance(error, TransientError):
        wait = f"; it asks to wait for {error.retry_after_s:g} s" if error.retry_after_s else ""
        unavailable = ProviderUnavailable(f"{name}: {code}{wait}")
        unavailable.retry_after_s = error.retry_after_s
        return unavailable
    if isinstance(error, Forbidden):
        if connection.secret or not connection.is_known:
            whose = f"the credentials of {connection.secret}" if connection.secret else "the agent"
            return ProviderRefused(f"{name}: {code}, it refuses {whose}, or they lack a right")
        return ProviderRefused(f"{name}: {code}, the agent lacks a right; allowed: {right}")
    if isinstance(error, NotFound):
        return ProviderRefused(f"{name}: {code}, there is no {what}" if connection.is_known else f"{name}: {code}")
    # What has no reason is none of the API server's own answers, and nobody is shown it.
    words = f": {shown(error.message, _MOST_SAID_CHARS)}" if error.reason and connection.is_known else ""
    return ProviderRefused(f"{name}: {code}{words}")
