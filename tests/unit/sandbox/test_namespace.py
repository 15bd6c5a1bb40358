"""Whether a cluster lives, as its state directory tells."""

import fcntl
from pathlib import Path

import pytest

from sandbox import namespace
from sandbox.paths import State


def test_an_unused_directory_has_no_cluster(tmp_path: Path) -> None:
    state = State(tmp_path / "missing")
    assert not namespace.is_running(state)
    assert not namespace.is_alive(state)
    assert not namespace.stop(state)
    with pytest.raises(namespace.NotRunningError, match=r"no sandbox is up in .*missing: `python -m sandbox up`"):
        namespace.enter(state, ["true"])


def test_what_a_killed_cluster_left_is_no_cluster(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.lock.write_text("4194303")
    assert not namespace.is_running(state)
    assert not namespace.stop(state)


def test_a_held_lock_is_a_cluster_and_no_second_one_starts(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.run.mkdir()
    state.status.write_text("kept")
    with state.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert namespace.is_running(state)
        assert not namespace.start(state, with_serin=False)
    assert state.status.read_text() == "kept"


def test_the_inside_knows_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    environment = namespace.inside_environment(State(tmp_path))
    assert not any("proxy" in name.lower() for name in environment)
    assert environment["KUBECONFIG"] == str(tmp_path / "run" / "kubeconfig")
