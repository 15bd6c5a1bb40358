"""Where the agent serves its page: on loopback alone, or to all behind tokens, or nowhere. Nothing depends on it."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from agent.caches import Caches
from agent.leadership import Fence
from agent.page.opening import open_page
from agent.providers.web.addresses import AddressRules
from agent.settings import PageAuth, Settings
from tests.support.page import SmallCluster, stored
from tests.support.sse import next_event
from tests.unit.kube.apiserver import ManualTime, client_of, no, running_api_server


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    port: int | None = 0,
    auth: PageAuth = PageAuth.NONE,
    fence: Fence | None = None,
) -> AsyncIterator[tuple[int | None, SmallCluster]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_api_server(folder))
        server.otherwise = no(403, "Forbidden")
        client = await stack.enter_async_context(client_of(server, ManualTime()))
        cluster = SmallCluster(Caches(client, ""))
        rules = AddressRules.read([], api_server=client.host, proxies=[])
        settings = Settings(metrics_server="http://127.0.0.1:1", page_port=port, page_auth=auth)
        yield (
            await stack.enter_async_context(open_page(settings, client, cluster.caches, rules, fence or Fence())),
            cluster,
        )


async def reaches(address: str, port: int | None) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://{address}:{port}/static/page.css"):
            return True
    except aiohttp.ClientConnectorError:
        return False


@pytest.mark.parametrize(("auth", "is_reached"), [(PageAuth.NONE, False), (PageAuth.TOKEN, True)])
async def test_without_tokens_nobody_but_a_forwarded_port_reaches_it(
    tmp_path: Path, auth: PageAuth, *, is_reached: bool
) -> None:
    async with opened(tmp_path, auth=auth) as (port, _):
        assert await reaches("127.0.0.1", port)
        assert await reaches("127.0.0.2", port) is is_reached


async def test_with_tokens_nothing_is_shown_without_one(tmp_path: Path) -> None:
    async with opened(tmp_path, auth=PageAuth.TOKEN) as (port, cluster), aiohttp.ClientSession() as http:
        cluster.put(stored())
        async with http.get(f"http://127.0.0.1:{port}/api/canaries/test/podinfo") as answer:
            assert answer.status == 401
        token = {"Authorization": "Bearer x"}
        async with http.get(f"http://127.0.0.1:{port}/api/canaries/test/podinfo", headers=token) as answer:
            assert answer.status == 503  # this agent has no right to ask for reviews
            assert "tokenreviews" in await answer.text()


@pytest.mark.parametrize(
    ("shards", "led", "leads", "words"),
    [(1, [0], True, ""), (1, [], False, ""), (3, [0, 2], True, "shard 0, 2 of 3 (0 to 2)"), (3, [], False, "")],
)
async def test_an_agent_shows_all_canaries_whether_it_leads_them_or_not_and_says_so(
    tmp_path: Path, *, shards: int, led: list[int], leads: bool, words: str
) -> None:
    fence = Fence(shards, dict.fromkeys(led, lambda: True))
    async with opened(tmp_path, fence=fence) as (port, cluster), aiohttp.ClientSession() as http:
        cluster.put(stored())
        async with http.get(f"http://127.0.0.1:{port}/api/stream") as stream:
            alive = (await next_event(stream, "alive")).data
            assert (alive["leader"], alive["shards"], alive["login"]) == (leads, words, False)
            assert alive["stale"].startswith("no news from the API server of: ")  # nothing was ever listed here
            assert [row["name"] for row in (await next_event(stream, "rows")).data["rows"]] == ["podinfo"]


async def test_a_port_that_is_taken_costs_the_page_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, caplog.at_level(logging.WARNING):
        taken = other.getsockname()[1]
        async with opened(tmp_path, port=taken) as (port, _):
            assert port is None
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [f"--page-port={taken}"]
    assert "no page is served" in caplog.text


async def test_there_is_no_page_where_none_is_wanted(tmp_path: Path) -> None:
    async with opened(tmp_path, port=None) as (port, _):
        assert port is None
