"""Load on one HTTPS address of this machine, by hey: a Go program on the other core, so that Python measures itself."""

import csv
import subprocess
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from benchmarks.paths import TOOLS

_CONNECTIONS: Final = 8

# At a rate, hey's connections all send at one moment: eight would be bursts of eight, whose last one waits for seven.
_PACED_CONNECTIONS: Final = 2


@dataclass(frozen=True)
class Load:
    """What came back: seconds of each answer, and answers a second. All of them had status 200."""

    took_s: tuple[float, ...]
    per_second: float


def post(url: str, body: Path, *, seconds: float, per_second: int | None = None) -> Load:
    """POST a file again and again over kept connections, as fast as answers come or at a rate.

    Raises AssertionError when an answer has another status than 200.
    """
    connections = _CONNECTIONS if per_second is None else _PACED_CONNECTIONS
    rate = [] if per_second is None else ["-q", str(per_second / connections)]
    command = [str(TOOLS / "hey"), "-z", f"{seconds:g}s", "-c", str(connections), *rate, "-cpus", "1", "-o", "csv"]
    command += ["-m", "POST", "-T", "application/json", "-D", str(body), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = list(csv.DictReader(StringIO(done.stdout)))
    statuses = {row["status-code"] for row in rows}
    assert statuses == {"200"}, f"{url} answered {sorted(statuses)}: {done.stderr}"
    took_s = tuple(float(row["response-time"]) for row in rows)
    ended_s = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    return Load(took_s, len(rows) / ended_s)
