"""Users of an application behind the gateway: `python -m tests.support.kills.users HOST PER_SECOND USERS`.

They ask until SIGTERM. USERS is a list of `User` in JSON. Each has one connection and asks one thing after the other,
so that what it saw is in order. At the end one JSON object tells what each saw: by its name a `Visit`.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.support.cluster import Cluster
from tests.support.load import GATEWAY
from tests.support.mortal_agent import background, pid_inside

_LONGEST_S = 10.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True)
class User:
    """`headers` go with every request; `keeps_cookies`, as a browser does."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    keeps_cookies: bool = False


@dataclass
class Stay:
    """So many answers in a row from one side. Times are seconds since the epoch."""

    side: str
    first_s: float
    last_s: float
    count: int = 1


@dataclass
class Visit:
    """What one user saw. `lost`: when and how a request failed; every answer but 200 is a loss."""

    stays: list[Stay] = field(default_factory=list)
    lost: list[tuple[float, str]] = field(default_factory=list)
    requests: int = 0

    def note(self, side: str) -> None:
        """Take an answer of a side."""
        now_s = time.time()
        if self.stays and self.stays[-1].side == side:
            self.stays[-1].last_s = now_s
            self.stays[-1].count += 1
        else:
            self.stays.append(Stay(side, now_s, now_s))

    @property
    def sides(self) -> list[str]:
        """The sides that answered, in order, without repeats."""
        return [stay.side for stay in self.stays]


@contextmanager
def visiting(cluster: Cluster, host: str, per_second: float, users: Sequence[User]) -> Iterator[dict[str, Visit]]:
    """Let the users ask until the block ends, each so often; then what each saw is in the dict."""
    seen: dict[str, Visit] = {}
    described = json.dumps([asdict(user) for user in users])
    with background(cluster, "python", "-m", __name__, host, str(per_second), described) as process:
        pid = pid_inside(process)
        try:
            yield seen
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            seen |= _read(process)


def _read(process: "subprocess.Popen[str]") -> dict[str, Visit]:
    text, _ = process.communicate(timeout=_STOP_WITHIN_S)
    try:
        told: dict[str, dict[str, Any]] = json.loads(text)
    except json.JSONDecodeError as error:
        raise AssertionError(f"the users failed:\n{text}") from error
    return {
        name: Visit(
            [Stay(**stay) for stay in visit["stays"]], [(at_s, why) for at_s, why in visit["lost"]], visit["requests"]
        )
        for name, visit in told.items()
    }


async def _use(user: User, visit: Visit, every_s: float, stop: asyncio.Event) -> None:
    jar = aiohttp.CookieJar() if user.keeps_cookies else aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=jar,
        headers=user.headers,
        timeout=aiohttp.ClientTimeout(total=_LONGEST_S),
    ) as session:
        due_s = time.monotonic()
        while not stop.is_set():
            await _ask(session, visit)
            due_s = max(due_s + every_s, time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(due_s - time.monotonic(), 0)):
                    await stop.wait()


async def _ask(session: aiohttp.ClientSession, visit: Visit) -> None:
    visit.requests += 1
    try:
        async with session.get(GATEWAY) as response:
            text = await response.text()
            if response.status == HTTPStatus.OK:
                visit.note("primary" if "-primary-" in json.loads(text)["hostname"] else "canary")
            else:
                visit.lost.append((time.time(), f"{response.status} {text[:200]}"))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        visit.lost.append((time.time(), repr(error)))


async def _main(host: str, per_second: float, users: Sequence[User]) -> None:
    stop, visits = asyncio.Event(), {user.name: Visit() for user in users}
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    named = [User(user.name, {"Host": host} | user.headers, user.keeps_cookies) for user in users]
    await asyncio.gather(*(_use(user, visits[user.name], 1 / per_second, stop) for user in named))
    print(json.dumps({name: asdict(visit) for name, visit in visits.items()}))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), [User(**user) for user in json.loads(sys.argv[3])]))
