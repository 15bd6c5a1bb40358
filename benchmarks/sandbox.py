"""A sandbox cluster for the length of a measurement."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.kubectl import kubectl
from benchmarks.paths import REPOSITORY

_IN: Final = ("-n", "gloo-system")
_SERVES_WITHIN_S: Final = 180


@contextmanager
def sandbox(state: Path, *, is_as_shipped: bool = False) -> Iterator[Path]:
    """Bring up a cluster with Serin on it, and take it down; gives its kubeconfig.

    The sandbox's own Serin is scraped, and reads configurations, each second. As it is shipped it is not: that counts
    where the CPU of a resting agent is measured.
    """
    command = [sys.executable, "-m", "sandbox", "--state", str(state)]
    subprocess.run([*command, "up", *(["--without-serin"] if is_as_shipped else [])], cwd=REPOSITORY, check=True)
    try:
        if is_as_shipped:
            _install(state / "kubeconfig")
        yield state / "kubeconfig"
    finally:
        subprocess.run([*command, "down"], cwd=REPOSITORY, check=True)


def _install(kubeconfig: Path) -> None:
    """Install Serin as its users do, and wait until it serves."""
    kubectl(kubeconfig, "apply", "-k", str(REPOSITORY / "manifests" / "default"))
    kubectl(
        kubeconfig, *_IN, "wait", "deployment", "--all", "--for=condition=Available", f"--timeout={_SERVES_WITHIN_S}s"
    )
