"""Doors from the host's loopback into the cluster's network.

A socket stays in the network namespace that it was made in: `up` opens listening sockets on the host and the first
process inside inherits and serves them. No process is needed on the host, and the doors close when the cluster ends.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.network import API_PORT, DOMAIN, NODE_IP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Door:
    """Where a door leads to, inside."""

    scheme: str
    host: str
    port: int


DOORS: Mapping[str, Door] = {
    "apiserver": Door("https", NODE_IP, API_PORT),
    "gateway": Door("http", f"gateway-proxy.gloo-system.svc.{DOMAIN}", 80),
    "prometheus": Door("http", f"flagger-prometheus.gloo-system.svc.{DOMAIN}", 9090),
    "agent": Door("http", f"serin-agent.gloo-system.svc.{DOMAIN}", 8080),
}


def open_on_host() -> dict[str, socket.socket]:
    """Return a listening socket for each door, on a free port of the host's loopback."""
    return {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in DOORS}


def urls(sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """Return the URL on the host of each name."""
    return {name: f"{DOORS[name].scheme}://127.0.0.1:{door.getsockname()[1]}" for name, door in sockets.items()}


@asynccontextmanager
async def serve(sockets: Mapping[str, socket.socket]) -> "AsyncIterator[None]":
    """Carry every connection on `sockets` to where its door leads, for the length of the block."""
    async with AsyncExitStack() as stack:
        for name, listening in sockets.items():
            await stack.enter_async_context(serve_one(listening, DOORS[name]))
        yield


@asynccontextmanager
async def serve_one(listening: socket.socket, door: Door) -> "AsyncIterator[None]":
    """Carry every connection on `listening` to `door`; the open ones end with the block."""
    connections: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _carry(reader, writer, door)
        except OSError as error:
            _log.info("%s:%d: %s", door.host, door.port, error)
        except asyncio.CancelledError:
            return  # by the end of the block below: Python 3.11's streams would log it as an error
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(carry, sock=listening)
    try:
        yield
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, door: Door) -> None:
    inside_reader, inside_writer = await asyncio.open_connection(door.host, door.port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, inside_writer), name="forward-in")
            group.create_task(_pump(inside_reader, writer), name="forward-out")
    except* OSError as errors:
        _log.info("%s:%d: %s", door.host, door.port, errors.exceptions[0])
    finally:
        inside_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender is done, then tell the receiver, who may still answer."""
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
