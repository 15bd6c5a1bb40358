"""An event loop whose clock is scripted: nobody waits, the clock jumps to whatever is due next."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: a wait without an end is the end of what the script can do."""

    now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits for what nobody will do")
        self.now_s += timeout
        return super().select(0)


class ScriptedLoop(asyncio.SelectorEventLoop):
    """Its `time()` begins at 1,000 s, and goes on only while everybody sleeps."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def play(script: Coroutine[Any, Any, T]) -> T:
    """Run a script to its end, by the scripted clock; what it takes is not a machine's time."""
    with asyncio.Runner(loop_factory=ScriptedLoop) as runner:
        return runner.run(script)
