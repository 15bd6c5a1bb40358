"""Requests at a steady rate from inside the cluster: `python -m sandbox.demo.load NAME=URL ...`, until SIGTERM.

Open loop: each request is sent when it is due, over a connection of its own, however long the ones before it take. A
URL counts from its first expected answer on. One JSON object a line tells `begun`, `failed` (the first few) as it
happens, with the monotonic clock's seconds, and at the end `answers`: for each URL, each answer's count.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

_LONGEST_S = 5.0
_END_S = 3.0
_LOOK_EVERY_S = 0.2  # until the first expected answer
_TOLD_FAILURES = 20


@dataclass
class Target:
    """One URL; `answers` counts HTTP codes, and what went wrong where there was none."""

    name: str
    url: str
    expected: str
    answers: Counter[str] = field(default_factory=Counter)
    is_begun: bool = False

    @property
    def failures(self) -> int:
        return self.answers.total() - self.answers[self.expected]

    def note(self, answer: str, sent_s: float, *, is_counted: bool) -> None:
        """Take an answer; `is_counted`: its request was sent when the URL had begun to answer."""
        if not self.is_begun and answer == self.expected:
            self.is_begun = True
            _tell(begun=self.name, at_s=time.monotonic())
        if not is_counted:
            return
        self.answers[answer] += 1
        if answer != self.expected and self.failures <= _TOLD_FAILURES:
            now_s = time.monotonic()
            _tell(failed=self.name, at_s=now_s, took_s=round(now_s - sent_s, 3), why=answer)


async def run(targets: list[Target], host: str, per_second: float, stop: asyncio.Event) -> None:
    """Send until `stop`; requests under way then may end, but not for long."""
    headers = {"Host": host} if host else {}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=_LONGEST_S),
        headers=headers,
    ) as session:
        await asyncio.gather(*(_send_to(session, target, 1 / per_second, stop) for target in targets))


async def _send_to(session: aiohttp.ClientSession, target: Target, every_s: float, stop: asyncio.Event) -> None:
    under_way: set[asyncio.Task[None]] = set()
    due_s = time.monotonic()
    while not stop.is_set():
        task = asyncio.create_task(_send(session, target), name=f"request to {target.name}")
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due_s += every_s if target.is_begun else _LOOK_EVERY_S
        with suppress(TimeoutError):
            async with asyncio.timeout(max(due_s - time.monotonic(), 0)):
                await stop.wait()
    if under_way:
        _, late = await asyncio.wait(under_way, timeout=_END_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _send(session: aiohttp.ClientSession, target: Target) -> None:
    is_counted, sent_s = target.is_begun, time.monotonic()
    try:
        async with session.get(target.url) as response:
            await response.read()
            answer = str(response.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        answer = f"{type(error).__name__}: {error}".removesuffix(": ")
    target.note(answer, sent_s, is_counted=is_counted)


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def _main(urls: Mapping[str, str], host: str, per_second: float, expected: int) -> None:
    targets = [Target(name, url, str(expected)) for name, url in urls.items()]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(targets, host, per_second, stop)
    _tell(answers={target.name: dict(target.answers) for target in targets})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="sandbox.demo.load", description=__doc__)
    parser.add_argument("--per-second", type=float, required=True, help="how many requests, of each URL")
    parser.add_argument("--host", default="", help="the Host header, if not the URL's")
    parser.add_argument("--expected", type=int, default=200, help="the HTTP code that every answer should have")
    parser.add_argument("urls", nargs="+", metavar="NAME=URL")
    given = parser.parse_args()
    named = dict(url.split("=", 1) for url in given.urls)
    asyncio.run(_main(named, given.host, given.per_second, given.expected))
