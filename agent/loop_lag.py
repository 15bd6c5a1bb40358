"""How late the event loop is: while it computes, no answer is read, no probe answered and no Lease renewed."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_LOOK_EVERY_S: Final = 0.5


async def watch_loop_lag(observe: Callable[[float], None]) -> None:
    """Tell `observe` how many seconds late a task is run that asked to be run now and then; until cancelled."""
    while True:
        due_s = time.monotonic() + _LOOK_EVERY_S
        await asyncio.sleep(_LOOK_EVERY_S)
        observe(max(time.monotonic() - due_s, 0.0))
