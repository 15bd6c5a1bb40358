"""How long this thread has computed, or waited for a core to compute on: for as long what arrives lies there unread."""

from __future__ import annotations

import os
import time
from typing import Final

_SCHEDULED: Final = "/proc/thread-self/schedstat"


def own_s(path: str = _SCHEDULED) -> float:
    """Return the seconds so far; where the kernel does not tell of waits (it is Linux that does) without them."""
    try:
        opened = os.open(path, os.O_RDONLY)
    except OSError:
        return time.thread_time()
    try:
        # Nanoseconds on a core, nanoseconds in which it waited for one, and how many turns it had.
        computed_ns, waited_ns, _ = os.read(opened, 64).split()
    finally:
        os.close(opened)
    return (int(computed_ns) + int(waited_ns)) / 1e9
