"""The load tester as its container runs it: `python -m loadtester` with the flags of a manifest made for Flagger."""

import asyncio
import ctypes
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.support.fifo import Fifo
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]

MASTER = "of the agent"
OF_TEST = hmac.new(MASTER.encode(), b"test", hashlib.sha256).hexdigest()

_PR_CAPBSET_DROP = 24
# What a container has not got unless somebody asks for it, and who has it may read any process: CAP_SYS_PTRACE,
# CAP_SYS_ADMIN, CAP_PERFMON.
_PRIVILEGES = (19, 21, 38)


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


@pytest.mark.parametrize("name", ["HOOK_KEY", "HOOK_MASTER_KEY"])
@pytest.mark.parametrize("file", ["environ", "mem", "maps"])
async def test_no_command_of_a_hook_can_read_the_keys(name: str, file: str) -> None:
    key = {"HOOK_KEY": OF_TEST, "HOOK_MASTER_KEY": MASTER}[name]
    async with keyed_load_tester({name: key}) as port:
        status, said = await run_hook(port, f"env; cat /proc/$PPID/{file} | tr '\\0' '\\n'; exit ${{PIPESTATUS[0]}}")
    assert (status, "Permission denied" in said) == (500, True)
    assert key not in said


@asynccontextmanager
async def keyed_load_tester(keys: dict[str, str]) -> AsyncIterator[int]:
    """Start a load tester with keys, and with no more privileges than in a container; yield its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtester", "-port=0"),
        cwd=ROOT,
        env=dict(os.environ) | keys,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=drop_privileges if os.geteuid() == 0 else None,
    )
    assert process.stderr
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield json.loads(await process.stderr.readline())["port"]
    finally:
        process.terminate()
        await process.communicate()


def drop_privileges() -> None:
    """Give up for good what lets root read every process."""
    prctl = ctypes.CDLL(None).prctl
    assert all(prctl(_PR_CAPBSET_DROP, privilege, 0, 0, 0) == 0 for privilege in _PRIVILEGES)


async def run_hook(port: int, command: str) -> tuple[int, str]:
    """Return status and text of a hook's answer, called with the key of the namespace test."""
    metadata = {"type": "bash", "cmd": command}
    async with (
        ClientSession(timeout=ClientTimeout(total=PATIENCE_S)) as session,
        session.post(
            f"http://127.0.0.1:{port}/",
            json={"name": "podinfo", "namespace": "test", "metadata": metadata},
            headers={"Authorization": f"Bearer {OF_TEST}"},
        ) as response,
    ):
        return response.status, await response.text()
