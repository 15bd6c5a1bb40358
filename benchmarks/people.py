"""What people wait for at the command line: the best of several runs in seconds, for others on the machine only add."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.clusters import canaries, serving
from benchmarks.paths import REPOSITORY

_RUNS: Final = 5
_FILES: Final = 200
_CANARIES: Final = 1000
_EXAMPLES: Final = REPOSITORY / "manifests" / "examples"
_CANARY: Final = _EXAMPLES / "podinfo-canary.yaml"


def measure() -> dict[str, float]:
    """Return the seconds of each command, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        text = _CANARY.read_text()
        for number in range(_FILES):
            # Another name of the canary and of its target, in each file: two canaries of one workload are an error.
            (Path(folder) / f"{number}.yaml").write_text(text.replace("name: podinfo\n", f"name: podinfo{number}\n"))
        with serving(canaries(_CANARY, _CANARIES), Path(folder)) as kubeconfig:
            access = f"--kubeconfig={kubeconfig}"
            of_cluster = {
                f"get_{_CANARIES}_canaries_s": _best_s("get", "-A", access),
                "get_one_s": _best_s("get", "app0001", access),
                # While the run is on it exits 4.
                "status_s": _best_s("status", "app0001", access, code=4),
            }
        return of_cluster | {
            "help_s": _best_s("--help"),
            "lint_s": _best_s("lint", str(_CANARY)),
            f"lint_{_FILES}_files_s": _best_s("lint", folder),
            "plan_s": _best_s("plan", str(_CANARY)),
            "render_s": _best_s("render", "-n", "test", str(_EXAMPLES)),
        }


def _best_s(*arguments: str, code: int = 0) -> float:
    runs = []
    for _ in range(_RUNS):
        started_s = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=REPOSITORY,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert ran.returncode == code, (arguments, ran.returncode)
        runs.append(time.perf_counter() - started_s)
    return round(min(runs), 2)
