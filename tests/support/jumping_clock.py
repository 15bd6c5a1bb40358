"""The running loop's clock, moved ahead at will: whoever waits for a time limit is past it in the next turn.

A test sets the limit to AGES_S, waits for the event that must come before it, then jumps: no stall comes in between.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tests.support.patience import AGES_S, PATIENCE_S


class JumpingClock:
    """The clock of one loop; all timers follow it, those of the test too: open a guard after the jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._now, self._call_at = loop.time, loop.call_at
        self._ahead_s = 0.0
        self._has_begun = asyncio.Event()

    def jump(self) -> None:
        """Move it beyond every AGES_S that was begun."""
        self._ahead_s += AGES_S + 1

    async def limit_begun(self) -> None:
        """Wait until somebody waits for about AGES_S: a limit that begins after the jump is not passed."""
        async with asyncio.timeout(PATIENCE_S):
            await self._has_begun.wait()

    def time(self) -> float:
        return self._now() + self._ahead_s

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, **more: Any) -> asyncio.TimerHandle:
        if when - self.time() > AGES_S / 2:
            self._has_begun.set()
        return self._call_at(when, callback, *args, **more)


@contextmanager
def jumping_clock() -> Iterator[JumpingClock]:
    """Return the running loop such a clock while the block lasts."""
    loop = asyncio.get_running_loop()
    clock = JumpingClock(loop)
    with patch.object(loop, "time", clock.time), patch.object(loop, "call_at", clock.call_at):
        yield clock
