"""`python -m cli`: the command `serin`, which is `kubectl serin`, too."""

import os
import sys
from pathlib import Path
from typing import Final

from cli.app import app

_KUBECTLS: Final = "kubectl-serin"
"""kubectl runs it as `kubectl serin`."""


def main() -> None:
    """Run it. Whoever reads the output may leave before its end, as `head` does."""
    try:
        app(prog_name=_KUBECTLS if Path(sys.argv[0]).name == _KUBECTLS else "serin")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
