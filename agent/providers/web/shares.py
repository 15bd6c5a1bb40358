"""Shares of the agent's connections: what one namespace asks takes no connection from another's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from canary.api.bounds import MOST_NAMESPACE_CONNECTIONS


class ShareUsedUp(Exception):  # noqa: N818  reads as what is the matter
    """The other requests of the namespace took too long."""


class Shares:
    """So many requests of one namespace at once; others of it wait. Empty is the agent's own."""

    def __init__(self, most: int = MOST_NAMESPACE_CONNECTIONS) -> None:
        self._most = most
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, namespace: str, within_s: float) -> AsyncIterator[None]:
        """Take one of the connections of a namespace for as long as the block lasts.

        Raises:
            ShareUsedUp: none was free within the time.
        """
        slots = self._slots.setdefault(namespace, asyncio.Semaphore(self._most))
        self._users[namespace] = self._users.get(namespace, 0) + 1
        try:
            try:
                async with asyncio.timeout(within_s):
                    await slots.acquire()
            except TimeoutError as error:
                text = f"namespace {namespace} has {self._most} other requests under way, the most that it may have"
                raise ShareUsedUp(text) from error
            try:
                yield
            finally:
                slots.release()
        finally:
            self._users[namespace] -= 1
            if not self._users[namespace]:
                del self._users[namespace], self._slots[namespace]
