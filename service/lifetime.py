"""The life of a process: its tasks, and its end by a signal or by the failure of a task."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set, from now on until the event loop is closed."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def wait_until_stopped(stopped: asyncio.Event, *vital: asyncio.Task[Any]) -> None:
    """Wait until `stopped` is set, or a task ends that the process can't do without; raise what that task raised."""
    async with running(stopped.wait(), "stop signal") as waiting:
        await asyncio.wait({waiting, *vital}, return_when=asyncio.FIRST_COMPLETED)
    for task in vital:
        if task.done():
            task.result()


@asynccontextmanager
async def running(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run a coroutine as a task for as long as the block lasts, then cancel it and wait for its end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
