"""Fault injection: the agent dies before or after a chosen effect. Off unless SERIN_FAULT is set; no install sets it.

Every effect of a canary's loop on the world passes through one place, so a test can kill the agent around each of them
and hold the end against the end without a kill.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

ENVIRONMENT: Final = "SERIN_FAULT"

_ALLOWED: Final = "before:N or after:N with N from 1, such as before:2"


@dataclass(slots=True)
class FaultInjection:
    """Counts effects; at the `number`th one the process is killed, `before` it or after it. 0 is never."""

    is_before: bool = True
    number: int = 0
    passed: int = 0

    @classmethod
    def from_environment(cls) -> Self:
        """Read SERIN_FAULT, `before:N` or `after:N`.

        Raises:
            ValueError: it is set to something else.
        """
        text = os.environ.get(ENVIRONMENT, "")
        if not text:
            return cls()
        moment, _, number = text.partition(":")
        if moment not in {"before", "after"} or not number.isdecimal() or number == "0":
            raise ValueError(f"{ENVIRONMENT}: found {text!r}; allowed: {_ALLOWED}")
        return cls(moment == "before", int(number))

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Count one effect, and kill the process before or after it if it is the chosen one."""
        self.passed += 1
        is_due = self.passed == self.number
        if is_due and self.is_before:
            os.kill(os.getpid(), signal.SIGKILL)
        yield
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)
