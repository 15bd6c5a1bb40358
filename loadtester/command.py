"""One command as a process group of its own: bounded in time and output, and gone with its children at its end."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from loadtester.programs import missing

OUTPUT_KEPT_BYTES = 64 * 1024
GRACE_S = 5.0  # from SIGTERM to SIGKILL

# What sh and bash write of a program that they don't find, by its name or by its path.
_NOT_FOUND = re.compile(
    r"^(?:/\S*/)?(?:ba|da)?sh: (?:line )?(?:\d+: )?(?P<program>\S+): "
    r"(?:command not found|not found|No such file or directory)$",
    re.MULTILINE,
)


class Outcome(StrEnum):
    """How a command ended by itself or by its time limit."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True)
class Completion:
    """A command that is over: how, in words too, the tail of its stdout and stderr, and whether it left processes."""

    outcome: Outcome
    reason: str
    output: str
    has_leftovers: bool = False


class OutputTail(asyncio.Protocol):
    """Keeps the last `limit_bytes` of what comes out of a pipe: a load test prints its summary last."""

    def __init__(self, limit_bytes: int) -> None:
        self.closed = asyncio.Event()
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._dropped_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._kept += data
        excess_bytes = max(0, len(self._kept) - self._limit_bytes)
        del self._kept[:excess_bytes]
        self._dropped_bytes += excess_bytes

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self.closed.set()

    def text(self) -> str:
        """Return what was kept, after a note if something was dropped before it."""
        note = f"[{self._dropped_bytes} bytes dropped] …" if self._dropped_bytes else ""
        return note + self._kept.decode(errors="replace")


async def run_command(
    argv: Sequence[str], *, timeout_s: float, kept_bytes: int = OUTPUT_KEPT_BYTES, grace_s: float = GRACE_S
) -> Completion:
    """Run a program until it ended and no process holds its output open any more, or for `timeout_s` seconds.

    As in Flagger, children that inherited the output are waited for: `hey … & hey … &` runs both to their end. What is
    still alive in the process group after that is killed, or a hook that is called at each check would leave more and
    more processes. Cancelling ends the command too: SIGTERM to the group, SIGKILL after `grace_s` seconds.
    """
    async with _open_output(kept_bytes) as (output, write_fd):
        try:
            process = await _start(argv, write_fd, grace_s)
        except FileNotFoundError:
            return Completion(Outcome.NOT_STARTED, f"not started, for {missing(argv[0])}", "")
        except OSError as error:
            return Completion(Outcome.NOT_STARTED, f"not started: {error}", "")
        finally:
            os.close(write_fd)
        try:
            async with asyncio.timeout(timeout_s):
                exit_code = await process.wait()
                await output.closed.wait()
        except TimeoutError:
            await _end_group(process, grace_s)
            return Completion(Outcome.TIMED_OUT, f"ended after its time limit of {timeout_s:g} s", output.text())
        except asyncio.CancelledError:
            await _end_group(process, grace_s)
            raise
        has_leftovers = await _sweep_group(process.pid)
    outcome, said = Outcome.SUCCEEDED if exit_code == 0 else Outcome.FAILED, output.text()
    return Completion(outcome, _describe_exit(exit_code, said), said, has_leftovers)


@asynccontextmanager
async def _open_output(kept_bytes: int) -> AsyncIterator[tuple[OutputTail, int]]:
    """Open a pipe and yield its write end for the command. Not asyncio's own: a child that escapes can't block us."""
    read_fd, write_fd = os.pipe()
    transport, output = await asyncio.get_running_loop().connect_read_pipe(
        lambda: OutputTail(kept_bytes), os.fdopen(read_fd, "rb", buffering=0)
    )
    try:
        yield output, write_fd
    finally:
        transport.close()


async def _start(argv: Sequence[str], output_fd: int, grace_s: float) -> asyncio.subprocess.Process:
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=output_fd, stderr=output_fd, start_new_session=True
        ),
        name="start of a command",
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):  # unshielded, asyncio would kill the shell alone: its first children would live on
            await _end_group(await starting, grace_s)
        raise


async def _end_group(process: asyncio.subprocess.Process, grace_s: float) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await process.wait()
    finally:  # also when this is cancelled: a load tester that stops has no more time to give
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()  # it ends at once; left unreaped, it would outlive the loop that watches it
    await _sweep_group(process.pid)


async def _sweep_group(group: int) -> bool:
    """Kill and reap what is left of a group whose first process has ended; return whether something was killed.

    Orphans become children of process 1, which is this one in a container: nobody else would reap them.
    """
    return _signal_group(group, signal.SIGKILL) and await asyncio.to_thread(_reap_group, group)


def _signal_group(group: int, signal_number: signal.Signals) -> bool:
    try:
        os.killpg(group, signal_number)
    except ProcessLookupError:
        return False
    return True


def _reap_group(group: int) -> bool:
    was_killed = False  # read from the exit, for one that was about to end by itself takes signals too
    with suppress(ChildProcessError):  # none of that group is our child (any more)
        while True:
            _, status = os.waitpid(-group, 0)
            was_killed |= os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return was_killed


def _describe_exit(exit_code: int, output: str) -> str:
    """Say how a command ended, and which program it asked for in vain: an image for all hooks there can't be."""
    if exit_code > 0 and (not_found := _NOT_FOUND.search(output)):
        return f"exit status {exit_code}, for {missing(not_found['program'])}"
    if exit_code >= 0:
        return f"exit status {exit_code}"
    return f"signal {signal.Signals(-exit_code).name}"
