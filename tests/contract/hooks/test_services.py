"""Services that behave in every way that HTTP allows, and some that it does not: one clear verdict each, in time."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Hooks
from agent.providers.web.sessions import open_session
from canary.api.hooks import CanaryWebhook
from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.eventually import eventually
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

PATIENT = {"timeout": "10m"}
"""Of a service whose answer must come by itself: longer than a test waits for it."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a service does with one connection, once it has read the request's headers."""


@pytest.fixture
def arrived() -> asyncio.Event:
    """Set when the session has the headers of an answer."""
    return asyncio.Event()


@pytest.fixture
async def session(arrived: asyncio.Event) -> AsyncIterator[aiohttp.ClientSession]:
    async def note(*_: object) -> None:
        arrived.set()

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    trace.freeze()
    async with open_session(is_kept=False) as made:
        made.trace_configs.append(trace)
        yield made


async def ask(session: aiohttp.ClientSession, url: str, **fields: Any) -> CheckResult:
    async def sleep(_: float) -> None:
        """Return at once: how long to wait is a unit test's matter."""

    hook = CanaryWebhook.model_validate({"name": "gate", "url": url} | fields)
    hooks = Hooks(session=session, sleep=sleep)
    return await hooks.ask(canary(), hook, phase=Phase.PROGRESSING, revision="rev-2", text="gate")


async def ask_in_vain(session: aiohttp.ClientSession, url: str, last: asyncio.Event) -> CheckResult:
    """Ask a service whose last sign is the event `last`: the timeout passes then, and not before."""
    with jumping_clock() as clock:
        asking = asyncio.create_task(ask(session, url, timeout="10h"))
        async with asyncio.timeout(PATIENCE_S):
            await last.wait()
        assert not asking.done()
        clock.jump()
        async with asyncio.timeout(PATIENCE_S):
            return await asking


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """Serve connections byte by byte; gives the URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await talk(reader, writer)
        except ConnectionError:
            return  # the caller had heard enough
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


def saying(*parts: str) -> Talk:
    """Write these lines and bodies, then close."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part.encode())
            await writer.drain()

    return talk


def saying_and_hanging(*parts: str) -> Talk:
    """Write these, then keep the connection open until the caller gives up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(*parts)(reader, writer)
        await reader.read()

    return talk


async def test_an_answer_in_chunks_is_understood(session: aiohttp.ClientSession) -> None:
    chunks = (
        "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\nnot\r\n",
        "4\r\n yet\r\n",
        "0\r\n\r\n",
    )
    async with talking(saying(*chunks)) as url:
        assert await ask(session, url) == CheckResult("gate", Verdict.FAIL, "gate failed HTTP 403")


async def test_an_answer_without_a_length_is_understood(session: aiohttp.ClientSession) -> None:
    async with talking(saying("HTTP/1.0 500 Oops\r\n\r\n", "disk ", "full")) as url:
        assert await ask(session, url) == CheckResult("gate", Verdict.FAIL, "gate failed HTTP 500")


@pytest.mark.parametrize("code", [200, 500])
async def test_a_body_without_an_end_is_not_read_to_it(session: aiohttp.ClientSession, code: int) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {code} .\r\nContent-Length: 1000000000\r\n\r\n".encode())
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with talking(talk) as url, asyncio.timeout(PATIENCE_S):
        result = await ask(session, url, **PATIENT)
    assert result == (
        CheckResult("gate", Verdict.PASS, "gate passed")
        if code == 200
        else CheckResult("gate", Verdict.FAIL, "gate failed HTTP 500")
    )


async def test_a_service_that_hangs_is_left_after_the_timeout(session: aiohttp.ClientSession) -> None:
    called = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()

    async with talking(talk) as url:
        result = await ask_in_vain(session, url, called)
    assert result == CheckResult("gate", Verdict.ERROR, f"gate failed {url} gave no answer within 3600 s")


async def test_a_yes_whose_body_never_comes_is_none(session: aiohttp.ClientSession, arrived: asyncio.Event) -> None:
    talk = saying_and_hanging("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "Appr")
    async with talking(talk) as url:
        assert (await ask_in_vain(session, url, arrived)).verdict is Verdict.ERROR


async def test_a_yes_that_breaks_off_is_none(session: aiohttp.ClientSession) -> None:
    async with talking(saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "Appr")) as url:
        assert (await ask(session, url)).verdict is Verdict.ERROR


async def test_a_no_is_one_even_if_its_body_never_comes(session: aiohttp.ClientSession) -> None:
    talk = saying_and_hanging("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n", "no")
    async with talking(talk) as url:
        async with asyncio.timeout(PATIENCE_S):
            result = await ask(session, url, **PATIENT)
    assert result == CheckResult("gate", Verdict.FAIL, "gate failed HTTP 403")


async def test_a_reset_connection_is_no_answer(session: aiohttp.ClientSession) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Closing with a linger of 0 s sends RST instead of FIN.
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with talking(talk) as url:
        result = await ask(session, url)
    assert result.verdict is Verdict.ERROR
    assert url in result.text


async def test_what_is_not_http_is_no_answer(session: aiohttp.ClientSession) -> None:
    async with talking(saying("220 mail.example.com ESMTP\r\n")) as url:
        assert (await ask(session, url)).verdict is Verdict.ERROR


async def test_a_service_that_is_down_is_called_again_and_found(session: aiohttp.ClientSession) -> None:
    calls: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        if len(calls) > 2:
            await saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(reader, writer)

    async with talking(talk) as url:
        assert (await ask(session, url, retries=2)).verdict is Verdict.PASS
    assert len(calls) == 3


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_no_answer_and_what_it_leads_to_is_not_asked(
    session: aiohttp.ClientSession, code: int
) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=code, headers={"Location": "/login"}) if request.path == "/" else web.Response()

    async with serving(handle) as url:
        assert (await ask(session, url, retries=5)).verdict is Verdict.ERROR
    assert asked == ["/"]


async def test_a_slow_service_delays_no_other(session: aiohttp.ClientSession) -> None:
    called: list[int] = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        called.append(1)
        await reader.read()

    async with talking(talk) as slow, serving(_yes) as quick:
        waiting = [asyncio.create_task(ask(session, slow, **PATIENT)) for _ in range(200)]
        await eventually(lambda: len(called), lambda count: count == 200)
        async with asyncio.timeout(PATIENCE_S):
            assert (await ask(session, quick, **PATIENT)).verdict is Verdict.PASS
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_proxies_of_the_environment_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        hosts.append(request.host)
        return web.Response()

    async with serving(proxy) as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "inside.test")
        async with open_session(is_kept=False) as session:
            assert (await ask(session, "http://gates.example.com/check")).verdict is Verdict.PASS
            assert (await ask(session, "http://gates.inside.test:1/check")).verdict is Verdict.ERROR
    assert hosts == ["gates.example.com"]


async def _yes(_: web.Request) -> web.Response:
    return web.Response()
