"""Commands as real processes: how they end, what is kept of their output, and that nothing of them is left."""

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtester.command import Completion, Outcome, run_command
from tests.support.fifo import Fifo
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import AGES_S, PATIENCE_S

MakeFifo = Callable[[str], Fifo]


async def _run(
    script: str, *, timeout_s: float = PATIENCE_S, kept_bytes: int = 1000, grace_s: float = PATIENCE_S
) -> Completion:
    return await run_command(("sh", "-c", script), timeout_s=timeout_s, kept_bytes=kept_bytes, grace_s=grace_s)


def _is_gone(group: str) -> bool:
    """Whether no process of a group is left, not even an unreaped one."""
    try:
        os.killpg(int(group), 0)
    except ProcessLookupError:
        return True
    return False


def _children() -> list[str]:
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


@pytest.fixture
def stdin_with_text() -> Iterator[str]:
    """Return this process a standard input, for the length of a test."""
    saved, (read_fd, write_fd) = os.dup(0), os.pipe()
    os.write(write_fd, b"typed text")
    os.close(write_fd)
    os.dup2(read_fd, 0)
    yield "typed text"
    os.dup2(saved, 0)
    os.close(saved)
    os.close(read_fd)


async def test_success_gives_stdout_and_stderr_in_order() -> None:
    completion = await _run("echo one; echo two >&2; echo three")

    assert completion == Completion(Outcome.SUCCEEDED, "exit status 0", "one\ntwo\nthree\n")


async def test_failure_gives_the_exit_status_and_the_output() -> None:
    completion = await _run("echo wrong token; exit 3")

    assert completion == Completion(Outcome.FAILED, "exit status 3", "wrong token\n")


async def test_a_command_killed_by_a_signal_names_it() -> None:
    completion = await _run("kill -KILL $$")

    assert completion == Completion(Outcome.FAILED, "signal SIGKILL", "")


async def test_a_program_that_is_not_there_is_told() -> None:
    completion = await run_command(("/no/such/shell", "-c", "true"), timeout_s=10)

    assert completion.outcome is Outcome.NOT_STARTED
    assert "/no/such/shell" in completion.reason


async def test_a_command_too_long_for_the_system_is_told() -> None:
    completion = await _run("#" * 3_000_000)

    assert completion.outcome is Outcome.NOT_STARTED
    assert "Argument list too long" in completion.reason


async def test_only_the_tail_of_a_long_output_is_kept() -> None:
    completion = await _run("yes 0123456789 | head -c 1000000; printf END", kept_bytes=100)

    note, _, kept = completion.output.partition("…")
    assert note == "[999903 bytes dropped] "
    assert len(kept) == 100
    assert kept.endswith("END")


async def test_stdin_is_empty_whatever_this_process_has(stdin_with_text: str) -> None:
    completion = await _run("cat; echo done")

    assert stdin_with_text not in completion.output
    assert completion.output == "done\n"


async def test_a_child_that_holds_the_output_is_waited_for(make_fifo: MakeFifo) -> None:
    gate = make_fifo("gate")
    run = asyncio.create_task(_run(f"(cat {gate.path}; echo child done) & echo shell done"))

    await gate.write("")

    assert await run == Completion(Outcome.SUCCEEDED, "exit status 0", "shell done\nchild done\n")


@pytest.mark.usefixtures("process_1")
async def test_what_a_command_leaves_behind_is_killed_and_reaped() -> None:
    completion = await _run("sleep 300 >/dev/null 2>&1 & printf $$")

    assert completion.outcome is Outcome.SUCCEEDED
    assert completion.has_leftovers
    assert _is_gone(completion.output)


@pytest.mark.usefixtures("process_1")
async def test_an_orphan_that_ended_by_itself_is_reaped_and_no_leftover() -> None:
    completion = await _run("(exec true) & printf $$")

    assert not completion.has_leftovers
    assert _is_gone(completion.output)


@pytest.mark.usefixtures("process_1")
async def test_the_time_limit_ends_the_whole_group(make_fifo: MakeFifo) -> None:
    begun = make_fifo("begun")
    script = f"printf $$; sleep 300 & sleep 300 | sleep 300 & echo $$ >{begun.path}; wait"
    with jumping_clock() as clock:
        run = asyncio.create_task(_run(script, timeout_s=AGES_S))
        group = await begun.read()
        assert not _is_gone(group)
        await clock.limit_begun()
        clock.jump()
        async with asyncio.timeout(PATIENCE_S):
            completion = await run

    assert completion == Completion(Outcome.TIMED_OUT, "ended after its time limit of 3600 s", group.strip())
    assert _is_gone(group)


@pytest.mark.usefixtures("process_1")
async def test_a_command_that_ignores_sigterm_is_killed_after_its_grace(make_fifo: MakeFifo) -> None:
    begun = make_fifo("begun")
    script = f"trap '' TERM; echo $$ >{begun.path}; while true; do sleep 300; done"
    run = asyncio.create_task(_run(script, grace_s=0.1))
    group = await begun.read()

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert _is_gone(group)


async def test_a_command_that_is_ended_can_say_goodbye(make_fifo: MakeFifo) -> None:
    begun, last_words = make_fifo("begun"), make_fifo("last_words")
    reading = asyncio.create_task(last_words.read())
    script = f"trap 'echo summary >{last_words.path}; exit 0' TERM; echo >{begun.path}; sleep 300 & wait"
    run = asyncio.create_task(_run(script))
    await begun.read()

    run.cancel()

    assert await reading == "summary\n"
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.mark.usefixtures("process_1")
async def test_cancelling_while_the_command_starts_ends_its_children_too(make_fifo: MakeFifo) -> None:
    begun = make_fifo("begun")
    children = _children()
    run = asyncio.create_task(_run(f"(trap '' TERM; echo $$ >{begun.path}; exec sleep 300) & wait"))
    while _children() == children:  # noqa: ASYNC110  the test must go on in the very turn of the loop that forks
        await asyncio.sleep(0)
    group = begun.path.read_text()  # blocks the loop too: the run can't yet know that its process started

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert _is_gone(group)


@pytest.mark.usefixtures("process_1")
async def test_cancelling_ends_the_command_and_its_children(make_fifo: MakeFifo) -> None:
    begun = make_fifo("begun")
    run = asyncio.create_task(_run(f"echo $$ >{begun.path}; sleep 300 | sleep 300"))
    group = await begun.read()

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert _is_gone(group)


async def test_cancelling_in_the_grace_after_the_time_limit_kills_at_once(make_fifo: MakeFifo) -> None:
    begun, in_grace, alive = make_fifo("begun"), make_fifo("in_grace"), make_fifo("alive")
    # Not a shell with a trap: one that is just about to wait may sleep on over its signal.
    survivor = f"""
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
open("{begun.path}", "w").close()
signal.sigwait({{signal.SIGTERM}})
held = open("{alive.path}", "w")
open("{in_grace.path}", "w").close()
signal.pause()
"""
    with jumping_clock() as clock:
        script = f"exec {shlex.join([sys.executable, '-S', '-c', survivor])}"
        run = asyncio.create_task(_run(script, timeout_s=AGES_S, grace_s=AGES_S))
        await begun.read()
        await clock.limit_begun()
        clock.jump()
        reading = asyncio.create_task(alive.read())
        await in_grace.read()

        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(PATIENCE_S):
                await run

        assert await reading == ""
