"""The endpoint of probes and scrapes, over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from service.endpoint import health_routes, listen, serve_health, serving
from tests.support.patience import PATIENCE_S


class Program:
    """What an endpoint asks: the reason why it is not ready, and the Accept headers of the last scrape."""

    def __init__(self) -> None:
        self.reason = ""
        self.accepted: list[str] = []

    def why_unready(self) -> str:
        return self.reason

    async def render(self, accepted: list[str]) -> tuple[bytes, dict[str, str]]:
        self.accepted = accepted
        return b"up 1\n", {"Content-Type": "text/plain; version=0.0.4"}


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
async def url(program: Program) -> AsyncIterator[str]:
    async with serve_health(0, program.render, program.why_unready) as port:
        yield f"http://127.0.0.1:{port}"


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.text()


async def test_readyz_tells_why_the_program_is_not_ready(program: Program, url: str) -> None:
    assert await get(f"{url}/readyz") == (200, "OK")
    program.reason = "no list yet of: canaries"
    assert await get(f"{url}/readyz") == (503, "no list yet of: canaries")
    assert await get(f"{url}/healthz") == (200, "OK")
    program.reason = ""
    assert await get(f"{url}/readyz") == (200, "OK")


async def test_a_scrape_is_answered_as_the_client_accepts(program: Program, url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", headers={"Accept": "a/b"}) as response:
        assert (response.status, await response.read()) == (200, b"up 1\n")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4"
    assert program.accepted == ["a/b"]


async def test_a_program_without_readiness_has_no_readyz(program: Program) -> None:
    app = web.Application()
    app.add_routes(health_routes(program.render))
    with listen(0) as listener:
        async with serving(web.AppRunner(app), listener):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert await get(f"{url}/healthz") == (200, "OK")
            assert (await get(f"{url}/readyz"))[0] == 404


async def test_one_port_is_open_on_ipv4_and_where_there_is_one_on_ipv6(program: Program) -> None:
    hosts = ["127.0.0.1", *(["[::1]"] if socket.has_dualstack_ipv6() else [])]
    async with serve_health(0, program.render, program.why_unready) as port:
        assert [await get(f"http://{host}:{port}/healthz") for host in hosts] == [(200, "OK")] * len(hosts)


async def test_the_port_is_closed_at_the_end_with_the_connections_that_are_idle(program: Program) -> None:
    async with serve_health(0, program.render, program.why_unready) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_is_an_error(program: Program) -> None:
    async with serve_health(0, program.render, program.why_unready) as port:
        with pytest.raises(OSError, match="ddress already in use"):
            async with serve_health(port, program.render, program.why_unready):
                pass
