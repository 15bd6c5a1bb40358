"""Starts the parts of a cluster in order, watches them, and stops them in reverse order."""

import asyncio
import logging
import os
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from sandbox.paths import State
from sandbox.report import Phase, Report

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
_REAP_EVERY_S = 1.0
_LAST_LINES = 15

Ready = Callable[[aiohttp.ClientSession], Awaitable[bool]]


@dataclass(frozen=True)
class Part:
    """One process of the cluster; its log is named after it.

    It starts when the parts named in `after` are ready. `is_ready` is asked every 0.1 s until it says yes; a part
    without it is a step of the start, ready when its process has ended well. `grace_s` is its time to stop.
    """

    name: str
    command: Sequence[str]
    after: Sequence[str] = ()
    is_ready: Ready | None = None
    timeout_s: float = 60.0
    grace_s: float = 2.0


class PartError(Exception):
    """A part did not come up, or died; the message names it and ends with the last lines of its log."""


class Supervisor:
    """Runs parts as children of this process, which may be the first of its pid namespace."""

    def __init__(self, parts: Sequence[Part], *, state: State, environment: Mapping[str, str], report: Report) -> None:
        self._parts = parts
        self._state = state
        self._environment = environment
        self._report = report
        self._ready = {part.name: asyncio.Event() for part in parts}
        self._processes: list[tuple[Part, Process]] = []
        self._forking = asyncio.Lock()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Run until cancelled; all parts are stopped when it returns. Raises PartError when one fails."""
        failures: list[PartError] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reap_orphans(), name="reap-orphans")
                group.create_task(self._announce(), name="announce")
                for part in self._parts:
                    group.create_task(self._keep(part, session), name=part.name)
        except* PartError as group:
            failures.extend(error for error in group.exceptions if isinstance(error, PartError))
        finally:
            await self._stop()
        if failures:
            raise failures[0]

    async def _keep(self, part: Part, session: aiohttp.ClientSession) -> None:
        for name in part.after:
            await self._ready[name].wait()
        started = time.monotonic()
        process = await self._start(part)
        try:
            async with asyncio.timeout(part.timeout_s):
                await self._until_ready(part, process, session)
        except TimeoutError:
            raise self._failure(part, f"is not ready after {part.timeout_s:g} s") from None
        self._report.parts[part.name] = round(time.monotonic() - started, 1)
        self._report.write(self._state.status)
        self._ready[part.name].set()
        if part.is_ready is not None:
            raise self._failure(part, f"ended with code {await process.wait()}")

    async def _start(self, part: Part) -> Process:
        async with self._forking:
            with self._state.log(part.name).open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *part.command,
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=asyncio.subprocess.STDOUT,
                )
            self._processes.append((part, process))
        return process

    async def _until_ready(self, part: Part, process: Process, session: aiohttp.ClientSession) -> None:
        if part.is_ready is None:
            if await process.wait() != 0:
                raise self._failure(part, f"ended with code {process.returncode}")
            return
        while not await part.is_ready(session):
            if process.returncode is not None:
                raise self._failure(part, f"ended with code {process.returncode}")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _announce(self) -> None:
        started = time.monotonic()
        for ready in self._ready.values():
            await ready.wait()
        self._report.seconds = round(time.monotonic() - started, 1)
        self._report.phase = Phase.READY
        self._report.write(self._state.status)

    async def _stop(self) -> None:
        for part, process in reversed(self._processes):
            if process.returncode is None:
                _log.info("stopping %s", part.name)
                process.terminate()
                try:
                    async with asyncio.timeout(part.grace_s):
                        await process.wait()
                except TimeoutError:
                    with suppress(ProcessLookupError):  # it may have ended in the very turn in which its time was up
                        process.kill()
                    await process.wait()

    async def _reap_orphans(self) -> None:
        """Collect orphans when they end: the first process of a pid namespace inherits all of them."""
        while True:
            async with self._forking:
                _reap({process.pid for _, process in self._processes})
            await asyncio.sleep(_REAP_EVERY_S)

    def _failure(self, part: Part, what: str) -> PartError:
        lines = last_lines(self._state.log(part.name), _LAST_LINES)
        return PartError(f"{part.name} {what}; the last lines of {self._state.log(part.name)}:\n{lines}")


def last_lines(path: Path, count: int) -> str:
    """Return the last `count` lines of a log, indented."""
    lines = path.read_text(errors="replace").splitlines()[-count:] if path.exists() else []
    return "\n".join(f"    {line}" for line in lines or ["(empty)"])


def _reap(ours: set[int]) -> None:
    """Collect ended children, except `ours`: asyncio waits for those."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in ours:
                return
            os.waitpid(ended.si_pid, 0)
