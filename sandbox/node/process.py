"""The node's side of the launcher: start processes in pods, signal them, wait for their end."""

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.node.errors import LauncherGoneError, NetworkError, StartError
from sandbox.node.launcher import LONGEST_MESSAGE_BYTES
from sandbox.node.rootfs import Mount

_SIGNALLED = 128
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Exit:
    """How a process ended: its exit code (128 + signal when a signal ended it) and that signal or 0."""

    code: int
    signal: int = 0

    @classmethod
    def from_wait_status(cls, status: int) -> "Exit":
        code = os.waitstatus_to_exitcode(status)
        return cls(code) if code >= 0 else cls(_SIGNALLED - code, -code)


@dataclass(frozen=True)
class CommandLine:
    argv: list[str]
    env: dict[str, str]
    cwd: str


@dataclass
class Process:
    """A process that the launcher started; `exited` is done when it has ended."""

    id: int
    exited: asyncio.Future[Exit]
    _launcher: "LauncherClient"

    def send_signal(self, number: int) -> None:
        """Signal it; nothing happens when it has ended already."""
        if not self.exited.done():
            self._launcher.send({"op": "kill", "id": self.id, "signal": number})

    async def wait(self) -> Exit:
        return await asyncio.shield(self.exited)

    async def kill(self) -> Exit:
        """Kill it and its process group, and wait for the end."""
        self.send_signal(signal.SIGKILL)
        return await self.wait()


@dataclass
class LauncherClient:
    """One socket to one launcher; `pid` is the launcher's."""

    pid: int
    keep: list[str]
    stage: Path
    _control: socket.socket
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _starting: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    _running: dict[int, asyncio.Future[Exit]] = field(default_factory=dict)
    _networks: dict[str, asyncio.Future[int]] = field(default_factory=dict)

    async def make_network(self, pod_uid: str) -> str:
        """Make a network namespace for a pod and return a path that refers to it."""
        answer = self._networks[pod_uid] = asyncio.get_running_loop().create_future()
        self.send({"op": "network", "pod": pod_uid})
        return f"/proc/{self.pid}/fd/{await answer}"

    def drop_network(self, pod_uid: str) -> None:
        self.send({"op": "drop", "pod": pod_uid})

    async def start(
        self, command: CommandLine, *, pod_uid: str, hostname: str, mounts: list[Mount], output: int
    ) -> Process:
        """Start a container's process, its output to the descriptor `output`; raises StartError."""
        place = {
            "pod": pod_uid,
            "hostname": hostname,
            "stage": str(self.stage),
            "mounts": [[mount.source, mount.target, mount.is_read_only] for mount in mounts],
            "keep": self.keep,
        }
        return await self._launch({"op": "start", **place}, command, output)

    async def execute(self, command: CommandLine, *, inside: Process, output: int) -> Process:
        """Start a command in a running container's namespaces; raises StartError."""
        return await self._launch({"op": "exec", "inside": inside.id}, command, output)

    async def _launch(self, message: dict[str, Any], command: CommandLine, output: int) -> Process:
        loop = asyncio.get_running_loop()
        number = next(self._ids)
        started, exited = loop.create_future(), loop.create_future()
        self._starting[number], self._running[number] = started, exited
        line = {"id": number, "argv": command.argv, "env": command.env, "cwd": command.cwd}
        try:
            self.send(message | line, descriptors=[output])
            await asyncio.shield(started)
        except asyncio.CancelledError:
            self.send({"op": "kill", "id": number, "signal": signal.SIGKILL})
            raise
        except StartError:
            del self._running[number]
            raise
        return Process(number, exited, self)

    def send(self, message: dict[str, Any], *, descriptors: list[int] | None = None) -> None:
        """Send one message; raises StartError when it is too long for a packet, LauncherGoneError."""
        raw = json.dumps(message).encode()
        try:
            socket.send_fds(self._control, [raw], descriptors or [])
        except BrokenPipeError as error:
            raise LauncherGoneError("the launcher process has ended") from error
        except OSError as error:
            raise StartError(f"command, environment and mounts take {len(raw)} bytes: {error.strerror}") from error

    def listen(self) -> None:
        """Take one message; called by the event loop when there is one."""
        raw = self._control.recv(LONGEST_MESSAGE_BYTES)
        if not raw:
            asyncio.get_running_loop().remove_reader(self._control)
            self._fail_all()
            return
        self._handle(json.loads(raw))

    def _handle(self, message: dict[str, Any]) -> None:
        match message:
            case {"pod": pod, "descriptor": descriptor}:
                _settle(self._networks.pop(pod), descriptor)
            case {"pod": pod, "failed": text}:
                _fail(self._networks.pop(pod), NetworkError(text))
            case {"id": number, "pid": _}:
                _settle(self._starting.pop(number), None)
            case {"id": number, "failed": text}:
                _fail(self._starting.pop(number), StartError(text))
            case {"id": number, "exited": status}:
                _settle(self._running.pop(number), Exit.from_wait_status(status))
            case _:
                raise ValueError(f"the launcher said {message!r}")

    def _fail_all(self) -> None:
        waiting: list[asyncio.Future[Any]] = [*self._starting.values(), *self._networks.values()]
        for future in waiting:
            _fail(future, LauncherGoneError("the launcher process has ended"))
        for running in self._running.values():
            _settle(running, Exit(_SIGNALLED + signal.SIGKILL, signal.SIGKILL))


def _settle(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


@asynccontextmanager
async def running_launcher(state: Path, *, keep: list[str]) -> AsyncIterator[LauncherClient]:
    """Run a launcher for the block; with it ends every process that it started.

    `state` is the node's folder; `keep` are host folders that containers need even below /tmp.
    """
    stage = state / "stage"
    stage.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-S", "-m", "sandbox.node.launcher", str(theirs.fileno()),
                pass_fds=[theirs.fileno()], cwd=_REPOSITORY, env={"PYTHONPATH": str(_REPOSITORY)},
            )  # fmt: skip
        client = LauncherClient(process.pid, keep, stage, ours)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, client.listen)
        try:
            yield client
        finally:
            loop.remove_reader(ours)
            process.kill()
            await process.wait()
