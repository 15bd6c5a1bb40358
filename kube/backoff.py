"""How long to wait before a retry: exponential back-off with jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from `first_s` to `max_s`.

    Half of each is jitter, so that many callers don't retry at once. `draw` returns numbers in [0, 1).
    """

    first_s: float = 0.1
    max_s: float = 2.0
    draw: Callable[[], float] = random.random

    def delay_s(self, failures: int) -> float:
        """Return the delay after so many consecutive failures (1: the first)."""
        full_s: float = min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return full_s * (0.5 + 0.5 * self.draw())
