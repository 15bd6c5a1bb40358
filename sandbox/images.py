"""Image names to local commands: no image is ever pulled, and its tag stays what it is for a canary, the revision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.paths import REPOSITORY, bin_dir, venv_bin_dir


@dataclass(frozen=True)
class Image:
    """What an image brings to a container.

    `command` is its entry point, used when the container names none; empty means a hollow container: no process.
    `cwd` is its working directory, `path` goes in front of the system's PATH, `env` comes before the container's own.
    """

    command: tuple[str, ...]
    cwd: Path
    path: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def resolve(image: str) -> Image | None:
    """Return the local stand-in for `image`, whatever registry, tag and digest; None if the repository is unknown."""
    repository = _repository(image)
    for name, stand_in in _stand_ins().items():
        if repository == name or repository.endswith(f"/{name}"):
            return stand_in
    return None


def _repository(image: str) -> str:
    """Return `registry:5000/stefanprodan/podinfo` for `registry:5000/stefanprodan/podinfo:3.1.0@sha256:...`."""
    untagged = image.partition("@")[0]
    folder, slash, name = untagged.rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}"


def _stand_ins() -> dict[str, Image]:
    tools, venv = bin_dir(), venv_bin_dir()
    ours = (venv, tools)  # `python` is the environment's; the load tester's hooks find hey beside it
    return {
        # podinfo's manifests start ./podinfo: the tools' folder has it, and podcli for the probes.
        "stefanprodan/podinfo": Image(("./podinfo",), cwd=tools, path=(tools,)),
        "serin": Image(("python", "-m", "agent"), cwd=REPOSITORY, path=ours),
        "serin-loadtester": Image(("python", "-m", "loadtester"), cwd=REPOSITORY, path=ours),
        "prom/prometheus": Image(("prometheus",), cwd=tools, path=(tools,)),
        "sandbox/envoy": Image(("envoy",), cwd=REPOSITORY, path=ours),
        "sandbox/gloo": Image(("python", "-m", "sandbox.gloo"), cwd=REPOSITORY, path=ours),
        # Its own image holds no command that could run here: a container of it runs, and does nothing.
        "fluxcd/flagger": Image((), cwd=Path("/")),
        "hollow": Image((), cwd=Path("/")),
    }
