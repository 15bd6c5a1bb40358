"""The page with a thousand canaries: until it is painted, what an update costs, and whether memory grows.

SERIN_BENCH_PAGE_S=60 looks at it for a minute in place of ten.
"""

import asyncio
import os
import tracemalloc
from contextlib import nullcontext
from statistics import median
from typing import Final

from agent.page.feed import Feed
from agent.page.recent import Recent
from tests.support.chromium import WHERE_FROM, Tab, chromium, find_chromium
from tests.support.page import SmallCluster, serving_page, stored

_CANARIES: Final = 1_000
_CHANGED_EACH_S: Final = 20
_LOADS: Final = 5
_SETTLED_S: Final = 10.0

# By then the browser has compiled what it will; from here on memory is to stay as it is.
_WARM_S: Final = 240
_KIB: Final = 1024
_MIB: Final = 1024 * 1024

_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_ROWS: Final = "document.querySelectorAll('#canaries tbody tr').length"


def measure() -> dict[str, float | str]:
    """Return milliseconds, MiB of the page's memory, and KiB that the agent keeps for a canary's page.

    Of loads the best, for others on the machine only add.
    """
    figures: dict[str, float | str] = {"page_agent_kept_kib_a_canary": _kept_kib()}
    if find_chromium() is None:
        return figures | {"page": WHERE_FROM}
    return figures | asyncio.run(_measure(float(os.environ.get("SERIN_BENCH_PAGE_S", "600"))))


async def _measure(watched_s: float) -> dict[str, float]:
    cluster = SmallCluster()
    for number in range(_CANARIES):
        cluster.put(_canary(number, 0))
        cluster.put_pods(f"team-{number % 40}", f"shop-{number}", 2, 2)
        cluster.put_pods(f"team-{number % 40}", f"shop-{number}-primary", 3, 3)
    async with serving_page(cluster, least_pause_s=1.0) as url, chromium() as browser:
        paints, wholes = [], []
        for _ in range(_LOADS):
            tab = await browser()
            await tab.size(1280, 800)
            await tab.open(url)
            await tab.wait(_ROWS, lambda count: count == _CANARIES)
            wholes.append(float(await tab.look("performance.now()")))
            paints.append(float(await tab.wait(_PAINT)))
            await tab.call("Page.navigate", url="about:blank")
        tab = await browser()
        await tab.size(1280, 800)
        await tab.open(url)
        await tab.wait(_ROWS, lambda count: count == _CANARIES)
        await asyncio.sleep(_SETTLED_S)
        updates = await _watch(cluster, tab, watched_s)
    return {
        "page_first_paint_ms": round(min(paints)),
        f"page_all_{_CANARIES}_rows_ms": round(min(wholes)),
        **updates,
    }


async def _watch(cluster: SmallCluster, tab: Tab, watched_s: float) -> dict[str, float]:
    """Change some canaries each second; return the main thread's time for it on the CPU, and what memory came to."""
    began_mib, spent_ms, nodes = 0.0, [], 0.0
    for second in range(int(watched_s)):
        before = (await tab.metrics())["ThreadTime"]
        for number in range(second % 50, _CANARIES, _CANARIES // _CHANGED_EACH_S):
            cluster.put(_canary(number, second % 100))
        await asyncio.sleep(1.0)
        spent_ms.append(((await tab.metrics())["ThreadTime"] - before) * 1000)
        if second == min(_WARM_S, int(watched_s / 2)):
            began_mib, nodes = await _heap_mib(tab), (await tab.metrics())["Nodes"]
    ended_mib = await _heap_mib(tab)
    return {
        "page_update_main_thread_ms": round(median(spent_ms), 1),
        "page_update_main_thread_most_ms": round(max(spent_ms), 1),
        "page_watched_s": watched_s,
        "page_heap_settled_mib": round(began_mib, 2),
        "page_heap_at_the_end_mib": round(ended_mib, 2),
        "page_nodes_grown": (await tab.metrics())["Nodes"] - nodes,
    }


async def _heap_mib(tab: Tab) -> float:
    await tab.call("HeapProfiler.collectGarbage")
    return (await tab.metrics())["JSHeapUsedSize"] / _MIB


def _canary(number: int, weight: int) -> dict[str, object]:
    phase = "Progressing" if weight else "Succeeded"
    ours = {"sequence": weight, "news": [{"type": "Normal", "text": f"Advance shop-{number} canary weight {weight}"}]}
    return stored(f"shop-{number}", f"team-{number % 40}", phase=phase, weight=weight, ours=ours)


def _kept_kib() -> float:
    """Return what the agent keeps of a canary for the page after 200 changes of its weight, while nobody looks."""
    return round((_traced(with_page=True) - _traced(with_page=False)) / _KIB, 1)


def _traced(*, with_page: bool) -> float:
    """Return the bytes for each of some canaries, with the caches."""
    canaries = 50
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cluster = SmallCluster()
        feed = Feed(cluster.caches, Recent(), lambda: None)
        with feed.following() if with_page else nullcontext():
            for step in range(200):
                for number in range(canaries):
                    cluster.put(_canary(number, 1 + step % 99))
            after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / canaries
