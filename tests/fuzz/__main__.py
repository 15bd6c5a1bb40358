"""`python -m tests.fuzz`: fuzzes all targets for SERIN_FUZZ_S seconds in all, and prints the figures.

What must hold: no input ends in an exception or takes longer than a review may, and memory comes to rest.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.fuzz.seeds import SEEDS

_DEFAULT_S: Final = 3_600
_SHARES: Final = {"reviews": 0.5, "stored": 0.35, "answers": 0.15}
_MOST_GROWTH_MIB: Final = 16.0
_RUNS: Final = re.compile(r"Done (\d+) runs in (\d+) second")
_MOST_SHOWN: Final = 6_000


def fuzz(target: str, folder: Path, *options: str) -> dict[str, Any]:
    """Fuzz one target, play what was found interesting once more, and return the figures of both.

    Raises AssertionError for an input that ends in an exception or takes too long, with the input.
    """
    corpus, found = folder / f"{target}-corpus", folder / f"{target}-found"
    for path in (corpus, found):
        path.mkdir(parents=True)
    for number, seed in enumerate(SEEDS[target]()):
        (corpus / str(number)).write_bytes(seed)
    limits = ("-max_len=65536", "-timeout=30", "-rss_limit_mb=2048", f"-artifact_prefix={found}/", *options)
    done = _run("tests.fuzz.run", target, str(corpus), *limits)
    inputs = {path.name: path.read_bytes() for path in found.iterdir()}
    assert done.returncode == 0, f"{target}: {done.stderr[-_MOST_SHOWN:]}\nfound with: {inputs}"
    runs = _RUNS.search(done.stderr)
    replayed = _run("tests.fuzz.replay", target, str(corpus))
    assert replayed.returncode == 0, replayed.stderr[-_MOST_SHOWN:]
    figures: dict[str, Any] = {"runs": int(runs[1]), "seconds": int(runs[2])} if runs else {}
    replay: dict[str, Any] = json.loads(replayed.stdout)
    return figures | replay


def _run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False, capture_output=True, text=True)


def main() -> None:
    """Print a line of figures for each target; end with 1 where one is not as it must be."""
    seconds = float(os.environ.get("SERIN_FUZZ_S", _DEFAULT_S))
    is_flat = True
    with tempfile.TemporaryDirectory() as folder:
        for target, share in _SHARES.items():
            figures = fuzz(target, Path(folder), f"-max_total_time={max(1, round(share * seconds))}")
            first, *_, last = figures["memory_mib"]
            is_flat = is_flat and last - first < _MOST_GROWTH_MIB
            sys.stdout.write(f"{target}: {json.dumps(figures)}\n")
            sys.stdout.flush()
    sys.exit(0 if is_flat else "memory grows with what is played again")


if __name__ == "__main__":
    main()
