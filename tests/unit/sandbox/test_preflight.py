"""What the sandbox says of a machine that lacks something."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox import preflight, tools
from sandbox.cli import app
from sandbox.paths import search_path

# Refuses once while there is a file `locked`, as apt-get does while another package manager is at work.
APT_GET = """#!/bin/sh
echo "$*" >> "$FOLDER/calls"
test -e "$FOLDER/locked" || exit 0
rm "$FOLDER/locked"
echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)" >&2
echo "E: Unable to lock directory /var/lib/apt/lists/" >&2
exit 100
"""


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for apt-get on PATH, in a folder that has the file `calls` after the first one."""
    program = tmp_path / "apt-get"
    program.write_text(APT_GET)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setattr(preflight, "_LOCKED_AGAIN_S", 0)
    return tmp_path


def test_every_missing_command_is_named_with_its_package(tmp_path: Path) -> None:
    (tmp_path / "ip").touch(mode=0o755)
    lacking = preflight.missing(str(tmp_path))
    assert lacking == {
        "unshare": "util-linux",
        "nsenter": "util-linux",
        "setpriv": "util-linux",
        "mount": "mount",
        "nft": "nftables",
        "curl": "curl",
        "pkill": "procps",
    }
    assert preflight.explain(lacking) == (
        "missing commands: unshare, nsenter, setpriv, mount, nft, curl, pkill; "
        "install the packages: curl mount nftables procps util-linux"
    )


def test_a_kernel_without_user_namespaces_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(preflight.PreflightError) as caught:
        preflight.check()
    message = str(caught.value)
    assert "the kernel refuses user namespaces (unshare: unshare failed: Operation not permitted)" in message
    assert "\n" not in message


def test_another_package_managers_lock_is_waited_for_with_one_line(
    apt_get: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (apt_get / "locked").touch()
    preflight._install({"nft": "nftables", "curl": "curl"})
    update, install = "update -q", "install -qy --no-install-recommends curl nftables"
    wait = "-o DPkg::Lock::Timeout=5 "
    assert (apt_get / "calls").read_text().splitlines() == [wait + update, wait + update, wait + install]
    lock = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
    assert capsys.readouterr().out.splitlines() == [
        "installing curl nftables with apt-get",
        f"waiting up to 600 s for another package manager to end: {lock}",
    ]


def test_a_lock_that_stays_is_an_error_in_one_line(apt_get: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt_get / "locked").touch()
    monkeypatch.setattr(preflight, "_LOCK_TIMEOUT_S", -1)
    with pytest.raises(preflight.PreflightError, match=r"failed: E: Could not get lock \S+ It is held by process 7"):
        preflight._install({"curl": "curl"})


def test_what_is_missing_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        raise preflight.PreflightError("missing commands: nft; install the packages: nftables")

    monkeypatch.setattr(preflight, "check", check)
    monkeypatch.setattr(tools, "build", lambda: pytest.fail("built"))
    result = CliRunner().invoke(app, ["build"])
    assert result.exit_code == 1
    assert result.output == "sandbox: missing commands: nft; install the packages: nftables\n"


def test_the_search_path_looks_where_an_unprivileged_path_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/somewhere")
    folders = search_path().split(":")
    assert folders.index("/usr/bin") < folders.index("/somewhere") < folders.index("/usr/sbin")
    assert len(folders) == len(set(folders))


def test_a_browser_is_installed_where_there_is_none_and_is_no_must(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "_BROWSERS", ("no-browser-has-this-name",))
    assert CliRunner().invoke(app, ["browser"]).output.splitlines()[-1] == (
        "no Chromium: the tests of the page are skipped; install `chromium`"
    )
    assert (apt_get / "calls").read_text().splitlines()[-1].endswith("install -qy --no-install-recommends chromium")


def test_a_browser_that_is_there_is_taken(apt_get: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_BROWSERS", ("no-browser-has-this-name", "apt-get"))
    assert CliRunner().invoke(app, ["browser"]).output == f"browser: {apt_get / 'apt-get'}\n"
    assert not (apt_get / "calls").exists()
