"""Keeping what this process knows from the commands of hooks, which run beside it as the same user."""

import ctypes
import os
import sys
from typing import Final

# Of linux/prctl.h.
_PR_SET_DUMPABLE: Final = 4


def hide_memory() -> None:
    """Keep other processes of the same user from reading this one's memory, and the environment that it began with.

    Taking a variable out of `os.environ` leaves it in `/proc/<pid>/environ`. The files of a process that is not
    dumpable are root's, and nobody without privileges may trace it. Programs that it starts are dumpable again.

    Raises:
        OSError: the kernel does not do it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"memory can't be kept from the commands of hooks: {os.strerror(error)}")
