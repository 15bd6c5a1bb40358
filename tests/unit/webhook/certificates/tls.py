"""A TLS server and clients on loopback, and a clock that only the test moves."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cryptography import x509

from tests.support.patience import PATIENCE_S

NAME = "serin-webhook.gloo-system.svc"


@asynccontextmanager
async def echoing(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve lines back to whoever sends them; gives the port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass
class Connection:
    """An open connection; `leaf` is what the server showed."""

    leaf: x509.Certificate
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def is_alive(self) -> bool:
        self.writer.write(b"ping\n")
        return await self.reader.readline() == b"ping\n"


@asynccontextmanager
async def connected(
    port: int, trusted_pem: str = "", *, name: str = NAME, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> AsyncIterator[Connection]:
    """Connect a client; it verifies the server where `trusted_pem` is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = newest
    if trusted_pem:
        context.load_verify_locations(cadata=trusted_pem)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        yield Connection(x509.load_der_x509_certificate(der), reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def shown(
    port: int, trusted_pem: str = "", *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> x509.Certificate:
    """The certificate that a new connection meets."""
    async with connected(port, trusted_pem, newest=newest) as connection:
        assert await connection.is_alive()
        return connection.leaf


@dataclass
class ManualTime:
    """Short sleeps end at once; from long ones `pass_s` wakes. Whoever goes to sleep lets `when` look again."""

    now_s: float
    sleeps: int = 0
    _sleepers: list[tuple[float, asyncio.Event]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.sleeps += 1
        async with self._news:
            self._news.notify_all()
        if delay_s < 1.0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._sleepers.append((self.now_s + delay_s, woken))
        await woken.wait()

    async def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self.now_s]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self.now_s]
        for _, woken in due:
            woken.set()

    async def when(self, holds: Callable[[], bool]) -> None:
        """Return as soon as it is so."""
        async with self._news, asyncio.timeout(PATIENCE_S):
            await self._news.wait_for(holds)
