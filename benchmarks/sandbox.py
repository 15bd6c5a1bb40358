"""A sandbox cluster for the length of a measurement."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.paths import REPOSITORY


@contextmanager
def sandbox(state: Path) -> Iterator[Path]:
    """Bring up a cluster with Serin on it, and take it down; gives its kubeconfig."""
    command = [sys.executable, "-m", "sandbox", "--state", str(state)]
    subprocess.run([*command, "up"], cwd=REPOSITORY, check=True)
    try:
        yield state / "kubeconfig"
    finally:
        subprocess.run([*command, "down"], cwd=REPOSITORY, check=True)
