"""The load tester as its container runs it: `python -m loadtester` with the flags of a manifest made for Flagger."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from tests.support.fifo import Fifo
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


async def test_it_serves_logs_json_and_ends_its_commands_on_sigterm(make_fifo: Callable[[str], Fifo]) -> None:
    begun, alive = make_fifo("begun"), make_fifo("alive")
    reading = asyncio.create_task(alive.read())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtester", "-port=0", "-log-level=info", "-timeout=1h"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    async with asyncio.timeout(PATIENCE_S):
        first = json.loads(await process.stderr.readline())
        metadata = {"cmd": f"exec 3>{alive.path}; echo >{begun.path}; sleep 300"}
        await _post(first["port"], {"name": "podinfo", "namespace": "test", "metadata": metadata})
        await begun.read()

        process.send_signal(signal.SIGTERM)
        log = [json.loads(line) for line in (await process.stderr.read()).splitlines()]

        assert await process.wait() == 0
    assert await reading == ""
    assert first["msg"] == f"load tester listens on port {first['port']}"
    started = log[0]
    assert (started["level"], started["canary"]) == ("info", "podinfo.test")
    assert started["msg"] == f"command started: {metadata['cmd']}"


async def _post(port: int, payload: dict[str, Any]) -> None:
    async with (
        ClientSession(timeout=ClientTimeout(total=PATIENCE_S)) as session,
        session.post(f"http://127.0.0.1:{port}/", json=payload) as response,
    ):
        assert response.status == 202
