"""Requests at a steady rate. Open loop: each is sent when it is due, however long the ones before it take."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

_HOST = "app.example.com"
_LONGEST_S = 5.0
_ASK_AGAIN_S = 0.2  # until the first expected answer


class Load:
    """The load on one URL, which counts from its first expected answer on: it is noted as `load`, failures as `failed`.

    `answers` counts HTTP codes, and errors where there was no answer.
    """

    def __init__(self, url: str, *, per_second: float, expected: int, note: Callable[[str, str], None]) -> None:
        self.answers: Counter[str] = Counter()
        self._url = url
        self._every_s = 1 / per_second
        self._expected = str(expected)
        self._note = note
        self._has_begun = False
        self._is_over = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send during the block; requests under way at its end are waited for."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),  # each a connection of its own
            timeout=aiohttp.ClientTimeout(total=_LONGEST_S),
            headers={"Host": _HOST},
        ) as session:
            sending = asyncio.create_task(self._send_all(session), name=f"load on {self._url}")
            try:
                yield
            finally:
                self._is_over = True
                await sending

    async def _send_all(self, session: aiohttp.ClientSession) -> None:
        due_at_s = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            while not self._is_over:
                requests.create_task(self.send(session), name=f"request to {self._url}")
                due_at_s += self._every_s if self._has_begun else _ASK_AGAIN_S
                await asyncio.sleep(due_at_s - time.monotonic())

    async def send(self, session: aiohttp.ClientSession) -> None:
        """Send one request, and count its answer if it was sent after the first expected one."""
        is_counted, sent_at_s = self._has_begun, time.monotonic()
        try:
            async with session.get(self._url) as response:
                await response.read()
                answer = str(response.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            answer = f"{type(error).__name__}: {error}".removesuffix(": ")
        if is_counted:
            self.answers[answer] += 1
            if answer != self._expected:
                self._note("failed", f"{self._url} after {time.monotonic() - sent_at_s:.2f} s: {answer}")
        elif answer == self._expected and not self._has_begun:
            self._has_begun = True
            self._note("load", f"{self._url} answers {answer}: {1 / self._every_s:g} requests a second from here on")
