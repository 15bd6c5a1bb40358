"""The supervisor, with small shell commands as the parts of a cluster."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from sandbox import report
from sandbox.paths import State
from sandbox.report import Phase, Report
from sandbox.supervisor import Part, PartError, Ready, Supervisor
from tests.support.patience import PATIENCE_S

# Writes its name when it starts and when it is told to stop.
DAEMON = 'trap "echo stop $0 >> order; exit 0" TERM; echo start $0 >> order; while :; do read -t 0.02 _ < pipe; done'


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """An empty state directory, which is the parts' working directory too."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    found = State(tmp_path)
    for folder in (found.logs, found.run):
        folder.mkdir()
    return found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def supervise(state: State, *parts: Part) -> Supervisor:
    return Supervisor(parts, state=state, environment=os.environ, report=Report())


def daemon(name: str, *after: str) -> Part:
    return Part(name, ("bash", "-c", DAEMON, name), after=after, is_ready=has_said(f"start {name}"), grace_s=PATIENCE_S)


def order() -> list[str]:
    """What the parts wrote, in their working directory."""
    written = Path("order")
    return written.read_text().splitlines() if written.exists() else []


def has_said(line: str) -> Ready:
    async def is_ready(_: aiohttp.ClientSession) -> bool:
        return line in order()

    return is_ready


async def eventually(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110  the world changes by processes, not by this loop
            await asyncio.sleep(0.01)


def phase(state: State) -> Phase | None:
    found = report.read(state.status)
    return found.phase if found else None


async def test_parts_start_after_those_they_need_and_stop_in_reverse_order(
    state: State, session: aiohttp.ClientSession
) -> None:
    parts = (daemon("third", "second"), daemon("first"), daemon("second", "first"))
    running = asyncio.create_task(supervise(state, *parts).run(session))
    await eventually(lambda: phase(state) is Phase.READY)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert order() == ["start first", "start second", "start third", "stop third", "stop second", "stop first"]
    found = report.read(state.status)
    assert found is not None
    assert list(found.parts) == ["first", "second", "third"]


async def test_a_step_is_ready_when_its_command_has_ended_well(state: State, session: aiohttp.ClientSession) -> None:
    step = Part("step", ("sh", "-c", "echo start step >> order; echo said"))
    running = asyncio.create_task(supervise(state, step, daemon("after-it", "step")).run(session))
    await eventually(lambda: phase(state) is Phase.READY)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert order() == ["start step", "start after-it", "stop after-it"]
    assert state.log("step").read_text() == "said\n"


async def test_a_part_that_does_not_come_up_is_named_with_its_last_lines_and_the_rest_is_stopped(
    state: State, session: aiohttp.ClientSession
) -> None:
    broken = Part("broken", ("sh", "-c", "echo no such luck >&2; exit 7"), ("first",), has_said("never"))
    with pytest.raises(PartError) as caught:
        await supervise(state, daemon("first"), broken).run(session)
    message = str(caught.value)
    assert message.startswith("broken ended with code 7; the last lines of ")
    assert message.endswith("\n    no such luck")
    assert order() == ["start first", "stop first"]


async def test_a_step_that_fails_is_named_too(state: State, session: aiohttp.ClientSession) -> None:
    with pytest.raises(PartError, match=r"step ended with code 3; .*\n    \(empty\)"):
        await supervise(state, Part("step", ("sh", "-c", "exit 3"))).run(session)


async def test_a_part_that_is_never_ready_fails_after_its_time(state: State, session: aiohttp.ClientSession) -> None:
    slow = Part("slow", ("bash", "-c", DAEMON, "slow"), is_ready=has_said("never"), timeout_s=0.3)
    with pytest.raises(PartError, match=r"slow is not ready after 0.3 s"):
        await supervise(state, slow).run(session)


async def test_a_part_that_dies_later_ends_the_cluster_with_its_name(
    state: State, session: aiohttp.ClientSession
) -> None:
    mortal = Part(
        "mortal", ("bash", "-c", "echo start mortal >> order; read _ < pipe"), is_ready=has_said("start mortal")
    )
    running = asyncio.create_task(supervise(state, mortal).run(session))
    await eventually(lambda: phase(state) is Phase.READY)
    state.root.joinpath("pipe").write_text("die\n")
    with pytest.raises(PartError, match="mortal ended with code 0"):
        await running


def deaf(*after: str) -> Part:
    """One that ignores the request to stop; it writes its pid before it is ready."""
    script = 'trap "" TERM; echo $$ > pid; echo start deaf >> order; while :; do read _ < pipe; done'
    return Part("deaf", ("bash", "-c", script), after=after, is_ready=has_said("start deaf"), grace_s=0.1)


def pid_of_deaf() -> int:
    return int(Path("pid").read_text())


async def test_a_part_that_ignores_the_request_to_stop_is_killed(state: State, session: aiohttp.ClientSession) -> None:
    running = asyncio.create_task(supervise(state, deaf()).run(session))
    await eventually(lambda: phase(state) is Phase.READY)
    running.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid_of_deaf(), 0)


async def test_a_part_that_ends_just_before_it_is_killed_does_not_keep_the_others_from_their_end(
    state: State, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its grace and that of its process may come in one turn of the loop: nothing is left to kill then."""

    def kill(process: asyncio.subprocess.Process) -> None:
        os.kill(process.pid, signal.SIGKILL)
        raise ProcessLookupError

    monkeypatch.setattr(asyncio.subprocess.Process, "kill", kill)
    running = asyncio.create_task(supervise(state, daemon("first"), deaf("first")).run(session))
    await eventually(lambda: phase(state) is Phase.READY)
    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError)
    assert order() == ["start first", "start deaf", "stop first"]
