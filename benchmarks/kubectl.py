"""kubectl, as the cluster's administrator."""

import subprocess
from pathlib import Path

from benchmarks.paths import TOOLS


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run one command; return its output."""
    command = [str(TOOLS / "kubectl"), "--kubeconfig", str(kubeconfig), *arguments]
    return subprocess.run(command, check=True, input=stdin, text=True, stdout=subprocess.PIPE).stdout
