"""All figures of the webhook, on one sandbox cluster."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.paths import BUILD
from benchmarks.sandbox import sandbox
from benchmarks.webhook import applies, server
from benchmarks.webhook.limits import bare_webhooks


def measure() -> dict[str, Any]:
    """Return the figures under `webhook` of build/bench.json: milliseconds, requests a second, MiB."""
    with sandbox(BUILD / "bench-sandbox") as kubeconfig, tempfile.TemporaryDirectory() as folder:
        applies.prepare(kubeconfig)
        with bare_webhooks(kubeconfig.parent, Path(folder)):
            figures = asyncio.run(applies.measure(kubeconfig))
        return figures | server.measure(kubeconfig, Path(folder))
