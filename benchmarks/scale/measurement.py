"""The rows under `scale` of build/bench.json: one for each number of canaries, each on a cluster of its own.

SERIN_BENCH_SCALE=100,300 measures these numbers in place of 100, 300, 1,000 and 10,000. Up to some thousand are run on
a sandbox; with more than that the agent runs alone, against an API server that is replayed.
"""

import json
import os
import sys
from typing import Any, Final

from benchmarks.scale import on_sandbox, replayed

_SIZES: Final = "100,300,1000,10000"
_REPLAYED_FROM: Final = 5_000


def measure() -> list[dict[str, Any]]:
    """Return a row for each number of canaries, and print each when it is there: the whole takes half an hour."""
    rows = []
    for size in map(int, os.environ.get("SERIN_BENCH_SCALE", _SIZES).split(",")):
        measured = replayed.measure(size) if size >= _REPLAYED_FROM else on_sandbox.measure(size)
        rows.append(measured)
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows
