"""Run tests in forks of a process that has our libraries already: `python -m tests.support.forks`, in their tree.

A line on stdin has the arguments of pytest as a JSON list; the answer is a line with what it ended with and its output.
"""

import json
import os
import sys
import tempfile
import traceback

# What tests import that is none of the tree: to do so takes longer than most of them.
import aiohttp.web
import aioprometheus
import kubernetes_asyncio.client
import promql_parser
import pydantic
import pytest
import re2
import typer.testing

# What pytest itself never ends with.
_BROKEN = 70

LIBRARIES = (aiohttp, aioprometheus, kubernetes_asyncio, promql_parser, pydantic, re2, typer)


def main() -> None:
    """Answer until stdin ends."""
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as output:
            code = run_forked(json.loads(line), output.fileno())
            output.seek(0)
            print(json.dumps([code, output.read()]), flush=True)


def run_forked(arguments: list[str], output: int) -> int:
    """Return what pytest ends with in a fork."""
    child = os.fork()
    if child == 0:
        os.dup2(output, sys.stdout.fileno())
        os.dup2(output, sys.stderr.fileno())
        with open(os.devnull) as nothing:  # noqa: PTH123  a descriptor is wanted
            os.dup2(nothing.fileno(), 0)
        code = _BROKEN
        try:
            code = int(pytest.main(arguments))
        except BaseException:  # noqa: BLE001  the fork must not go on as its parent
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
