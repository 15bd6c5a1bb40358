"""What the sandbox says of a machine that lacks something."""

from pathlib import Path

import pytest

from sandbox import preflight
from sandbox.paths import search_path


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


def test_the_search_path_looks_where_an_unprivileged_path_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/somewhere")
    folders = search_path().split(":")
    assert folders.index("/usr/bin") < folders.index("/somewhere") < folders.index("/usr/sbin")
    assert len(folders) == len(set(folders))
