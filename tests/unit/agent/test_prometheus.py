"""The Prometheus provider against servers that misbehave; the real one is asked in tests/contract."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.prometheus import Access, Prometheus
from tests.support.patience import PATIENCE_S
from tests.support.web import Handler, serving


async def value(handler: Handler, *, timeout_s: float = PATIENCE_S, access: Access | None = None) -> float | None:
    async with serving(handler) as url, aiohttp.ClientSession() as session:
        return await Prometheus(session, url + "/", timeout_s=timeout_s, access=access).value("up")


def answering(text: str, status: int = 200) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/query"
        assert (await request.post())["query"] == "up"
        return web.Response(text=text, status=status)

    return handle


def vector(*values: str) -> str:
    elements = ",".join(f'{{"metric":{{}},"value":[1,"{one}"]}}' for one in values)
    return f'{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}'


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (vector("99.5"), 99.5),
        (vector("1", "2"), 1.0),
        (vector(), None),
        (vector("NaN"), None),
        (vector("NaN", "3"), 3.0),
        (vector("+Inf"), float("inf")),
        ('{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}', 7.0),
    ],
)
async def test_answers_are_read(answer: str, expected: float | None) -> None:
    assert await value(answering(answer)) == expected


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', 400, "bad_data: parse error"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', 200, "gives a matrix; allowed"),
        ("<html>", 200, "not JSON"),
        ("[]", 404, "not an object"),
    ],
)
async def test_a_refusal_says_why(answer: str, status: int, words: str) -> None:
    with pytest.raises(ProviderRefused, match=words):
        await value(answering(answer, status))


async def test_a_server_error_is_unavailable() -> None:
    with pytest.raises(ProviderUnavailable, match="503"):
        await value(answering("down", 503))


async def test_no_answer_in_time_is_unavailable() -> None:
    release = asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    try:
        with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.05 s"):
            await value(handle, timeout_s=0.05)
    finally:
        release.set()


async def test_nobody_listening_is_unavailable() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ProviderUnavailable, match=r"127\.0\.0\.1:1"):
            await Prometheus(session, "http://127.0.0.1:1", timeout_s=PATIENCE_S).value("up")


async def test_headers_and_credentials_are_sent() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        return web.Response(text=vector("1"))

    assert await value(handle, access=Access(headers={"Authorization": "Bearer secret"})) == 1.0
