"""What clouds lend for a time: kept while it is good, and asked for again before it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from agent.providers.errors import ProviderError

RENEW_BEFORE_S: Final = 300.0
"""Before its end: a request that is under way then, and a clock that is wrong by a minute, are still within it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lent(Generic[T]):
    """A credential and its end, in seconds since the epoch."""

    value: T
    ends_at_s: float


class Fresh(Generic[T]):
    """One credential. Many that need it at once share one request, and its failure, too: nobody waits for two."""

    def __init__(self) -> None:
        self._lent: Lent[T] | None = None
        self._asking: asyncio.Task[Lent[T]] | None = None

    async def value(self, now_s: float, borrow: Callable[[], Awaitable[Lent[T]]]) -> T:
        """Return the credential, renewed by `borrow` if it ends soon.

        While the old one is good, a renewal that fails is no error.

        Raises:
            ProviderError: there is none, and none is to be had.
        """
        if self._is_good_until(now_s + RENEW_BEFORE_S):
            return self._kept()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_borrowed(borrow), name="credential of a cloud")
            # Who waited for it may all have given up: then nobody else hears of its failure.
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            # Who gives up waiting does not take it from the others.
            self._lent = await asyncio.shield(self._asking)
        except ProviderError:
            if not self._is_good_until(now_s):
                raise
        return self._kept()

    def forget(self) -> None:
        """Let the credential go, for whoever it is for refuses it."""
        self._lent = None

    def _is_good_until(self, at_s: float) -> bool:
        return self._lent is not None and self._lent.ends_at_s > at_s

    def _kept(self) -> T:
        assert self._lent is not None
        return self._lent.value


async def _borrowed(borrow: Callable[[], Awaitable[Lent[T]]]) -> Lent[T]:
    return await borrow()
