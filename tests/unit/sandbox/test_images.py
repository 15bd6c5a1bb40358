"""Image names to local commands."""

import sys
from pathlib import Path

import pytest

from sandbox.images import resolve
from sandbox.paths import REPOSITORY


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("stefanprodan/podinfo", ("./podinfo",)),
        ("stefanprodan/podinfo:3.1.1", ("./podinfo",)),
        ("registry.example/stefanprodan/podinfo:3.1.1", ("./podinfo",)),
        ("registry.example:5000/stefanprodan/podinfo", ("./podinfo",)),
        ("registry.example/prom/prometheus:v3.1.0@sha256:0123", ("prometheus",)),
        ("serin:0.2.0", ("python", "-m", "agent")),
        ("registry.example/serin/serin-loadtester:0.2.0", ("python", "-m", "loadtester")),
        ("sandbox/envoy", ("envoy",)),
        ("sandbox/gloo", ("python", "-m", "sandbox.gloo")),
        ("hollow:7", ()),
    ],
)
def test_a_known_repository_has_its_command_whatever_its_registry_and_tag(image: str, command: tuple[str, ...]) -> None:
    found = resolve(image)
    assert found is not None
    assert found.command == command


@pytest.mark.parametrize("image", ["nginx", "podinfo", "notserin:1", "serin/other", "my-hollow"])
def test_an_unknown_repository_has_none(image: str) -> None:
    assert resolve(image) is None


def test_podinfo_finds_itself_and_podcli_in_its_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERIN_SANDBOX_BIN", str(tmp_path))
    found = resolve("stefanprodan/podinfo:1")
    assert found is not None
    assert found.cwd == tmp_path
    assert tmp_path in found.path


def test_the_product_runs_on_this_python_from_the_repository() -> None:
    found = resolve("serin:1")
    assert found is not None
    assert (found.path[0] / "python").exists()
    assert found.path[0] == Path(sys.executable).parent
    assert found.cwd == REPOSITORY
