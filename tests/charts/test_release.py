"""What a tag publishes: the workflow and its pins, one version everywhere, and charts for exactly the built images."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox.paths import bin_dir
from tests.support.cluster import REPOSITORY

RELEASE = REPOSITORY / ".ci" / "release.py"
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yaml"))


def _release(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RELEASE), *arguments]
    wide = os.environ | {"COLUMNS": "1000"}
    return subprocess.run(command, env=wide, capture_output=True, text=True, check=False)


def _package(digests: Path) -> subprocess.CompletedProcess[str]:
    helm = bin_dir() / "helm4"
    into = digests / "dist"
    return _release(
        "package", "--registry=registry.example/team", f"--digests={digests}", f"--into={into}", f"--helm={helm}"
    )


def _render(package: Path, *flags: str) -> list[str]:
    """Return the image of each container of a packaged chart."""
    release = ("serin-loadtester", str(package), "--namespace", "gloo-system")
    command = [str(bin_dir() / "helm4"), "template", *release, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.findall(r"(?m)^ +image: (\S+)$", done.stdout)


def test_github_takes_the_workflows() -> None:
    command = [str(bin_dir() / "actionlint"), "-no-color", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_by_its_commit_and_nothing_may_write_that_need_not(workflow: Path) -> None:
    used = re.findall(r"(?m)^ +(?:- )?uses: (.*)$", workflow.read_text())
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_everything_in_the_tree_says_one_version() -> None:
    version = re.search(r'(?m)^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text())
    assert version is not None
    assert _release("check", version[1]).stderr == ""


def test_a_tag_of_another_version_is_refused_with_each_file() -> None:
    done = _release("check", "9.9.9")
    assert done.returncode == 1
    assert "charts/serin/Chart.yaml: found {'" in done.stderr
    assert len(done.stderr.splitlines()) == 9


def test_packaged_charts_pull_the_images_that_were_built(tmp_path: Path) -> None:
    for image, digit in (("serin", "1"), ("serin-loadtester", "2")):
        (tmp_path / image).write_text(f"sha256:{digit * 64}\n")
    done = _package(tmp_path)
    assert done.returncode == 0, done.stderr

    serin, loadtester = sorted((tmp_path / "dist").iterdir(), reverse=True)
    ours = {image for image in _render(serin) if "/serin" in image}
    assert ours == {"registry.example/team/serin@sha256:" + "1" * 64}
    assert set(_render(loadtester)) == {"registry.example/team/serin-loadtester@sha256:" + "2" * 64}
    # A user's own image takes their place, whichever of its parts is set.
    assert set(_render(loadtester, "--set", "images.loadtester.tag=9.9")) == {"serin-loadtester:9.9"}
    assert set(_render(loadtester, "--set", "images.loadtester.repository=r.example/l")) == {"r.example/l:0.2.0"}
    assert "serin:9.9" in _render(serin, "--set", "images.serin.tag=9.9")


def test_what_is_no_digest_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "serin").write_text("latest\n")
    done = _package(tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}/serin: found 'latest'; allowed: sha256: and 64 hexadecimal digits" in done.stderr
