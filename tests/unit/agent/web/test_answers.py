"""Answers are read to their bound, packed or not, and nothing of them is told."""

import gzip
import zlib
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web

from agent.providers.web.answers import AnswerTooLong, read_bounded
from tests.support.web import serving


async def read(body: bytes, encoding: str, most_bytes: int) -> bytes:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": encoding} if encoding else {})

    async with (
        serving(handle) as url,
        aiohttp.ClientSession() as session,
        session.get(url, auto_decompress=False) as response,
    ):
        return await read_bounded(response, most_bytes)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("encoding", PACKERS)
async def test_an_answer_within_its_bound_is_read_whole(encoding: str) -> None:
    body = b"ab" * 5_000
    assert await read(PACKERS[encoding](body), encoding, len(body)) == body


@pytest.mark.parametrize("encoding", PACKERS)
async def test_a_byte_more_than_the_bound_is_refused(encoding: str) -> None:
    with pytest.raises(AnswerTooLong, match="the answer is longer than 9999 bytes"):
        await read(PACKERS[encoding](b"ab" * 5_000), encoding, 9_999)


async def test_a_bomb_is_unpacked_to_the_bound_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inner = make(wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            found = self._inner.decompress(data, most)
            unpacked.append(len(found))
            return found

        @property
        def unconsumed_tail(self) -> bytes:
            return self._inner.unconsumed_tail

    monkeypatch.setattr("agent.providers.web.answers.zlib.decompressobj", Counting)
    with pytest.raises(AnswerTooLong):
        await read(gzip.compress(bytes(50_000_000)), "gzip", 1_000)
    assert sum(unpacked) == 1_001


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
async def test_what_is_packed_otherwise_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="the answer is packed; allowed: none, gzip, deflate"):
        await read(b"x", encoding, 100)


async def test_what_is_not_packed_as_it_says_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be unpacked"):
        await read(b"plain", "gzip", 100)
