"""Pages of a list are bounded by bytes, and what is not kept of one is gone before the next one comes."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest
from aiohttp import web

from kube.cache import Cache
from kube.client import Client
from kube.paging import PageLimit
from kube.resource import CONFIGMAPS
from tests.support.patience import PATIENCE_S
from tests.unit.kube.apiserver import ApiServer, ManualTime, config_map, listing


@pytest.mark.parametrize(
    ("size_bytes", "limits"),
    [
        (500, [20, 80, 320, 500, 500]),
        (1_000, [20, 80, 320, 500, 500]),
        (7_600, [20, 68, 68, 68, 68]),
        (100_000, [20, 5, 5, 5, 5]),
        (1_000_000, [20, 1, 1, 1, 1]),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_page_is_asked_for_no_more_than_half_a_mebibyte_once_the_size_is_known(
    size_bytes: int, limits: list[int]
) -> None:
    limit, asked = PageLimit(), []
    for _ in range(5):
        asked.append(limit.objects)
        limit.note(limit.objects, limit.objects * size_bytes)
    assert asked == limits


def test_large_objects_after_small_ones_make_the_pages_small_for_good() -> None:
    limit = PageLimit()
    limit.note(20, 20 * 1_000)
    assert limit.objects == 80
    limit.note(80, 80 * 100_000)
    assert limit.objects == 5
    limit.note(5, 5 * 1_000)
    assert limit.objects == 5


def test_an_empty_page_says_nothing_of_sizes() -> None:
    limit = PageLimit()
    limit.note(0, 90)
    assert limit.objects == 80


async def test_a_cache_lists_in_pages_that_fit_what_came_before(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    large = [config_map(f"large-{number}", 5, text="x" * 100_000) for number in range(20)]
    api.will(listing(10, *large, following="a"), listing(10, *large, following="b"), listing(10, config_map("last", 6)))
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep)
    task = asyncio.create_task(cache.run(), name="cache under test")
    async with asyncio.timeout(PATIENCE_S):
        await cache.wait_synced()
    task.cancel()
    await asyncio.wait({task})
    assert [seen.query.get("limit") for seen in api.seen[:3]] == ["20", "5", "5"]
    assert [seen.query.get("continue") for seen in api.seen[:3]] == [None, "a", "b"]
    assert len(cache.items()) == 21


class Tracked(dict[str, Any]):
    """An object that tells whether it is still there."""


async def test_what_a_cache_does_not_keep_of_a_page_is_gone_before_the_next_one_comes(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    whole: list[weakref.ref[Tracked]] = []
    alive: list[int] = []

    def outline(obj: dict[str, Any]) -> dict[str, Any]:
        tracked = Tracked(obj)
        obj["tracked"] = tracked
        whole.append(weakref.ref(tracked))
        return {"metadata": obj["metadata"]}

    async def second(request: web.Request) -> web.StreamResponse:
        alive.append(sum(1 for one in whole if one() is not None))
        return await listing(10, config_map("last", 6))(request)

    first = [config_map(f"some-{number}", 5) for number in range(20)]
    api.will(listing(10, *first, following="more"), second)
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep, outline=outline, is_used=lambda _: False)
    task = asyncio.create_task(cache.run(), name="cache under test")
    async with asyncio.timeout(PATIENCE_S):
        await cache.wait_synced()
    task.cancel()
    await asyncio.wait({task})
    assert len(whole) == 21
    assert alive[0] <= 1  # the last one, which a name still stands for
