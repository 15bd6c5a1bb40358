"""The command as a process of its own: colours, completion, a reader that leaves, and what it imports."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY
from tests.unit.cli.cluster_api import ClusterApi
from tests.unit.cli.cluster_objects import NEW_IMAGE, canary, deployment
from tests.unit.cli.test_lint import CANARY

COMMAND = [sys.executable, "-m", "cli"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "TERM"}}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **more}


def seen_in_a_terminal(arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    running = subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=env, stdout=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:
        pass  # Linux's way to say that nobody writes any more
    os.close(ours)
    running.wait()
    return seen


def test_colours_are_for_terminals_whose_users_want_them(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CANARY.replace("port: 80", "port: 0"))
    plain = (
        b"web.yaml:12:5: error: Canary shop/web: spec.service.port: found 0; allowed: a port from 1 to 65535\r\n"
        b"1 object checked: 1 error, 0 warnings\r\n"
    )
    assert seen_in_a_terminal(["lint", path.name], tmp_path, environment(NO_COLOR="1")) == plain
    coloured = seen_in_a_terminal(["lint", path.name], tmp_path, environment())
    assert b"\x1b[1;31merror: \x1b[0mCanary shop/web: spec.service.port" in coloured


def test_a_reader_may_leave_early(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(CANARY)
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m cli plan -o json web.yaml | true"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""


@pytest.mark.parametrize(("typed", "offered"), [("serin l", "lint"), ("serin ren", "render"), ("serin st", "status")])
def test_completion_offers_the_verbs(typed: str, offered: str) -> None:
    env = environment(_SERIN_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD="1")
    ran = subprocess.run(COMMAND, env=env, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == [offered]


def test_the_image_has_the_command(tmp_path: Path) -> None:
    script = re.search(r"RUN (printf '.*') > /usr/local/bin/serin ", (REPOSITORY / "Dockerfile").read_text())
    assert script is not None
    command = tmp_path / "serin"
    command.write_text(subprocess.run(["sh", "-c", script[1]], capture_output=True, text=True, check=True).stdout)
    command.chmod(0o755)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    env = environment(PATH=f"{tmp_path}:{os.environ['PATH']}")
    ran = subprocess.run([command, "--version"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.stdout.partition(" ")[0]) == ("", "serin")


def test_help_and_the_version_import_neither_the_rules_nor_what_draws() -> None:
    heavy = "('pydantic', 'yaml', 'rich', 'canary', 'render', 'aiohttp', 'kubernetes_asyncio')"
    script = f"import sys\nimport cli.app\nprint(*sorted(set({heavy}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"


def test_no_offline_verb_imports_a_client(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(CANARY)
    for verb in ("lint", "plan"):
        script = (
            "import sys\nfrom cli.app import app\n"
            f"try: app(['{verb}', 'web.yaml'])\n"
            "except SystemExit: pass\n"
            "print(*sorted({'aiohttp', 'kubernetes_asyncio', 'asyncio', 'rich'} & set(sys.modules)), file=sys.stderr)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )
        assert ran.stderr == "\n"


def test_in_a_terminal_a_wait_is_drawn_anew(api: ClusterApi, tmp_path: Path) -> None:
    api.put("canaries", canary())
    api.put("deployments", deployment("podinfo", NEW_IMAGE))

    def fail_once_it_is_drawn() -> None:
        if sum("watch=true" in one for one in api.requests) == 2:
            api.update("canaries", "podinfo", phase="Failed", canaryWeight=0)

    api.on_watch = fail_once_it_is_drawn
    env = environment(KUBECONFIG=str(api.kubeconfig), COLUMNS="100", LINES="30")
    drawn = seen_in_a_terminal(["status", "podinfo", "--wait"], tmp_path, env)
    assert b"\x1b[1A" in drawn, "the cursor goes up"
    assert b"\x1b[1;31mFailed" in drawn
    assert b" rolled back" in drawn
    env["NO_COLOR"] = "1"
    assert b"\x1b[1;31m" not in seen_in_a_terminal(["status", "podinfo", "--wait"], tmp_path, env)
