"""Named pipes, by which a test and a shell command wait for each other without sleeping."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TypeVar

from tests.support.patience import PATIENCE_S

T = TypeVar("T")


class Fifo:
    """A named pipe: opening either end waits until the other is there, for PATIENCE_S seconds at most."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    async def read(self) -> str:
        """Everything written until the last writer has closed its end, or died."""
        return await _run_blocking(self.path.read_text)

    async def write(self, text: str) -> None:
        """Writes as soon as somebody reads."""
        await _run_blocking(lambda: self.path.write_text(text))


async def _run_blocking(call: Callable[[], T]) -> T:
    """Like asyncio.to_thread, in a thread that may be stuck for good: a test that fails must not hang the others."""
    future: Future[T] = Future()

    def run() -> None:
        result = call()
        if not future.cancelled():
            future.set_result(result)

    Thread(target=run, daemon=True, name="fifo").start()
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.wrap_future(future)
