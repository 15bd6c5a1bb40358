"""The response that carries an answered review, written in one piece.

All of its head but length and date is known beforehand. `web.Response` puts it together anew, field by field and call
by call: a fifth of what a request costs without the review itself.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

JSON: Final = "application/json"

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nDate: %b\r\n\r\n"


def is_kept(request: web.BaseRequest) -> bool:
    """Return whether the client goes on using its connection, by HTTP/1.1's rules: what a `ReviewResponse` needs."""
    return request.keep_alive and request.version == HttpVersion11


class ReviewResponse(web.StreamResponse):
    """A 200 over a connection that is kept."""

    def __init__(self, review: bytes) -> None:
        super().__init__()
        self._review = review

    @property
    def keep_alive(self) -> bool:
        """Return True: the server asks this once it has written."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Keep what to write to; nothing is written before `write_eof`."""
        self._payload_writer = request.writer
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002  the server passes none
        """Write head and body."""
        assert self._payload_writer is not None, "the server prepares first"
        head = _HEAD % (len(self._review), _date(int(time.time())))
        await self._payload_writer.write_eof(head + self._review)


@lru_cache(maxsize=1)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()
