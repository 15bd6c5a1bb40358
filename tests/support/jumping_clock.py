"""The running loop's clock, moved ahead at will: whoever waits for a time limit is past it in the next turn.

A test sets the limit to AGES_S, waits for the event that must come before it, then jumps: no stall comes in between.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tests.support.patience import AGES_S


@contextmanager
def jumping_clock() -> Iterator[Callable[[], None]]:
    """Give `jump`, which moves the clock beyond every AGES_S that was begun.

    It fires all timers that are due by then, those of the test too: open a guard after the jump.
    """
    loop = asyncio.get_running_loop()
    real, ahead_s = loop.time, 0.0

    def jump() -> None:
        nonlocal ahead_s
        ahead_s += AGES_S + 1

    with patch.object(loop, "time", lambda: real() + ahead_s):
        yield jump
