"""The Prometheus provider against servers that misbehave; the real one is asked in tests/contract."""

import asyncio
import zlib
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, Question
from agent.providers.metrics.servers.prometheus import Prometheus
from tests.support.patience import PATIENCE_S
from tests.support.web import Handler, serving

UP = Question(text="up", interval_s=60, now_s=0)


def prometheus(
    session: aiohttp.ClientSession,
    url: str,
    *,
    by_get: set[str] | None = None,
    timeout_s: float = PATIENCE_S,
    **how: Any,
) -> Prometheus:
    return Prometheus(Exchange(session, Connection(name=url, address=url, timeout_s=timeout_s, **how)), by_get)


async def value(handler: Handler, **how: Any) -> float | None:
    async with serving(handler) as url, aiohttp.ClientSession() as session:
        return await prometheus(session, url + "/", **how).value(UP)


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
        (vector(), None),
        (vector("NaN"), None),
        (vector("+Inf"), None),
        (vector("-Inf"), None),
        ('{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}', None),
        ('{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}', 7.0),
    ],
)
async def test_answers_are_read(answer: str, expected: float | None) -> None:
    assert await value(answering(answer)) == expected


@pytest.mark.parametrize(
    ("values", "count"), [(("99.9", "10"), 2), (("99.9", "NaN"), 2), (("NaN", "NaN", "1"), 3), (("1", "1"), 2)]
)
async def test_several_series_are_refused_and_counted(values: tuple[str, ...], count: int) -> None:
    """The first of them would pass where the last one, which Flagger takes, fails."""
    with pytest.raises(
        ProviderRefused, match=rf"the query gives {count} series; allowed: one series, for example by sum"
    ):
        await value(answering(vector(*values)))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_answer_is_read_to_its_bound_and_no_further(encoding: str) -> None:
    """As of a query that forgot to aggregate. What is behind the bound is not even sent here."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": encoding})
        await response.prepare(request)
        pack = zlib.compressobj(wbits=31)
        part = b'{"metric":{},"value":[1,"1"]},' * 4_000
        try:
            while True:
                packed = pack.compress(part) + pack.flush(zlib.Z_SYNC_FLUSH)
                await response.write(part if encoding == "identity" else packed)
                await asyncio.sleep(0)  # the client is in this process
        except ConnectionError:
            return response

    with pytest.raises(ProviderRefused, match="the answer is longer than 65536 bytes; allowed: one series"):
        await value(handle)


class GetOnly:
    """A server that takes no POST, as a proxy before it may say; it notes what it was asked, and how."""

    def __init__(self, refusal: int) -> None:
        self.asked: list[str] = []
        self._refusal = refusal

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        if request.method != "GET":
            return web.Response(text="no", status=self._refusal)
        assert request.query["query"] == "up"
        return web.Response(text=vector("7"))


@pytest.mark.parametrize("refusal", [403, 405, 501])
async def test_a_server_that_takes_no_post_is_asked_by_get_and_that_is_remembered(refusal: int) -> None:
    server, by_get = GetOnly(refusal), set[str]()
    async with serving(server.handle) as url, aiohttp.ClientSession() as session:
        for _ in range(3):
            asked = prometheus(session, url, by_get=by_get)
            assert await asked.value(UP) == 7.0
    assert server.asked == ["POST", "GET", "GET", "GET"]


async def test_a_server_that_takes_no_get_any_more_is_asked_by_post_again() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(text=vector("7"), status=200 if request.method == "POST" else 405)

    async with serving(handle) as url, aiohttp.ClientSession() as session:
        by_get = {url}
        for _ in range(2):
            assert await prometheus(session, url, by_get=by_get).value(UP) == 7.0
    assert asked == ["GET", "POST", "POST"]


async def test_a_refusal_of_both_methods_says_why() -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text="forbidden", status=403)

    with pytest.raises(ProviderRefused, match=r"HTTP 403, it asks for credentials; allowed: a secretRef with them$"):
        await value(handle)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', 400, "bad_data: parse error"),
        ('{"status":"success","data":{"resultType":"matrix","result":[]}}', 200, "gives a matrix; allowed"),
        ('{"status":"success","data":[1]}', 200, "gives a something else; allowed"),
        ('{"status":"success","data":5}', 200, "gives a something else; allowed"),
        ('{"status":"success","data":{"resultType":"vector","result":[5]}}', 200, "not an answer of Prometheus"),
        ('{"status":"success","data":{"resultType":"scalar","result":[{}]}}', 200, "not an answer of Prometheus"),
        ("<html>", 200, "not JSON"),
        ("[]", 200, "not an answer of Prometheus"),
        ("[]", 404, "HTTP 404$"),
        ('{"status":"error","errorType":[],"error":"x"}', 422, "HTTP 422$"),
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
            await prometheus(session, "http://127.0.0.1:1").value(UP)


async def test_headers_and_credentials_are_sent() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.headers.getall("Authorization") == ["Bearer secret"]
        assert request.headers["X-Scope"] == "a"
        return web.Response(text=vector("1"))

    headers = (("X-Scope", "a"), ("authorization", "Basic else"))
    assert await value(handle, headers=headers, credentials={"token": "secret"}) == 1.0


async def test_each_value_of_a_header_is_sent() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.headers.getall("X-Scope") == ["a", "b", "c"]
        return web.Response(text=vector("1"))

    assert await value(handle, headers=(("X-Scope", "a"), ("X-Scope", "b"), ("x-scope", "c"))) == 1.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """It leads to wherever the server says, past what the agent's own address rules and rights on the network are."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        is_first = request.path == "/api/v1/query"
        return (
            web.Response(status=status, headers={"Location": "/inside"}) if is_first else web.Response(text=vector("1"))
        )

    with pytest.raises(ProviderRefused, match=f"HTTP {status}; allowed: an answer, for redirects are not followed"):
        await value(handle)
    assert asked == ["/api/v1/query"]


@pytest.mark.parametrize(
    "answer",
    [
        "hunter2",
        '"hunter2"',
        '{"status":"error","errorType":"hunter2","error":"hunter2"}',
        '{"status":"error","error":"hunter2"}',
        '{"status":"success","data":{"resultType":"hunter2","result":[]}}',
        '{"status":"success","data":{"resultType":"vector","result":["hunter2"]}}',
        '{"status":"success","data":{"resultType":"scalar","result":[1,"hunter2"]}}',
    ],
)
async def test_nothing_of_an_answer_that_is_not_prometheus_is_told(answer: str) -> None:
    for status in (200, 404, 503):
        with pytest.raises(ProviderError) as told:
            await value(answering(answer, status))
        assert "hunter2" not in str(told.value)
