"""The demo's own cluster, brought up and spoken to with the commands that users type."""

import asyncio
import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from sandbox import namespace
from sandbox.demo.screen import Screen
from sandbox.paths import REPOSITORY, State, bin_dir

AGENT_LOG = "serin-agent"
_LOOK_EVERY_S = 0.05
_COMMAND_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 2.0


class CommandError(Exception):
    """A command ended with another code than 0; the message has the command and what it said last, `output` all."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Cluster:
    """One sandbox in a state directory of its own."""

    def __init__(self, state: State, screen: Screen) -> None:
        self.state = state
        self.screen = screen

    @property
    def command(self) -> str:
        """How a user calls the sandbox of this state directory."""
        return f"{short(Path(sys.executable))} -m sandbox --state {short(self.state.root)}"

    @property
    def is_up(self) -> bool:
        return namespace.is_running(self.state)

    @property
    def urls(self) -> Mapping[str, str]:
        """Name to URL on this machine: apiserver, gateway, prometheus, agent."""
        urls: dict[str, str] = json.loads(self.state.endpoints.read_text())
        return urls

    async def up(self) -> float:
        """Start it; the seconds until Serin's agent said that it is ready. Raises CommandError."""
        self.screen.command(f"{self.command} up")
        started_s = time.monotonic()
        words = [sys.executable, "-m", "sandbox", "--state", str(self.state.root), "up"]
        await _run(words, namespace.inside_environment(self.state), on_line=self.screen.output)
        await self._agent_ready()
        return time.monotonic() - started_s

    def down(self) -> bool:
        """Take it down in order; False when it was not up."""
        return namespace.stop(self.state)

    async def kubectl(self, arguments: str, *, is_shown: bool = True) -> str:
        """Run kubectl; `arguments` has no blanks inside a word. Gives its output; raises CommandError."""
        words = [str(bin_dir() / "kubectl"), *arguments.split()]
        environment = namespace.inside_environment(self.state) | {"KUBECONFIG": str(self.state.kubeconfig)}
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                if not is_shown:
                    return await _run(words, environment)
                async with self.screen.floor:
                    self.screen.command(f"kubectl {arguments}")
                    return await _run(words, environment, on_line=self.screen.output)
        except TimeoutError as error:
            raise CommandError(f"`kubectl {arguments}` has not ended within {_COMMAND_TIMEOUT_S:g} s") from error

    def inside(self, words: Sequence[str]) -> list[str]:
        """The command line that runs a command inside the cluster's network."""
        return [sys.executable, "-m", "sandbox", "--state", str(self.state.root), "run", *words]

    async def run(self, *words: str) -> str:
        """Run a command inside, shown. Gives its output; raises CommandError."""
        await self.show_run(words)
        return await _run(self.inside(words), namespace.inside_environment(self.state), on_line=self.screen.output)

    async def show_run(self, words: Sequence[str]) -> None:
        """Show a command that is run inside."""
        async with self.screen.floor:
            self.screen.command(f"{self.command} run {shlex.join(words)}")

    async def save_agent_log(self) -> Path:
        """Write the agent's log beside those of the cluster's parts; raises CommandError."""
        path = self.state.log(AGENT_LOG)
        path.write_text(await self.kubectl("-n gloo-system logs deployment/serin-agent", is_shown=False))
        return path

    async def _agent_ready(self) -> None:
        url = f"{self.urls['agent']}/readyz"
        deadline_s = time.monotonic() + _COMMAND_TIMEOUT_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)) as session:
            while time.monotonic() < deadline_s:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url) as response:
                        if response.ok:
                            return
                await asyncio.sleep(_LOOK_EVERY_S)
        raise CommandError(f"{url} has not said that the agent is ready within {_COMMAND_TIMEOUT_S:g} s")


def short(path: Path) -> str:
    """The path as one types it in the repository."""
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


async def _run(
    words: Sequence[str], environment: Mapping[str, str], *, on_line: Callable[[str], None] | None = None
) -> str:
    """Run a command in the repository, away from the terminal's Ctrl-C; when cancelled, it is interrupted and ends."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=REPOSITORY,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            lines.append(line)
            if on_line is not None:
                on_line(line)
        code = await process.wait()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()
        raise
    output = "\n".join(lines)
    if code != 0:
        said = lines[-1] if lines else "no output"
        raise CommandError(f"`{' '.join(words)}` ended with code {code}: {said}", output)
    return output
