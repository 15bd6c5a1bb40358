"""A Prometheus of a test's own, which scrapes what the test says: the sandbox's has Envoy's series of one Gloo only."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from sandbox.node import syscalls
from sandbox.paths import bin_dir
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: exposed
    static_configs: [{{targets: ["{target}"]}}]
"""
_LISTENS = re.compile(r"address=(127\.0\.0\.1:\d+)")


@asynccontextmanager
async def prometheus_of(exposition: Callable[[], str], folder: Path) -> AsyncIterator[str]:
    """Scrape `exposition()` each second; gives the server's base URL. `folder` gets its configuration and its data."""

    async def expose(_: web.Request) -> web.Response:
        return web.Response(text=exposition())

    async with serving(expose) as exposed:
        config = folder / "prometheus.yml"
        config.write_text(_CONFIG.format(target=exposed.removeprefix("http://")))
        process = await asyncio.create_subprocess_exec(
            str(bin_dir() / "prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            stderr=asyncio.subprocess.PIPE,
            # A test run that is killed leaves nothing behind. The child sets one number of its own before it begins.
            preexec_fn=partial(syscalls.die_with_parent, signal.SIGKILL),
        )
        assert process.stderr is not None
        try:
            address = await asyncio.wait_for(_address(process.stderr), PATIENCE_S)
            rest = asyncio.create_task(process.stderr.read(), name="log of prometheus")
            yield f"http://{address}"
        finally:
            process.kill()
            await process.wait()
        await rest


async def _address(log: asyncio.StreamReader) -> str:
    """Return where it listens, once it says so."""
    lines = []
    while line := (await log.readline()).decode():
        lines.append(line)
        if "Listening on" in line and (found := _LISTENS.search(line)):
            return found[1]
    raise AssertionError(f"Prometheus ended: {''.join(lines)}")
