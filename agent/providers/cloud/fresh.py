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
    """One credential. Of many that need it at once, one asks for it."""

    def __init__(self) -> None:
        self._lent: Lent[T] | None = None
        self._lock = asyncio.Lock()

    async def value(self, now_s: float, borrow: Callable[[], Awaitable[Lent[T]]]) -> T:
        """Return the credential, renewed by `borrow` if it ends soon.

        While the old one is good, a renewal that fails is no error.

        Raises:
            ProviderError: there is none, and none is to be had.
        """
        if self._is_good_until(now_s + RENEW_BEFORE_S):
            return self._kept()
        async with self._lock:
            if self._is_good_until(now_s + RENEW_BEFORE_S):
                return self._kept()
            try:
                self._lent = await borrow()
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
