"""Hook calls that may outlive the tick that made them: a later one that asks the same takes their answer.

A hook may take minutes. Its canary's metrics are judged each interval all the same, and it is not called twice; nor is
it when the write that should have kept its answer failed.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from canary.run.judge import CheckResult
from canary.run.phase import IDLE
from canary.run.state import State


class HookCalls:
    """The calls of one canary that are under way. Whoever makes this must `close` it."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[CheckResult]] = {}
        self._ended: set[asyncio.Task[CheckResult]] = set()
        self._run: tuple[str, bool] | None = None

    def keep_for(self, state: State) -> None:
        """End the calls of another run: they are about another revision, or nobody waits for them any more."""
        run = (state.revisions.analysed, state.phase in IDLE)
        if self._run != run:
            self._run = run
            self._end()

    def find_or_make(self, key: str, call: Callable[[], Coroutine[Any, Any, CheckResult]]) -> asyncio.Task[CheckResult]:
        """Return the call of a key that is under way, or whose answer is not dealt with yet; else make it."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(call(), name=f"hook {key}")
        return task

    def forget(self, keys: Iterable[str]) -> None:
        """Forget calls whose answers are dealt with, stored above all: who asks next calls again."""
        for key in keys:
            self._tasks.pop(key, None)

    async def close(self) -> None:
        """End all calls."""
        self._end()
        await asyncio.gather(*self._ended, return_exceptions=True)

    def _end(self) -> None:
        for task in self._tasks.values():
            self._ended.add(task)
            task.add_done_callback(self._ended.discard)
            task.cancel()
        self._tasks.clear()
