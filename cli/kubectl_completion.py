"""`kubectl_complete-serin`: what kubectl runs for TAB after `kubectl serin`, with the words that were typed.

It prints a candidate a line, and at last how kubectl is to take them. Source: the plugins page of kubectl's docs.
"""

import io
import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from typing import Final

from cli.app import app

_NO_FILES: Final = ":4"
"""Of cobra's directives: files are not offered where there is no other candidate."""


def main() -> None:
    """Let typer complete, as it does in bash, and add kubectl's last line."""
    typed = sys.argv[1:] or [""]
    words = ["serin", *typed[:-1], *filter(None, typed[-1:])]
    os.environ |= {"_SERIN_COMPLETE": "complete_bash", "COMP_WORDS": shlex.join(words), "COMP_CWORD": str(len(typed))}
    offered = io.StringIO()
    with suppress(SystemExit), redirect_stdout(offered):
        app(prog_name="serin")
    sys.stdout.write("".join(f"{line}\n" for line in (*offered.getvalue().split("\n"), _NO_FILES) if line))


if __name__ == "__main__":
    main()
