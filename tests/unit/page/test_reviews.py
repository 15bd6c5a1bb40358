"""What is asked of the API server about people: little at once, nothing twice, and nothing that nobody waits for."""

import asyncio
from typing import Any

import pytest

from agent.page import reviews as reviewing
from agent.page.reviews import NotReviewed, Reviews, Viewer
from kube.resource import Resource
from tests.support.eventually import eventually
from tests.support.people import Clock, People, SlowPeople

Json = dict[str, Any]


async def test_strangers_have_few_questions_under_way_and_none_that_nobody_waits_for() -> None:
    api, clock = SlowPeople(), Clock()
    reviews = Reviews(api, clock)
    api.go.set()
    assert await reviews.viewer("t-alice") is not None
    api.go.clear()
    strangers = [asyncio.create_task(reviews.viewer(f"random-{number}")) for number in range(100)]
    await asyncio.sleep(0.01)
    turned_away = [task for task in strangers if task.done()]
    assert len(turned_away) == 68
    assert {str(task.exception()) for task in turned_away} == {"too many tokens are asked about at once; try again"}
    assert api.waiting == 8
    clock.now_s += 60
    alice = asyncio.create_task(reviews.viewer("t-alice"))
    await asyncio.sleep(0.01)
    assert not alice.done()  # who was known before waits, and is not turned away
    for task in strangers:
        task.cancel()
    await asyncio.gather(*strangers, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert api.waiting == 1
    api.go.set()
    assert (await alice) is not None
    assert len(api.asked) == 4  # two for each of alice's minutes


async def test_a_question_whose_first_asker_goes_is_answered_to_the_others() -> None:
    api = SlowPeople()
    reviews = Reviews(api, Clock())
    first, second = (asyncio.create_task(reviews.viewer("t-alice")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    api.go.set()
    assert await second is not None
    assert len(api.asked) == 2


async def test_waiting_for_a_turn_ends_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    api = SlowPeople()
    reviews = Reviews(api, Clock())
    others = [asyncio.create_task(reviews.viewer(f"t-{number}")) for number in range(8)]
    await eventually(lambda: api.begun, lambda count: count == 8)
    monkeypatch.setattr(reviewing, "_WITHIN_S", 0.01)
    with pytest.raises(NotReviewed, match="the API server does not answer; try again"):
        await reviews.viewer("t-alice")
    for task in others:
        task.cancel()
    assert api.begun == 8


async def test_tokens_of_nobody_push_no_user_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "MOST_TOKENS", 5)
    api = People()
    reviews = Reviews(api, Clock())
    await reviews.viewer("t-alice")
    for number in range(20):
        assert await reviews.viewer(f"random-{number}") is None
    api.asked.clear()
    assert await reviews.viewer("t-alice") is not None
    assert await reviews.viewer("random-19") is None
    assert api.asked == []
    assert await reviews.viewer("random-0") is None
    assert len(api.asked) == 2


async def test_a_new_namespace_alone_is_asked_for() -> None:
    api = People(may_list={"alice": {"team-a", "team-c"}})
    reviews = Reviews(api, Clock())
    viewer = Viewer("alice", "u-1", ("system:authenticated",), (("key", ("value",)),))
    assert await reviews.visible(viewer, {"team-a", "team-b"}) == {"team-a"}
    api.asked.clear()
    assert await reviews.visible(viewer, {"team-a", "team-b", "team-c"}) == {"team-a", "team-c"}
    assert [body["spec"]["resourceAttributes"]["namespace"] for body in api.asked] == ["team-c"]


async def test_of_too_many_viewers_the_one_that_came_last_goes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "MOST_VIEWERS", 2)
    api = People(may_list={})
    reviews = Reviews(api, Clock())
    namespaces = {f"team-{number}" for number in range(100)}
    for name in ("a", "b", "a", "c"):
        await reviews.visible(Viewer(name), namespaces)
    api.asked.clear()
    await reviews.visible(Viewer("a"), namespaces)
    await reviews.visible(Viewer("c"), namespaces)
    assert api.asked == []
    await reviews.visible(Viewer("b"), namespaces)
    assert len(api.asked) == 101


async def test_questions_are_asked_once_for_all_who_wait_and_a_few_at_once() -> None:
    at_once, most = 0, 0

    class Counting(People):
        async def create(self, resource: Resource, body: Json, namespace: str | None = None) -> Json:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1
            return await super().create(resource, body, namespace)

    api = Counting(may_list={"alice": {f"team-{number}" for number in range(0, 100, 2)}})
    reviews = Reviews(api, Clock())
    namespaces = {f"team-{number}" for number in range(100)}

    async def look() -> int:
        viewer = await reviews.viewer("t-alice")
        assert viewer is not None
        return len(await reviews.visible(viewer, namespaces))

    assert await asyncio.gather(*(look() for _ in range(20))) == [50] * 20
    assert len(api.asked) == 2 + 1 + 100
    assert most == 8
