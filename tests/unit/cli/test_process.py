"""The command as a process of its own: colours, completion, a reader that leaves, and what it imports."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY
from tests.unit.cli.test_lint import CANARY

COMMAND = [sys.executable, "-m", "cli"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "TERM"}}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **more}


def seen_in_a_terminal(path: Path, env: Mapping[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    subprocess.run([*COMMAND, "lint", path.name], cwd=path.parent, env=env, stdout=theirs, check=False)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:
        pass  # Linux's way to say that nobody writes any more
    os.close(ours)
    return seen


def test_colours_are_for_terminals_whose_users_want_them(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CANARY.replace("port: 80", "port: 0"))
    plain = (
        b"web.yaml:12:5: error: Canary shop/web: spec.service.port: found 0; allowed: a port from 1 to 65535\r\n"
        b"1 object checked: 1 error, 0 warnings\r\n"
    )
    assert seen_in_a_terminal(path, environment(NO_COLOR="1")) == plain
    coloured = seen_in_a_terminal(path, environment())
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
