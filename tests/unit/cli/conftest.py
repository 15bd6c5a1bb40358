"""The command in the test's own process: what it prints, and its exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from cli.app import app


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str


Serin = Callable[..., Ran]


@pytest.fixture
def serin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serin:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str | bytes = "") -> Ran:
        ran = CliRunner().invoke(app, list(arguments), input=stdin)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return run
