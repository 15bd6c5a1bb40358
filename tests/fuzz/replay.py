"""`python -m tests.fuzz.replay TARGET CORPUS`: plays a corpus again and again, and prints what that took.

Without the fuzzer, whose corpus grows, the memory of a process must come to rest: what an input leaves behind shows.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.targets import TARGETS

_PASSES: Final = 4
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE_BYTES / 1024**2


def main() -> None:
    """Print inputs, the slowest of them in seconds, and the memory after the first and the last pass."""
    _, target, *folders = sys.argv
    logging.disable(logging.CRITICAL)
    inputs = [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
    slowest_s, memory_mib = 0.0, []
    for _ in range(_PASSES):
        for body in inputs:
            slowest_s = max(slowest_s, TARGETS[target](body))
        memory_mib.append(round(_memory_mib(), 1))
    figures = {"inputs": len(inputs), "slowest_s": round(slowest_s, 3), "memory_mib": memory_mib}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
