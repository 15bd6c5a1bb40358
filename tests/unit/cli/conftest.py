"""The command in the test's own process: what it prints, and its exit code."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from cli.app import app
from tests.unit.cli.cluster_api import ClusterApi, running_cluster_api


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


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterApi]:
    """The API server of the kubeconfig, without an object."""
    with running_cluster_api(tmp_path_factory.mktemp("kube")) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
        yield server
