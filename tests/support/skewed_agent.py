"""The agent with a clock that is wrong: `python -m tests.support.skewed_agent SECONDS ARGUMENTS...`."""

import runpy
import sys
import time
from typing import Final

SKEW_S: Final = float(sys.argv.pop(1))

_true_time = time.time


def _skewed_time() -> float:
    return _true_time() + SKEW_S


# Before the agent is imported, which takes the function where it needs the time.
time.time = _skewed_time
runpy.run_module("agent", run_name="__main__", alter_sys=True)
