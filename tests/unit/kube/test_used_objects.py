"""Of objects that nobody uses a cache keeps an outline; what is known by it alone is never taken for missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.cache import Cache
from kube.client import Client
from kube.errors import Conflict, Unavailable, Unread
from kube.packing import Outline
from kube.resource import CONFIGMAPS, Object
from kube.store import Change, Key, Store, key_of
from tests.support.patience import PATIENCE_S
from tests.unit.kube.apiserver import ApiServer, ManualTime, config_map, hang, line, listing, no, stream

A, B = Key("test", "a"), Key("test", "b")


def outline(whole: Object) -> Object:
    return {"metadata": whole["metadata"]}


def obj(name: str, version: int, text: str = "") -> Object:
    return {"metadata": {"name": name, "namespace": "test", "resourceVersion": str(version), "uid": name}, "data": text}


def has_outline_only(store: Store, key: Key) -> bool:
    return isinstance(store.kept(*key), Outline)


class Uses(set[Key]):
    """Who is used by now."""

    def __call__(self, whole: Object) -> bool:
        return key_of(whole) in self


def test_of_what_is_not_used_an_outline_is_kept_and_changes_show_it() -> None:
    store = Store(outline, Uses({A}))
    assert store.put(obj("a", 5, "x")) == Change(A, None, obj("a", 5, "x"))
    assert store.put(obj("b", 6, "x")) == Change(B, None, outline(obj("b", 6)))
    assert store.put(obj("b", 7, "y")) == Change(B, outline(obj("b", 6)), outline(obj("b", 7)))
    assert (store.get(A), store.get(B)) == (obj("a", 5, "x"), None)
    assert [(store.has(key), has_outline_only(store, key)) for key in (A, B)] == [(True, False), (True, True)]
    assert store.items() == store.by_namespace("test") == [obj("a", 5, "x")]
    assert store.outlines("test") == [outline(obj("a", 5)), outline(obj("b", 7))]
    assert store.glance(B) is None
    assert store.remove(obj("b", 8)) == Change(B, outline(obj("b", 7)), None)
    assert not store.has(B)


def test_what_was_read_takes_the_place_of_its_outline_unless_it_is_older() -> None:
    store = Store(outline, Uses())
    store.put(obj("a", 7, "seven"))
    assert store.remember(obj("a", 6, "six")) is None
    assert has_outline_only(store, A)
    assert store.remember(obj("a", 7, "seven")) == Change(A, outline(obj("a", 7)), obj("a", 7, "seven"))
    assert store.remember(obj("a", 7, "seven")) is None
    assert store.get(A) == obj("a", 7, "seven")
    store.put(obj("a", 8, "eight"))
    assert has_outline_only(store, A)


def test_what_is_used_no_more_shrinks_to_its_outline_and_what_still_is_does_not() -> None:
    uses = Uses({A, B})
    store = Store(outline, uses)
    for name, version in (("a", 5), ("b", 6)):
        store.put(obj(name, version))
    uses.discard(A)
    for key in (A, B, Key("test", "none")):
        store.release(key)
    assert [has_outline_only(store, key) for key in (A, B)] == [True, False]


def test_a_list_brings_the_whole_of_what_is_used_by_now_and_no_more_than_the_outline_of_what_is_not() -> None:
    uses = Uses({A})
    store = Store(outline, uses)
    store.put(obj("a", 5))
    store.put(obj("b", 6))
    uses ^= {A, B}
    changes = store.replace_all({key_of(one): store.to_keep(one) for one in (obj("a", 5), obj("b", 6))}, "9")
    assert list(changes) == [Change(B, outline(obj("b", 6)), obj("b", 6), is_listed=True)]
    assert [has_outline_only(store, key) for key in (A, B)] == [True, False]


def test_a_restored_etcd_is_believed_of_outlines_too() -> None:
    store = Store(outline, Uses())
    for version, name in ((5, "a"), (6, "b"), (7, "c")):
        store.put(obj(name, version))
    other = obj("b", 6)
    other["metadata"]["uid"] = "another"
    listed = {key_of(one): store.to_keep(one) for one in (obj("a", 5), other)}
    assert list(store.replace_all(listed, "6")) == [
        Change(B, outline(obj("b", 6)), None, is_listed=True),
        Change(Key("test", "c"), outline(obj("c", 7)), None, is_listed=True),
        Change(B, None, outline(other), is_listed=True),
    ]


class LateCluster:
    """One object of a server whose events come late and in order, and whose answers to reads come late, too."""

    def __init__(self) -> None:
        self.uses = Uses()
        self.store = Store(outline, self.uses)
        self.store.replace_all({}, "10")
        self.version = 10
        self.stored: Object | None = None
        self.events: list[tuple[str, Object]] = []
        self.answers: list[Object] = []

    def use(self) -> None:
        self.uses.add(A)

    def disuse(self) -> None:
        self.uses.discard(A)
        self.store.release(A)

    def edit(self) -> None:
        self.version += 1
        self.stored = obj("a", self.version, f"text of {self.version}")
        self.events.append(("put", self.stored))

    def delete(self) -> None:
        if self.stored is not None:
            self.version += 1
            self.events.append(("remove", obj("a", self.version)))
            self.stored = None

    def read(self) -> None:
        if self.stored is not None:
            self.answers.append(self.stored)

    def answer(self) -> None:
        if self.answers:
            self.store.remember(self.answers.pop(0))

    def event(self) -> None:
        if self.events:
            verb, told = self.events.pop(0)
            (self.store.put if verb == "put" else self.store.remove)(told)

    def list(self) -> None:
        listed = {} if self.stored is None else {A: self.store.to_keep(self.stored)}
        list(self.store.replace_all(listed, str(self.version)))
        self.events.clear()


STEPS = ("use", "disuse", "edit", "delete", "read", "answer", "event", "list")


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_in_any_order_of_events_reads_and_lists_nothing_is_lost_or_made_up(steps: list[str]) -> None:
    cluster = LateCluster()
    for step in steps:
        getattr(cluster, step)()
        kept = cluster.store.get(A)
        assert kept is None or kept["data"] == f"text of {kept['metadata']['resourceVersion']}"
    while cluster.answers:
        cluster.answer()
    while cluster.events:
        cluster.event()
    # All has arrived: it is there if the server has it, and one read away at most.
    assert cluster.store.has(A) is (cluster.stored is not None)
    if cluster.stored is not None and has_outline_only(cluster.store, A):
        assert cluster.store.outlines("test") == [outline(cluster.stored)]
        cluster.store.remember(cluster.stored)
    assert cluster.store.get(A) == cluster.stored


@asynccontextmanager
async def running(client: Client, time: ManualTime, uses: Uses) -> AsyncIterator[Cache]:
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep, outline=outline, is_used=uses)
    task = asyncio.create_task(cache.run(), name="cache under test")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await cache.wait_synced()
        yield cache
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(cache: Cache, version: str) -> None:
    """Wait until the watch has told of a version."""
    told = asyncio.Event()
    unsubscribe = cache.subscribe(lambda _: told.set())
    async with asyncio.timeout(PATIENCE_S):
        while cache._store.resource_version != version:
            await told.wait()
            told.clear()
    unsubscribe()


async def read(cache: Cache) -> None:
    await cache.read("test", "a", within_s=PATIENCE_S)


async def test_who_asks_for_what_nobody_used_is_told_to_read_it_and_then_has_it(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    api.will(listing(10, config_map("a", 5, x="1")), hang(), listing(11, config_map("a", 5, x="1")))
    uses = Uses()
    async with running(client, time, uses) as cache:
        assert cache.get("test", "none") is None
        with pytest.raises(Unread, match="ConfigMap test/a: nobody used it so far"):
            cache.get("test", "a")
        assert cache.has("test", "a")
        uses.add(A)
        await api.wait_seen(2)  # the watch is open
        told: list[Change] = []
        cache.subscribe(told.append)
        await read(cache)
        found = cache.get("test", "a")
        assert found is not None
        assert found["data"] == {"x": "1"}
        assert [change.key for change in told] == [A]
        assert api.seen[2].path == "/api/v1/namespaces/test/configmaps"
        assert api.seen[2].query["fieldSelector"] == "metadata.name=a"
        uses.discard(A)
        cache.release("test", "a")
        with pytest.raises(Unread):
            cache.get("test", "a")


async def test_an_event_that_passes_while_it_is_read_is_newer_than_what_was_read(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    gate = asyncio.Event()

    async def later(request: Any) -> Any:
        await gate.wait()
        return await stream(line("MODIFIED", config_map("a", 12, x="2")), end="hang")(request)

    async def old(request: Any) -> Any:
        gate.set()  # the event overtakes this answer
        await until(cache, "12")
        return await listing(11, config_map("a", 5, x="1"))(request)

    uses = Uses()
    api.will(listing(10, config_map("a", 5, x="1")), later)
    async with running(client, time, uses) as cache:
        await api.wait_seen(2)
        uses.add(A)
        api.will(old)
        await read(cache)
        found = cache.get("test", "a")
        assert found is not None
        assert found["data"] == {"x": "2"}


@pytest.mark.parametrize(
    ("events", "is_there"),
    [
        (line("DELETED", config_map("a", 12)), False),
        (line("DELETED", config_map("a", 12)) + line("ADDED", config_map("a", 13, x="new")), True),
    ],
    ids=["deleted", "made-again"],
)
async def test_what_went_before_it_was_read_is_another_look_until_the_watch_tells_of_it(
    api: ApiServer, client: Client, time: ManualTime, events: bytes, *, is_there: bool
) -> None:
    gate = asyncio.Event()

    async def later(request: Any) -> Any:
        await gate.wait()
        return await stream(events, end="hang")(request)

    uses = Uses()
    api.will(listing(10, config_map("a", 5)), later)
    async with running(client, time, uses) as cache:
        await api.wait_seen(2)
        uses.add(A)
        api.will(listing(12))
        with pytest.raises(Conflict, match="it went just now"):
            await read(cache)
        with pytest.raises(Unread):  # what the watch has not told is not missing
            cache.get("test", "a")
        gate.set()
        await until(cache, "13" if is_there else "12")
        found = cache.get("test", "a")
        assert (found is not None and found["data"] == {"x": "new"}) is is_there


async def test_what_can_not_be_read_stays_unread(api: ApiServer, client: Client, time: ManualTime) -> None:
    api.will(listing(10, config_map("a", 5)), hang())
    async with running(client, time, Uses()) as cache:
        await api.wait_seen(2)
        api.will(*[no(500)] * 4)
        with pytest.raises(Unavailable):
            await read(cache)
        with pytest.raises(Unread):
            cache.get("test", "a")


async def test_uses_that_change_while_pages_come_count_when_the_list_is_complete(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    uses = Uses({A})

    async def second(request: Any) -> Any:
        uses.clear()
        uses.add(B)
        cache.release("test", "a")
        return await listing(10, config_map("c", 7))(request)

    api.will(listing(10, config_map("a", 5), config_map("b", 6), following="more"), second)
    cache = Cache(client, CONFIGMAPS, clock=time.clock, sleep=time.sleep, outline=outline, is_used=uses)
    task = asyncio.create_task(cache.run(), name="cache under test")
    async with asyncio.timeout(PATIENCE_S):
        await cache.wait_synced()
    for name in "abc":
        with pytest.raises(Unread):  # of b, too: its page had passed, so it is read when somebody asks
            cache.get("test", name)
    task.cancel()
    await asyncio.wait({task})


async def test_after_a_gap_the_list_knows_what_is_used_by_then(
    api: ApiServer, client: Client, time: ManualTime
) -> None:
    uses = Uses()
    gate = asyncio.Event()

    async def gone(request: Any) -> Any:
        await gate.wait()
        return await no(410, "Expired")(request)

    api.will(listing(10, config_map("a", 5, x="1")), gone, listing(30, config_map("a", 5, x="1")))
    async with running(client, time, uses) as cache:
        assert cache.has("test", "a")
        uses.add(A)
        gate.set()
        await until(cache, "30")
        found = cache.get("test", "a")
        assert found is not None
        assert found["data"] == {"x": "1"}
