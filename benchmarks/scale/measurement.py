"""The rows under `scale` of build/bench.json: one for each number of canaries, each on a cluster of its own.

SERIN_BENCH_SCALE=100,300 measures these numbers in place of 100, 300, 1,000 and 10,000. Up to some thousand are run on
a sandbox; with more than that the agent runs alone, against an API server that is replayed.
"""

import json
import os
import sys
import traceback
from typing import Any, Final

from benchmarks.scale import on_sandbox, replayed

_SIZES: Final = "100,300,1000,10000"
_REPLAYED_FROM: Final = 5_000


def measure() -> list[dict[str, Any]]:
    """Return a row for each number of canaries, and print each when it is there: the whole takes an hour.

    A number that can't be measured has its error in its row, and costs the others nothing.
    """
    rows: list[dict[str, Any]] = []
    for size in map(int, os.environ.get("SERIN_BENCH_SCALE", _SIZES).split(",")):
        try:
            rows.append(replayed.measure(size) if size >= _REPLAYED_FROM else on_sandbox.measure(size))
        except Exception as error:  # noqa: BLE001  whatever it is: it is told, and the rows before it stay
            traceback.print_exc()
            rows.append({"canaries": size, "error": str(error)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows
