"""The end of a process: by a signal, or by a task that it can't do without."""

import asyncio
import os
import signal

import pytest

from service.lifetime import running, stop_on_signals, wait_until_stopped
from tests.support.patience import PATIENCE_S


class Broken(Exception):  # noqa: N818  reads as what happened
    """A task's own error."""


async def fail() -> None:
    raise Broken


async def forever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_wait_and_may_come_twice(number: signal.Signals) -> None:
    stopped = stop_on_signals()
    try:
        async with asyncio.timeout(PATIENCE_S), running(forever(), "vital") as vital:
            os.kill(os.getpid(), number)
            await wait_until_stopped(stopped, vital)
            os.kill(os.getpid(), number)
            assert not vital.done()
    finally:
        for handled in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(handled)


async def test_the_error_of_a_vital_task_is_raised() -> None:
    async with asyncio.timeout(PATIENCE_S), running(forever(), "well") as well, running(fail(), "broken") as broken:
        with pytest.raises(Broken):
            await wait_until_stopped(asyncio.Event(), well, broken)


async def test_an_error_is_raised_though_the_signal_came_too() -> None:
    stopped = asyncio.Event()
    stopped.set()
    async with running(fail(), "broken") as broken:
        await asyncio.wait({broken})
        with pytest.raises(Broken):
            await wait_until_stopped(stopped, broken)


async def test_a_vital_task_that_returns_ends_the_wait() -> None:
    async with asyncio.timeout(PATIENCE_S), running(asyncio.sleep(0), "short") as short:
        await wait_until_stopped(asyncio.Event(), short)
        assert short.done()


async def test_the_wait_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with running(asyncio.sleep(0), "short") as short:
        await wait_until_stopped(asyncio.Event(), short)
    assert asyncio.all_tasks() == before


async def test_a_task_ends_with_its_block_and_its_cleanup_is_waited_for() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            seen.append("started")
            await forever()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    async with running(work(), "work") as task:
        assert task.get_name() == "work"
        await asyncio.sleep(0)
    assert seen == ["started", "cleaned up"]
