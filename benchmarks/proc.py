"""What a process of this machine has used and has, by /proc."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_TICKS_A_S: Final = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB: Final = 1024
_MEMORY: Final = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB", re.MULTILINE)

# After the command's name, which is in brackets and may have spaces: state, ppid, ..., utime, stime.
_PPID, _UTIME, _STIME = 1, 11, 12


def stat(process_id: int) -> list[str]:
    """Return the fields after the command's name.

    Raises:
        OSError: it has ended.
    """
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def parent(fields: Sequence[str]) -> int:
    """Return the process that started it, by its `stat`."""
    return int(fields[_PPID])


def cpu_s(fields: Sequence[str]) -> float:
    """Return the CPU seconds of its life, by its `stat`."""
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_A_S


def memory_mib(process_id: int) -> dict[str, float]:
    """Return `VmRSS`, what is resident, and `VmHWM`, the most it has been."""
    text = Path(f"/proc/{process_id}/status").read_text()
    return {name: int(kib) / _KIB_PER_MIB for name, kib in _MEMORY.findall(text)}
