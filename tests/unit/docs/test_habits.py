"""What stands in two places says the same: the version, and the checks before a commit."""

import re
import subprocess
import tomllib
from datetime import date

import pytest
import yaml

from tests.support.cluster import REPOSITORY

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
IMAGE = re.compile(r"\bserin(?:-loadtester)?:(\d[\w.]*)")
CHANGES = (REPOSITORY / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("place", ["README.md", "Makefile", "docs/guide.md", "manifests", "tests/support"])
def test_our_images_have_the_projects_version(place: str) -> None:
    path = REPOSITORY / place
    files = [path] if path.is_file() else [*path.rglob("*.yaml"), *path.rglob("*.py")]
    tags = [tag for file in files for tag in IMAGE.findall(file.read_text())]
    assert tags
    assert set(tags) == {VERSION}


def test_the_changelogs_newest_version_is_the_projects_and_the_versions_are_dated_and_fall() -> None:
    headings = re.findall(r"^## (.+)$", CHANGES, re.MULTILINE)
    released = [heading for heading in headings if heading != "[Unreleased]"]
    parts = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in released]
    found = [part.groups() for part in parts if part is not None]
    assert len(found) == len(released)
    assert ".".join(found[0][:3]) == VERSION
    versions = [tuple(map(int, part[:3])) for part in found]
    assert versions == sorted(versions, reverse=True)
    assert [date.fromisoformat(part[3]) for part in found] == sorted(
        (date.fromisoformat(part[3]) for part in found), reverse=True
    )


def test_the_changelog_has_the_kinds_of_changes_that_its_format_knows() -> None:
    kinds = set(re.findall(r"^### (.+)$", CHANGES, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_a_commit_is_checked_for_what_make_check_checks() -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.ready", "check"],
        check=True,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    commands = [line for line in printed.stdout.splitlines() if line.startswith(".venv/bin/")]
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == commands
    assert len(commands) >= 4
