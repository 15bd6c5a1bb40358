"""The load processes inside the cluster (sandbox.demo.load), started and listened to from here."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import namespace
from sandbox.demo.cluster import Cluster, short
from sandbox.demo.moments import LoadBegan, LoadEnded, Moment, RequestFailed
from sandbox.paths import REPOSITORY

HOST = "app.example.com"
GATEWAY = "http://gateway-proxy.gloo-system"
# Both ways to the app: from outside, and from a neighbour in the cluster.
USERS_URLS = {"gateway": f"{GATEWAY}/", "service": "http://podinfo.test:9898/"}
USERS_PER_SECOND = 50

PYTHON = (short(Path(sys.executable)), "-m")

_END_S = 15.0


@dataclass
class Load:
    """One load: `answers` has, when it has ended, each URL's answers and how often each came."""

    per_second: float
    expected: int = 200
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(sum(answers.values()) for answers in self.answers.values())

    @property
    def failed(self) -> int:
        return self.requests - sum(answers.get(str(self.expected), 0) for answers in self.answers.values())

    def command(self, urls: Mapping[str, str]) -> list[str]:
        """The command line, as it is run inside."""
        options = [f"--per-second={self.per_second:g}", f"--host={HOST}"]
        options += [] if self.expected == 200 else [f"--expected={self.expected}"]  # noqa: PLR2004  HTTP's own
        named = [f"{name}={url}" for name, url in urls.items()]
        return [*PYTHON, "sandbox.demo.load", *options, *named]

    def hear(self, line: str, note: Callable[[Moment], None]) -> None:
        """Take one line that the process wrote; what is not of its own is kept in `words`."""
        try:
            told = json.loads(line)
        except ValueError:
            self.words.append(line)
            return
        match told:
            case {"begun": name, "at_s": at_s}:
                note(LoadBegan(at_s, name, self.per_second))
            case {"failed": name, "at_s": at_s, "took_s": took_s, "why": why}:
                note(RequestFailed(at_s, name, why, took_s))
            case {"answers": answers}:
                self.answers = answers
                note(LoadEnded(time.monotonic(), answers))
            case _:
                self.words.append(line)


@asynccontextmanager
async def running(
    load: Load, cluster: Cluster, urls: Mapping[str, str], note: Callable[[Moment], None]
) -> AsyncIterator[Load]:
    """Run it for the block; `note` gets its moments while it runs."""
    process = await asyncio.create_subprocess_exec(
        *cluster.inside(load.command(urls)),
        cwd=REPOSITORY,
        env=namespace.inside_environment(cluster.state),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    listener = asyncio.create_task(_listen(process.stdout, load, note), name="listener to the load")
    try:
        yield load
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait([listener], timeout=_END_S)
        listener.cancel()
        await process.wait()


async def _listen(output: asyncio.StreamReader, load: Load, note: Callable[[Moment], None]) -> None:
    async for line in output:
        load.hear(line.decode(errors="replace").rstrip("\n"), note)
