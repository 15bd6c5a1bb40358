"""The server's doors: what they refuse, how they are measured, and how they close."""

import asyncio
import gzip
import io
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import unused_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.api.bounds import MOST_LONG_BODIES, MOST_REVIEW_BYTES
from tests.support.patience import PATIENCE_S
from tests.support.reviews import Object, canary_object, context_of, review_bytes
from webhook.context import AdmissionContext, Handler
from webhook.main import ENTRIES
from webhook.metrics import WebhookMetrics
from webhook.review import Answer, Request
from webhook.server import Admission, serve_admission, serve_health

JSON = {"Content-Type": "application/json"}


def deployment(tag: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "test", "name": "podinfo"},
        "spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": f"podinfo:{tag}"}]}}},
    }


@dataclass
class Doors:
    admission: Admission
    session: aiohttp.ClientSession
    url: str
    health_url: str
    problems: list[str] = field(default_factory=list)

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        async with self.session.post(f"{self.url}{path}", data=io.BytesIO(body), headers=JSON | headers) as response:
            return response.status, await response.read()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(f"{self.health_url}{path}") as response:
            return response.status, await response.text()


@asynccontextmanager
async def opened(
    entries: dict[str, Handler] | None = None, *, certificate_left_s: float = 3600.0
) -> AsyncIterator[Doors]:
    metrics = WebhookMetrics("test", lambda: certificate_left_s)
    admission = Admission(entries or ENTRIES, context_of([canary_object()]), metrics)
    problems: list[str] = []
    async with (
        serve_health(admission, metrics, unused_port(), lambda: " ".join(problems)) as health_port,
        serve_admission(admission, unused_port(), None) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Doors(admission, session, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{health_port}", problems)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with opened() as found:
        yield found


@pytest.mark.parametrize("path", ENTRIES)
async def test_every_entry_answers_a_review(doors: Doors, path: str) -> None:
    status, body = await doors.post(path, review_bytes(deployment("2"), deployment("1")))
    response = orjson.loads(body)["response"]
    assert (status, response["allowed"], response["uid"]) == (200, True, "705ab4f5-6393-11e8-b7cc-42010a800002")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["identity", "gzip", "deflate", "br", "x"]))
async def test_any_bytes_are_answered_with_400(doors: Doors, body: bytes, encoding: str) -> None:
    status, text = await doors.post("/mutate/workloads", body, **{"Content-Encoding": encoding})
    assert (status, bool(text)) == (400 if encoding == "identity" else 415, True)


async def test_a_body_that_breaks_off_harms_nobody(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(doors) as (reader, writer):
        writer.write(head(b"x" * 100, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"x")
    assert (await doors.post("/mutate/workloads", review_bytes(deployment("1"))))[0] == 200
    assert caplog.records == []


async def test_long_bodies_wait_for_each_other_and_short_ones_for_none(doors: Doors) -> None:
    body = review_bytes(deployment("1"))
    asking = head(body, "Expect: 100-continue")
    async with connected(doors) as (reader, writer):
        async with AsyncExitStack() as before:
            for _ in range(MOST_LONG_BODIES):
                others_reader, others_writer = await before.enter_async_context(connected(doors))
                others_writer.write(asking)
                await others_reader.readuntil(b"100 Continue\r\n\r\n")
            writer.write(asking)
            is_asked_for = asyncio.create_task(reader.readuntil(b"100 Continue\r\n\r\n"))
            assert (await doors.post("/mutate/workloads", body))[0] == 200
            assert not is_asked_for.done()
        await is_asked_for
        writer.write(body)
        assert (await read_response(reader))[0] == "HTTP/1.1 200 OK"


async def test_a_body_of_3_5_mib_is_read_and_a_longer_one_is_not(doors: Doors) -> None:
    padding = b" " * (MOST_REVIEW_BYTES - len(review_bytes(deployment("1"))))
    assert (await doors.post("/mutate/workloads", review_bytes(deployment("1")) + padding))[0] == 200
    assert (await doors.post("/mutate/workloads", review_bytes(deployment("1")) + padding + b" "))[0] == 413


async def test_a_packed_body_is_refused_and_never_unpacked(doors: Doors) -> None:
    bomb = gzip.compress(b" " * (MOST_REVIEW_BYTES * 4))
    status, text = await doors.post("/mutate/workloads", bomb, **{"Content-Encoding": "gzip"})
    assert (status, text) == (415, b"Content-Encoding: found 'gzip'; allowed: none\n")


async def test_a_body_without_a_length_is_refused_when_it_gets_too_long(doors: Doors) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (1024 * 1024)

    try:
        async with doors.session.post(f"{doors.url}/mutate/workloads", data=endless(), headers=JSON) as response:
            assert response.status == 413
    except aiohttp.ClientConnectionError:
        pass  # the server need not read on only to be polite
    assert (await doors.post("/mutate/workloads", review_bytes(deployment("1"))))[0] == 200


async def test_another_content_type_is_refused_by_name(doors: Doors) -> None:
    async with doors.session.post(f"{doors.url}/mutate/workloads", data=b"{}", headers={"Content-Type": "a/b"}) as got:
        assert (got.status, await got.text()) == (
            415,
            "Content-Type: found 'a/b'; allowed: 'application/json'\n",
        )


async def test_an_error_of_ours_is_counted_and_lets_pass() -> None:
    def broken(_: Request, __: AdmissionContext) -> Answer:
        raise RecursionError

    async with opened({"/mutate/workloads": broken}) as doors:
        status, body = await doors.post("/mutate/workloads", review_bytes(deployment("1")))
        assert (status, orjson.loads(body)["response"]["allowed"]) == (200, True)
        series = 'serin_admission_requests_total{entry="mutate/workloads",operation="CREATE",outcome="failed"} 1'
        assert series in (await doors.get("/metrics"))[1]


async def test_the_metrics_tell_entry_outcome_time_and_expiry(doors: Doors) -> None:
    await doors.post("/mutate/workloads", review_bytes(deployment("2"), deployment("1")))
    await doors.post("/mutate/workloads", b"")
    _, text = await doors.get("/metrics")
    for series in (
        'serin_admission_requests_total{entry="mutate/workloads",operation="UPDATE",outcome="patched"} 1',
        'serin_admission_requests_total{entry="mutate/workloads",operation="",outcome="refused"} 1',
        'serin_admission_seconds_count{entry="mutate/workloads"} 2',
        "serin_certificate_expiry_seconds 3600",
        "serin_webhook_canaries 1",
    ):
        assert series in text


async def test_it_is_ready_when_nothing_is_missing(doors: Doors) -> None:
    assert await doors.get("/readyz") == (200, "OK")
    doors.problems.append("there is no certificate yet")
    assert await doors.get("/readyz") == (503, "there is no certificate yet")
    assert await doors.get("/healthz") == (200, "OK")


async def test_while_it_drains_it_answers_and_asks_for_another_connection(doors: Doors) -> None:
    body = review_bytes(deployment("1"))

    async def answer() -> tuple[int, str | None]:
        async with doors.session.post(f"{doors.url}/mutate/workloads", data=body, headers=JSON) as response:
            return response.status, response.headers.get("Connection")

    assert await answer() == (200, None)
    doors.admission.drain()
    assert await answer() == (200, "close")
    assert (await doors.get("/readyz"))[0] == 503


async def test_what_is_no_post_to_an_entry_is_refused(doors: Doors) -> None:
    assert (await doors.post("/mutate/everything", review_bytes(deployment("1"))))[0] == 404
    async with doors.session.get(f"{doors.url}/mutate/workloads") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


@asynccontextmanager
async def connected(doors: Doors) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that writes and reads HTTP as it is."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(doors.url.rpartition(":")[2]))
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


def head(body: bytes, *more: str, version: str = "1.1") -> bytes:
    lines = [f"POST /mutate/workloads HTTP/{version}", "Host: webhook", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", *more, "\r\n"]).encode()


async def read_response(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], Object]:
    """An answer's first line, headers, and review."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    answer: Object = orjson.loads(await reader.readexactly(int(headers["Content-Length"])))
    return first, headers, answer["response"]


async def test_a_kept_connection_carries_one_answer_after_the_other(doors: Doors) -> None:
    body = review_bytes(deployment("2"), deployment("1"))
    async with connected(doors) as (reader, writer):
        for _ in range(2):
            writer.write(head(body) + body)
            first, headers, response = await read_response(reader)
            assert (first, headers["Content-Type"]) == ("HTTP/1.1 200 OK", "application/json")
            assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time()) < 60
            assert (response["allowed"], "Connection" in headers) == (True, False)
        # Two at once are two as well, in whatever pieces they come.
        writer.write(head(body) + body + head(body) + body[:100])
        assert (await read_response(reader))[2]["allowed"]
        writer.write(body[100:])
        assert (await read_response(reader))[2]["allowed"]


@pytest.mark.parametrize(("version", "header"), [("1.1", "Connection: close"), ("1.0", "Accept: */*")])
async def test_a_client_that_wants_one_answer_gets_it_and_the_end(doors: Doors, version: str, header: str) -> None:
    body = review_bytes(deployment("2"), deployment("1"))
    async with connected(doors) as (reader, writer):
        writer.write(head(body, header, version=version) + body)
        first, headers, response = await read_response(reader)
        assert (first, response["allowed"]) == (f"HTTP/{version} 200 OK", True)
        assert headers.get("Connection") == ("close" if version == "1.1" else None)
        assert await reader.read() == b""


async def test_an_old_client_that_keeps_its_connection_is_told_that_it_may(doors: Doors) -> None:
    body = review_bytes(deployment("2"), deployment("1"))
    async with connected(doors) as (reader, writer):
        for _ in range(2):
            writer.write(head(body, "Connection: keep-alive", version="1.0") + body)
            assert (await read_response(reader))[1]["Connection"] == "keep-alive"


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(doors: Doors) -> None:
    body = review_bytes(deployment("2"), deployment("1"))
    async with connected(doors) as (reader, writer):
        writer.write(head(body, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_response(reader))[2]["allowed"]


async def test_an_idle_connection_is_closed_at_the_end() -> None:
    async with opened() as doors:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(doors.url.rpartition(":")[2]))
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_connection_that_is_no_tls_harms_nobody() -> None:
    """A handshake without a certificate fails for its client alone."""
    metrics = WebhookMetrics("test", lambda: 0.0)
    admission = Admission(ENTRIES, context_of(), metrics)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with serve_admission(admission, unused_port(), context) as port:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /mutate/workloads HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(PATIENCE_S):
                assert b"200" not in await reader.read()
            writer.close()
