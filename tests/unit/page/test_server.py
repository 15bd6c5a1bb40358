"""What the page sends, to whom, and what it refuses."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from agent.page import feed, server
from tests.support.eventually import eventually
from tests.support.page import SmallCluster, serving_page, stored
from tests.support.patience import AGES_S, PATIENCE_S
from tests.support.sse import next_event


async def test_a_reader_gets_all_rows_then_what_changes(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    for number in range(250):
        cluster.put(stored(f"shop-{number:03}"))
    async with http.get(f"{url}/api/stream") as stream:
        assert stream.content_type == "text/event-stream"
        assert (await next_event(stream, "alive")).data == {
            "version": "dev",
            "host": "pod-1",
            "leader": True,
            "stale": "",
        }
        assert (await next_event(stream, "begin")).data == {"total": 250}
        names: list[str] = []
        while (event := await next_event(stream, "rows", "end")).name == "rows":
            assert len(event.data["rows"]) <= 100
            names += [row["name"] for row in event.data["rows"]]
        assert names == [f"shop-{number:03}" for number in range(250)]

        cluster.put(stored("shop-007", weight=30))
        cluster.put_pods("test", "shop-007", 1, 2)
        await asyncio.sleep(0)
        cluster.put_pods("test", "shop-009-primary", 2, 3)
        cluster.delete(stored("shop-008"))
        rows: dict[str, Any] = {}
        gone: list[str] = []
        while "test/shop-008" not in gone or len(rows) < 2 or rows["shop-007"]["canary"] is None:
            data = (await next_event(stream, "rows")).data
            rows |= {row["name"]: row for row in data["rows"]}
            gone += data["gone"]
        assert set(rows) == {"shop-007", "shop-009"}
        assert rows["shop-009"]["primary"] == {"available": 2, "wanted": 3}
        assert rows["shop-007"]["weight"] == 30
        assert rows["shop-007"]["canary"] == {"available": 1, "wanted": 2}
        assert gone == ["test/shop-008"]


async def test_changes_between_two_events_are_one(cluster: SmallCluster, http: aiohttp.ClientSession) -> None:
    cluster.put(stored())
    async with serving_page(cluster, least_pause_s=0.3) as url, http.get(f"{url}/api/stream") as stream:
        await next_event(stream, "begin")
        await next_event(stream, "end")
        for weight in range(1, 50):
            cluster.put(stored(weight=weight))
            await asyncio.sleep(0)
        weights: list[int] = []
        while not weights or weights[-1] != 49:
            weights += [row["weight"] for row in (await next_event(stream, "rows")).data["rows"]]
        assert len(weights) <= 2


async def test_a_reader_who_comes_back_gets_what_it_missed(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    for name in ("a", "b", "c"):
        cluster.put(stored(name))
    async with http.get(f"{url}/api/stream") as stream:
        last = (await next_event(stream, "end")).id
    cluster.put(stored("b", weight=40))
    cluster.delete(stored("c"))
    async with http.get(f"{url}/api/stream", headers={"Last-Event-ID": last}) as stream:
        event = await next_event(stream, "rows", "begin")
        assert event.name == "rows"
        assert [(row["name"], row["weight"]) for row in event.data["rows"]] == [("b", 40)]
        assert event.data["gone"] == ["test/c"]


async def test_a_reader_who_comes_back_keeps_no_canary_of_a_namespace_that_has_none_any_more(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    cluster.put(stored("a"))
    cluster.put(stored("last", "team-b"))
    async with http.get(f"{url}/api/stream") as stream:
        last = (await next_event(stream, "end")).id
    cluster.delete(stored("last", "team-b"))
    async with http.get(f"{url}/api/stream", headers={"Last-Event-ID": last}) as stream:
        assert (await next_event(stream, "rows", "begin")).data == {"total": 1}


@pytest.mark.parametrize("last", ["", "nonsense", "abcdef01-1", "-", "1-2-3", "x" * 5000])
async def test_a_reader_of_another_time_gets_all_anew(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, last: str
) -> None:
    cluster.put(stored("a"))
    async with http.get(f"{url}/api/stream", headers={"Last-Event-ID": last}) as stream:
        assert (await next_event(stream, "rows", "begin")).name == "begin"


async def test_a_reader_who_missed_more_deletions_than_are_remembered_gets_all_anew(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession
) -> None:
    cluster.put(stored("a"))
    async with http.get(f"{url}/api/stream") as stream:
        last = (await next_event(stream, "end")).id
    for number in range(feed.MOST_GONE + 2):
        cluster.put(stored(f"short-{number}"))
        cluster.delete(stored(f"short-{number}"))
    async with http.get(f"{url}/api/stream", headers={"Last-Event-ID": last}) as stream:
        assert (await next_event(stream, "rows", "begin")).name == "begin"


async def test_there_are_no_more_readers_than_may_be(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_READERS", 1)
    async with http.get(f"{url}/api/stream") as stream:
        await next_event(stream, "alive")
        async with http.get(f"{url}/api/stream") as refused:
            assert refused.status == 503
            assert await refused.text() == "too many pages are open; close one and load this again\n"


async def test_a_reader_who_does_not_read_is_dropped(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its place from others for so long: then another one gets in."""
    monkeypatch.setattr(feed, "MOST_READERS", 1)
    monkeypatch.setattr(server, "_WRITTEN_WITHIN_S", 0.05)
    names = [f"shop-{number}" for number in range(300)]
    for name in names:
        cluster.put(stored(name))
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(0)
        loop, parts = asyncio.get_running_loop(), urlsplit(url)
        await loop.sock_connect(lazy, (parts.hostname, parts.port))
        await loop.sock_sendall(lazy, f"GET /api/stream HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for name in names:
                    cluster.put(stored(name))
                await asyncio.sleep(0.01)
                async with http.get(f"{url}/api/stream") as stream:
                    if stream.status == 200:
                        break


async def test_what_does_not_exist_is_not_found(url: str, http: aiohttp.ClientSession) -> None:
    for path in (
        "/api/canaries/test/none",
        "/api/canaries/test/none/traffic",
        "/static/../server.py",
        "/static/x",
        "/x",
    ):
        async with http.get(f"{url}{path}") as answer:
            assert answer.status == 404, path
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, method: str
) -> None:
    cluster.put(stored())
    for path in ("/", "/api/stream", "/api/canaries/test/podinfo", "/api/canaries/test/podinfo/traffic"):
        async with http.request(method, f"{url}{path}") as answer:
            assert answer.status == 405, path


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/static/page.css", "/api/canaries/test/podinfo"])
async def test_a_browser_is_kept_to_this_page(
    cluster: SmallCluster, url: str, http: aiohttp.ClientSession, path: str
) -> None:
    cluster.put(stored())
    async with http.get(f"{url}{path}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
            "trusted-types 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] in {"no-store", "no-cache"}


async def test_a_file_that_a_browser_has_is_not_sent_again(url: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{url}/static/page.js") as answer:
        tag = answer.headers["ETag"]
    async with http.get(f"{url}/static/page.js", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8081", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:1234", 200),
        ("[::1]:8081", 200),
        ("rebound.example:8081", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil@localhost.example", 421),
        ("10.0.0.7:8081", 421),
        ("", 421),
        ("[", 421),
    ],
)
async def test_without_tokens_only_this_host_is_asked(
    url: str, http: aiohttp.ClientSession, host: str, status: int
) -> None:
    """A name of another site that is rebound to loopback would let its page read everything."""
    for path in ("/", "/static/page.js", "/api/stream"):
        async with http.get(f"{url}{path}", headers={"Host": host}) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_another_sites_page_gets_nothing(
    url: str, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.get(f"{url}/api/stream", headers=headers) as answer:
        assert answer.status == status


async def test_there_are_no_more_requests_than_may_be_and_who_goes_makes_room(
    cluster: SmallCluster, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_REQUESTS", 1)
    async with serving_page(cluster, heartbeat_s=AGES_S) as url:

        async def status() -> int:
            async with http.get(f"{url}/") as answer:
                return answer.status

        async with http.get(f"{url}/api/stream") as stream:
            await next_event(stream, "alive")
            assert await status() == 503
        await eventually(status, lambda found: found == 200)
