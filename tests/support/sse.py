"""Server-sent events, read one by one."""

import asyncio
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.support.patience import PATIENCE_S


class Event(NamedTuple):
    """One event; `data` is parsed, `id` empty where it has none."""

    name: str
    data: Any
    id: str = ""


async def next_event(response: aiohttp.ClientResponse, *names: str) -> Event:
    """Read the next event of one of these names, and pass the others over. Raise EOFError at the end."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            text = await response.content.readuntil(b"\n\n")
            if not text:
                raise EOFError("the stream ended")
            lines = text.decode().splitlines()
            fields = dict(line.split(": ", 1) for line in lines if line)
            if fields.get("event") in names:
                return Event(fields["event"], orjson.loads(fields["data"]), fields.get("id", ""))
