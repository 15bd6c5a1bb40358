"""How long this thread has computed, or waited for a core to compute on: for as long what arrives lies there unread."""

from __future__ import annotations

import os
import time
from typing import Final

_SCHEDULED: Final = "/proc/thread-self/schedstat"


def own_s(path: str = _SCHEDULED) -> float:
    """Return the seconds so far; where the kernel does not tell of waits (it is Linux that does) without them.

    What can't be read now and then, for want of a descriptor, is without them too: who takes a difference must bear one
    below 0.
    """
    try:
        opened = os.open(path, os.O_RDONLY)
        try:
            # Nanoseconds on a core, nanoseconds in which it waited for one, and how many turns it had.
            computed_ns, waited_ns, _ = map(int, os.read(opened, 64).split())
        finally:
            os.close(opened)
    except (OSError, ValueError):
        return time.thread_time()
    # A kernel that keeps no such statistics writes zeros.
    return (computed_ns + waited_ns) / 1e9 if computed_ns else time.thread_time()
