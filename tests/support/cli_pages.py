"""The examples of a page: blocks of `console`, each a few commands with what they print."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.cluster import REPOSITORY

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROMPT = "$ "


class Example(NamedTuple):
    """A block as it stands on a page: its commands among what they print."""

    line: int
    text: str

    @property
    def commands(self) -> list[str]:
        """Return the commands in their order."""
        return [line.removeprefix(_PROMPT) for line in self.text.splitlines() if line.startswith(_PROMPT)]

    def __str__(self) -> str:
        return f"line {self.line}"


def examples(page: Path) -> Iterator[Example]:
    """Return the blocks of a page in their order."""
    text = page.read_text()
    for block in _BLOCK.finditer(text):
        yield Example(text.count("\n", 0, block.start()) + 1, block[1])


def play(example: Example, folder: Path) -> str:
    """Run the commands one after the other in the repository, and return the block as it comes out.

    `folder` gets the command `serin`.
    """
    serin = folder / "serin"
    serin.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    serin.chmod(0o755)
    script = ["last=0"]
    for command in example.commands:
        script += [f"printf '%s\\n' {shlex.quote(_PROMPT + command)}", f"(exit $last); {command}", "last=$?"]
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ran.stdout
