"""The agent, to be measured and disturbed: `python -m tests.support.faults.agent FOLDER LEASE_S ARGUMENTS...`.

LEASE_S is how long its Lease lasts, 0 for as long as it does for users. SIGUSR1 sets its clock, and no other, to be as
many seconds ahead as stand in the file `skew` of the folder. The file `tasks` has how many asyncio tasks there are.
"""

import asyncio
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import agent.loop_lag
import kube.lease
from kube.leadership import Timing

_FOLDER: Final = Path(sys.argv.pop(1))
_LEASE_S: Final = float(sys.argv.pop(1))
_COUNT_EVERY_S: Final = 2.0

_true_time = time.time
_skew_s = 0.0


def _skewed_time() -> float:
    return _true_time() + _skew_s


def _set_skew(*_: Any) -> None:
    global _skew_s  # noqa: PLW0603  a signal has no other place to leave it
    _skew_s = float((_FOLDER / "skew").read_text())


_watch_loop_lag = agent.loop_lag.watch_loop_lag


async def _watch_and_count(observe: Callable[[float], None]) -> None:
    watching = asyncio.create_task(_watch_loop_lag(observe), name="loop lag")
    while not watching.done():
        count = str(len(asyncio.all_tasks()))
        (_FOLDER / "tasks.new").write_text(count)
        (_FOLDER / "tasks.new").replace(_FOLDER / "tasks")
        await asyncio.sleep(_COUNT_EVERY_S)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _set_skew)
    time.time = _skewed_time  # before modules are imported that take the function where they need the time
    agent.loop_lag.watch_loop_lag = _watch_and_count
    if _LEASE_S:
        short = Timing(duration_s=_LEASE_S, renew_within_s=_LEASE_S * 0.7, retry_s=_LEASE_S * 0.15, look_s=0.3)
        vars(kube.lease)["Timing"] = lambda: short
    runpy.run_module("agent", run_name="__main__", alter_sys=True)
