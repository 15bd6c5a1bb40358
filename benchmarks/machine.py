"""The machine that the figures are of, for the tables that are made of them."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_MODEL: Final = re.compile(r"^model name\s*:\s*(.*)$", re.MULTILINE)
_GIB: Final = 1024**3


def machine() -> dict[str, Any]:
    """Return its cores, memory, system, the load as the measurement begins, and the day."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model.group(1).strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / _GIB),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_at_first": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).date().isoformat(),
    }
