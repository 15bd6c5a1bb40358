"""`python -m sandbox.demo.kill WORDS`: SIGKILL for the one process inside the cluster whose command begins so."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path


def beginning_with(words: list[str], proc: Path) -> Iterator[int]:
    """The pids of the processes in `proc` whose command line begins with `words`."""
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if command[: len(words)] == words:
            yield int(path.parent.name)


def main(words: list[str]) -> None:
    """Kill it; ends with a message when there is none, or more than one."""
    found = list(beginning_with(words, Path("/proc")))
    if len(found) != 1:
        raise SystemExit(f"{len(found)} processes begin with {' '.join(words)!r}; allowed: 1")
    os.kill(found[0], signal.SIGKILL)
    print(f"killed process {found[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
