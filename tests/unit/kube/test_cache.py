"""A cache stays true through everything that a watch can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from kube.cache import Cache
from kube.client import Client
from kube.errors import Unavailable
from kube.resource import CONFIGMAPS, Object
from kube.store import Change
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import AGES_S, PATIENCE_S
from tests.unit.kube.apiserver import (
    Answer,
    ApiServer,
    ManualTime,
    bookmark,
    client_of,
    config_map,
    hang,
    line,
    listing,
    no,
    stream,
)


class Watched:
    """A running cache, and what it told."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.told: list[Change] = []
        self._has_more = asyncio.Event()
        cache.subscribe(self._take)

    def _take(self, change: Change) -> None:
        self.told.append(change)
        self._has_more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self._has_more.wait()
                self._has_more.clear()

    def versions(self) -> dict[str, str]:
        return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in self.cache.items()}


@asynccontextmanager
async def running(client: Client, time: ManualTime, **options: Any) -> AsyncIterator[Watched]:
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep, **options)
    watched = Watched(cache)
    task = asyncio.create_task(cache.run(), name="cache under test")
    try:
        yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_list_then_watch_from_its_version_with_bookmarks(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(
        listing(10, config_map("a", 5)),
        stream(
            line("ADDED", config_map("b", 11)),
            line("MODIFIED", config_map("a", 12, x="1")),
            line("DELETED", config_map("b", 13)),
            end="hang",
        ),
    )
    async with running(client, time, namespace="test", label_selector="app=x") as watched:
        await watched.cache.wait_synced()
        await watched.until(lambda: len(watched.told) == 4)
        assert watched.versions() == {"a": "12"}
        assert watched.cache.get("test", "a") == watched.cache.by_namespace("test")[0]
        assert watched.cache.get("test", "b") is None
    assert [(change.key.name, change.old is None, change.new is None) for change in watched.told] == [
        ("a", True, False),
        ("b", True, False),
        ("a", False, False),
        ("b", False, True),
    ]
    watch = api.seen[1]
    assert watch.path == "/api/v1/namespaces/test/configmaps"
    assert watch.query["resourceVersion"] == "10"
    assert watch.query["allowWatchBookmarks"] == "true"
    assert watch.query["labelSelector"] == "app=x"
    assert 300 <= int(watch.query["timeoutSeconds"]) <= 600


async def test_events_cut_anywhere_between_chunks_arrive_whole(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    lines = line("ADDED", config_map("a", 11)) + line("ADDED", config_map("b", 12))
    api.will(listing(10), stream(*[lines[i : i + 7] for i in range(0, len(lines), 7)], end="hang"))
    async with running(client, time) as watched:
        await watched.until(lambda: len(watched.told) == 2)
        assert watched.versions() == {"a": "11", "b": "12"}


async def test_an_event_of_many_megabytes_arrives(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(listing(10), stream(line("ADDED", config_map("a", 11, x="y" * 6_000_000)), end="hang"))
    async with running(client, time) as watched:
        await watched.until(lambda: bool(watched.told))
        assert watched.versions() == {"a": "11"}


@pytest.mark.parametrize("end", ["clean", "reset"])
async def test_a_watch_that_ended_goes_on_from_the_last_version_or_bookmark(
    api: ApiServer, client: Client, time: ManualTime, end: str
) -> None:
    api.will(
        listing(10),
        stream(line("ADDED", config_map("a", 11)), end=end),
        stream(line("MODIFIED", config_map("a", 15)), bookmark(20), end=end),
        stream(line("MODIFIED", config_map("a", 21)), end="hang"),
    )
    async with running(client, time) as watched:
        await watched.until(lambda: watched.versions() == {"a": "21"})
    assert [seen.query.get("resourceVersion") for seen in api.seen] == [None, "10", "11", "20"]
    assert time.slept_s == []


async def test_half_a_line_at_the_end_is_not_believed(api: ApiServer, client: Client, time: ManualTime) -> None:
    half = line("MODIFIED", config_map("a", 12))[:-20]
    api.will(
        listing(10),
        stream(line("ADDED", config_map("a", 11)), half),
        stream(line("MODIFIED", config_map("a", 12)), end="hang"),
    )
    async with running(client, time) as watched:
        await watched.until(lambda: watched.versions() == {"a": "12"})
    assert api.seen[2].query["resourceVersion"] == "11"


@pytest.mark.parametrize(
    "refusal",
    [
        stream(line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})),
        no(410, "Expired"),
        no(403, "Forbidden"),
        no(500),
        stream(end="reset"),
        stream(),
        stream(b"this is not JSON\n"),
    ],
    ids=["gone-event", "gone", "forbidden", "500", "reset-at-once", "ended-at-once", "garbage"],
)
async def test_a_refused_watch_means_a_new_list_that_tells_all_that_was_missed(
    api: ApiServer, client: Client, time: ManualTime, refusal: Any
) -> None:
    api.will(
        listing(10, config_map("a", 5), config_map("b", 6), config_map("c", 7)),
        refusal,
        listing(30, config_map("a", 5), config_map("c", 21), config_map("d", 22)),
    )
    async with running(client, time) as watched:
        await watched.until(lambda: len(watched.told) == 6)
        assert watched.versions() == {"a": "5", "c": "21", "d": "22"}
    told = {(change.key.name, change.old is None, change.new is None) for change in watched.told[3:]}
    assert told == {("b", False, True), ("c", False, False), ("d", True, False)}
    assert len(time.slept_s) == 1


def lasting(time: ManualTime, lasts_s: float, answer: Answer) -> Answer:
    """Return an answer that takes its time."""

    async def late(request: web.Request) -> web.StreamResponse:
        time.now_s += lasts_s
        return await answer(request)

    return late


async def test_a_watch_that_is_given_up_again_and_again_after_a_while_costs_no_longer_wait_each_time(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    """An API server that has just started says nothing of what it has none of, not even bookmarks."""
    given_up = lasting(time, 90, stream(b"{"))
    api.will(*[listing(10), given_up] * 8, listing(20, config_map("a", 15)))
    async with running(client, time) as watched:
        await watched.until(lambda: watched.versions() == {"a": "15"})
    assert len(time.slept_s) == 8
    assert max(time.slept_s) < 0.5


async def test_a_quiet_watch_that_a_proxy_cuts_again_and_again_is_only_opened_again(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(
        listing(10, config_map("a", 5)),
        *[lasting(time, 35, stream(b"\n", end="cut"))] * 6,
        stream(line("MODIFIED", config_map("a", 11)), end="hang"),
    )
    async with running(client, time) as watched:
        await api.wait_seen(8)
        assert watched.cache.last_event_age_s <= 35
        await watched.until(lambda: watched.versions() == {"a": "11"})
    assert [seen.query.get("resourceVersion") for seen in api.seen] == [None, *["10"] * 7]
    assert time.slept_s == []


async def test_failing_lists_are_tried_again_ever_more_slowly_and_the_cache_says_so(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    api.will(*[no(403, "Forbidden", "no rights")] * 8, listing(10, config_map("a", 5)))
    async with running(client, time) as watched:
        assert not watched.cache.is_synced
        await watched.cache.wait_synced()
        assert watched.versions() == {"a": "5"}
    assert len(time.slept_s) == 8
    assert time.slept_s[-1] > 10 * time.slept_s[0]
    assert max(time.slept_s) <= 30
    assert "no rights" in caplog.text


async def test_a_list_waits_as_long_as_the_server_asks_for_and_not_for_an_hour(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(
        no(429, "TooManyRequests", headers={"Retry-After": "20"}),
        no(503, "ServiceUnavailable", headers={"Retry-After": "3600"}),
        listing(10, config_map("a", 5)),
    )
    async with running(client.once(10.0), time) as watched:
        await watched.cache.wait_synced()
    assert time.slept_s[:2] == [20.0, 60.0]


async def test_the_staleness_is_the_time_since_the_server_last_gave_a_sign(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(listing(10, config_map("a", 5)), stream(line("MODIFIED", config_map("a", 11)), end="hang"))
    async with running(client, time) as watched:
        await watched.until(lambda: watched.versions() == {"a": "11"})
        assert watched.cache.last_event_age_s == 0
        time.now_s += 70
        assert watched.cache.last_event_age_s == 70
        assert watched.cache.is_synced


async def test_a_silent_watch_is_given_up(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(stream(bookmark(11), end="hang"))
    with jumping_clock() as clock:
        events = client.watch(CONFIGMAPS, resource_version="10", timeout_s=300, silence_s=AGES_S)
        assert (await anext(events)).type == "BOOKMARK"
        clock.jump()
        with pytest.raises(Unavailable, match=r"the watch said nothing for \d+ s"):
            async with asyncio.timeout(PATIENCE_S):
                await anext(events)


async def test_a_watch_that_ends_within_a_line_has_broken_off(api: ApiServer, client: Client) -> None:
    api.will(stream(bookmark(11)[:-5]))
    with pytest.raises(Unavailable, match="middle of a line"):
        async for _ in client.watch(CONFIGMAPS, resource_version="10", timeout_s=300):
            pass


async def test_an_own_write_is_read_back_at_once(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(listing(10, config_map("a", 5)))
    async with running(client, time) as watched:
        await watched.cache.wait_synced()
        watched.cache.remember(config_map("a", 12, x="2"))
        expected = config_map("a", 12, x="2")
        del expected["metadata"]["managedFields"]
        assert watched.cache.items() == [expected]
        assert [change.key.name for change in watched.told] == ["a", "a"]


async def test_managed_fields_are_dropped_and_the_object_that_was_given_is_left_alone(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    def without_data(obj: Object) -> Object:
        return {key: value for key, value in obj.items() if key != "data"}

    answer = config_map("c", 12)
    api.will(listing(10, config_map("a", 5, x="1")), stream(line("ADDED", config_map("b", 11)), end="hang"))
    async with running(client, time, transform=without_data) as watched:
        await watched.until(lambda: len(watched.told) == 2)
        watched.cache.remember(answer)
        for obj in watched.cache.items():
            assert "managedFields" not in obj["metadata"]
            assert "data" not in obj
    assert answer == config_map("c", 12)


async def test_a_listener_that_fails_stops_neither_the_cache_nor_the_others(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Change) -> None:
        raise RuntimeError("listener at fault")

    api.will(listing(10, config_map("a", 5)), stream(line("ADDED", config_map("b", 11)), end="hang"))
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep)
    cache.subscribe(fail)
    watched = Watched(cache)
    task = asyncio.create_task(cache.run(), name="cache under test")
    await watched.until(lambda: watched.versions() == {"a": "5", "b": "11"})
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert len(watched.told) == 2
    assert "listener at fault" in caplog.text


async def test_who_unsubscribed_hears_no_more(api: ApiServer, time: ManualTime) -> None:
    async with client_of(api, time) as client:
        cache = Cache(client, CONFIGMAPS)
        told: list[Change] = []
        unsubscribe = cache.subscribe(told.append)
        cache.remember(config_map("a", 1))
        unsubscribe()
        cache.remember(config_map("a", 2))
    assert len(told) == 1


async def test_a_resource_that_a_cluster_need_not_serve_is_empty_until_its_crd_comes_and_after_it_went(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    unserved = no(404, "NotFound", "the server could not find the requested resource")
    api.will(unserved, listing(10, config_map("a", 5)), unserved)
    async with running(client, time, is_optional=True) as watched:
        await watched.cache.wait_synced()
        assert watched.versions() == {}
        await watched.until(lambda: len(watched.told) == 2)
        assert watched.versions() == {}
    assert [(change.key.name, change.new is None) for change in watched.told] == [("a", False), ("a", True)]
    assert set(time.slept_s) == {30.0}
    assert caplog.text == ""


async def test_a_field_selector_narrows_list_and_watch(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(listing(10), stream(line("ADDED", config_map("a", 11)), end="hang"))
    async with running(client, time, field_selector="type!=x") as watched:
        await watched.until(lambda: bool(watched.told))
    assert [seen.query["fieldSelector"] for seen in api.seen] == ["type!=x", "type!=x"]


async def test_who_may_not_read_the_objects_of_all_namespaces_keeps_those_of_one(
    api: ApiServer, client: Client, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    api.will(no(403, "Forbidden"), listing(5, config_map("a", 5)))
    async with running(client, time, fallback_namespace="test") as watched:
        await watched.cache.wait_synced()
        await api.wait_seen(3)
    assert [seen.path for seen in api.seen] == [
        "/api/v1/configmaps",
        "/api/v1/namespaces/test/configmaps",
        "/api/v1/namespaces/test/configmaps",
    ]
    assert "only those of namespace test" in caplog.text


async def test_a_cache_that_has_to_list_again_is_not_current_until_it_has(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(listing(5), no(503), no(503), no(503), no(503), hang())
    async with running(client, time) as watched:
        await api.wait_seen(6)
        current = asyncio.ensure_future(watched.cache.wait_current())
        await asyncio.sleep(0)
        assert watched.cache.is_synced
        assert not current.done()
        current.cancel()
