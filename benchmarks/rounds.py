"""How long a call takes, in rounds of many calls."""

import time
from collections.abc import Callable


def rounds_us(call: Callable[[], object], *, rounds: int, calls: int) -> list[float]:
    """Return the microseconds of a call in each round."""
    found = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - started_s) / calls * 1e6)
    return found
