"""All figures of the webhook, on one sandbox cluster."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.paths import BUILD
from benchmarks.sandbox import sandbox
from benchmarks.webhook import applies, server


def measure() -> dict[str, Any]:
    """Return the figures under `webhook` of build/bench.json: milliseconds, requests a second, MiB."""
    with sandbox(BUILD / "bench-sandbox") as kubeconfig, tempfile.TemporaryDirectory() as folder:
        applies.prepare(kubeconfig)
        figures: dict[str, Any] = asyncio.run(applies.measure(kubeconfig))
        return figures | server.measure(kubeconfig, Path(folder))
