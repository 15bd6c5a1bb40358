"""The rows under `scale` of build/bench.json: one for each number of canaries, each on a cluster of its own.

SERIN_BENCH_SCALE=100,300 measures these numbers in place of 100, 300 and 1,000.
"""

import json
import os
import sys
from typing import Any, Final

from benchmarks.scale import on_sandbox

_SIZES: Final = "100,300,1000"


def measure() -> list[dict[str, Any]]:
    """Return a row for each number of canaries, and print each when it is there: the whole takes half an hour."""
    rows = []
    for size in map(int, os.environ.get("SERIN_BENCH_SCALE", _SIZES).split(",")):
        rows.append(on_sandbox.measure(size))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows
