"""The bound of what metric servers are asked at once: a thousand canaries may be due in the same moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from canary.api.bounds import MOST_CHECKS, MOST_CHECKS_AT_ONCE, MOST_NAMESPACE_CONNECTIONS
from kube.slots import FixedPace, Slots

_HANGS_AFTER_S: Final = 1.0

# An exposed canary must not wait for ever to be checked: its deadline counts what comes without an answer.
_WAITS_S: Final = 60.0


class NotAsked(Exception):  # noqa: N818  reads as what is the matter
    """So many others were asked that this one never was."""


class Queries:
    """The places of one agent's checks. Namespaces take turns, and one that has a slow server holds up no other.

    Whoever waits for a place has asked nobody yet: no time-out runs.
    """

    def __init__(self, at_once: int = MOST_CHECKS_AT_ONCE, *, at_most: int = MOST_CHECKS) -> None:
        pace = FixedPace(at_once, _HANGS_AFTER_S)
        self._slots = Slots(pace, at_most=at_most, most_of_owner=MOST_NAMESPACE_CONNECTIONS)

    @property
    def waiting(self) -> int:
        """Return how many checks wait for a place."""
        return self._slots.waiting

    @asynccontextmanager
    async def of(self, namespace: str) -> AsyncIterator[None]:
        """Take a place for as long as the block lasts.

        Raises:
            NotAsked: none was free within a minute.
        """
        try:
            async with asyncio.timeout(_WAITS_S):
                slot = await self._slots.take(namespace)
        except TimeoutError as error:
            text = f"not asked for {_WAITS_S:g} s: too many other checks, of {namespace} or of all namespaces, wait"
            raise NotAsked(text) from error
        try:
            yield
        finally:
            self._slots.give_back(slot)
