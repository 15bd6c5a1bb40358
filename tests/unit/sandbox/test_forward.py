"""Doors from the host into the cluster: bytes both ways, and the ends of connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from sandbox.forward import DOORS, Door, open_on_host, serve_one, urls
from tests.support.ports import refused_port


@asynccontextmanager
async def shouting_server() -> AsyncIterator[int]:
    """Reads all that it is sent, then answers in capitals; yields its port."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def talk(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    writer.write_eof()
    answered = await reader.read()
    writer.close()
    return answered


async def test_a_door_carries_both_ways_and_lets_each_side_finish_first() -> None:
    outside = listening()
    port = outside.getsockname()[1]
    sent = b"promote " * 100_000
    async with shouting_server() as target, serve_one(outside, Door("http", "127.0.0.1", target)):
        answers = (await talk(port, sent), await talk(port, b"abort"))
    assert answers == (sent.upper(), b"ABORT")


async def test_nobody_behind_a_door_ends_the_connection_and_keeps_the_door() -> None:
    outside = listening()
    port = outside.getsockname()[1]
    with refused_port() as nobody:
        async with serve_one(outside, Door("http", "127.0.0.1", nobody)):
            assert await talk(port, b"") == b""
            assert await talk(port, b"") == b""


async def test_the_end_of_the_block_ends_open_connections_and_the_door() -> None:
    outside = listening()
    port = outside.getsockname()[1]
    async with shouting_server() as target, serve_one(outside, Door("http", "127.0.0.1", target)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"never finished")
        await writer.drain()
    with suppress(ConnectionResetError):  # an end too
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_every_door_has_a_free_port_on_the_hosts_loopback() -> None:
    sockets = open_on_host()
    try:
        found = urls(sockets)
    finally:
        for opened in sockets.values():
            opened.close()
    assert found.keys() == DOORS.keys()
    assert found["apiserver"].startswith("https://127.0.0.1:")
    assert found["gateway"].startswith("http://127.0.0.1:")
    assert len(set(found.values())) == len(DOORS)
