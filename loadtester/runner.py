"""All running commands: started here, a background one never twice at a time, and ended when the runner closes."""

import asyncio
import logging
from types import TracebackType
from typing import Self

from loadtester.command import Completion, Outcome, run_command
from loadtester.hook import Hook, HookType
from loadtester.metrics import RunMetrics
from loadtester.payload import Canary

_log = logging.getLogger(__name__)


class Runner:
    """Runs hooks' commands; leaving it as a context ends them all and waits until their processes are gone."""

    def __init__(self, *, timeout_s: float, metrics: RunMetrics) -> None:
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._runs: set[asyncio.Task[Completion]] = set()
        self._background: dict[tuple[Canary, str], asyncio.Task[Completion]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for run in self._runs:
            _end(run)
        await asyncio.gather(*self._runs, return_exceptions=True)

    def start(self, hook: Hook) -> bool:
        """Start a command in the background; return False if the same one of the same canary runs already."""
        key = (hook.canary, hook.command)
        if key in self._background:
            _log.info("already running: %s", hook.command, extra={"canary": hook.canary})
            return False
        run = self._own(hook)
        self._background[key] = run
        run.add_done_callback(lambda _: self._background.pop(key))
        return True

    async def run(self, hook: Hook) -> Completion:
        """Run a command to its end. Cancelling this ends the command, without waiting until it has ended."""
        run = self._own(hook)
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            _end(run)
            raise

    def _own(self, hook: Hook) -> asyncio.Task[Completion]:
        run = asyncio.create_task(self._run(hook), name=f"{hook.type} of {hook.canary}")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return run

    async def _run(self, hook: Hook) -> Completion:
        clock = asyncio.get_running_loop().time
        started_at_s = clock()
        outcome = "ended"
        self._metrics.count_start(hook.type)
        _log.info("command started: %s", hook.command, extra={"canary": hook.canary})
        try:
            completion = await run_command(hook.argv, timeout_s=self._timeout_s)
        except asyncio.CancelledError:
            _log.warning("command ended, nobody waits for it: %s", hook.command, extra={"canary": hook.canary})
            raise
        else:
            outcome = completion.outcome.value
            _log_completion(hook, completion)
            return completion
        finally:
            self._metrics.count_end(hook.type, outcome, clock() - started_at_s)


def _end(run: asyncio.Task[Completion]) -> None:
    if not run.cancelling():  # a second cancel would cut the first one's grace for the processes
        run.cancel()


def _log_completion(hook: Hook, completion: Completion) -> None:
    extra = {"canary": hook.canary}
    if completion.has_leftovers:
        _log.warning(
            "killed what a command left behind (for load in the background, take the hook type cmd and no &): %s",
            hook.command,
            extra=extra,
        )
    if completion.outcome is not Outcome.SUCCEEDED:
        _log.error("command failed: %s: %s %s", hook.command, completion.reason, completion.output, extra=extra)
        return
    if hook.is_output_logged or hook.type is HookType.BASH:
        _log.info("%s", completion.output, extra=extra)
    _log.info("command finished: %s", hook.command, extra=extra)
