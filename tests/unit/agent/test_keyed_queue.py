"""Queues of jobs: one that goes wrong in a way that nobody thought of takes no other with it."""

import asyncio

from agent.keyed_queue import KeyedQueue


async def test_a_job_that_fails_is_the_only_one_that_is_lost() -> None:
    done: list[int] = []

    async def work(job: int) -> None:
        await asyncio.sleep(0)
        if job == 1:
            raise RecursionError("deep inside")
        done.append(job)

    async with KeyedQueue[str, int]("jobs", work, capacity=10, drain_s=60.0) as queues:
        assert [queues.put("a", job, "test") for job in range(3)] == [None, None, None]
    assert done == [0, 2]


async def test_what_one_namespace_queues_leaves_room_for_the_others() -> None:
    release, done = asyncio.Event(), list[str]()

    async def work(job: str) -> None:
        await release.wait()
        done.append(job)

    async with KeyedQueue[str, str]("jobs", work, capacity=10, drain_s=60.0, most_of_owner=3) as queues:
        refused = [queues.put(f"chat-{number}", "evil", "evil") for number in range(5)]
        assert refused == [None, None, None, "evil", "evil"]
        assert queues.put("chat-0", "shop", "shop") is None
        release.set()
    assert sorted(done) == ["evil", "evil", "evil", "shop"]
    assert not queues._owned, "what is remembered of namespaces grows"


async def test_a_queue_that_nobody_empties_keeps_no_other_of_its_namespace_out() -> None:
    release, done = asyncio.Event(), list[str]()

    async def work(job: str) -> None:
        if job.startswith("dead"):
            await release.wait()
        done.append(job)

    async with KeyedQueue[str, str]("jobs", work, capacity=1000, drain_s=60.0) as queues:
        for number in range(200):
            assert queues.put("dead", f"dead-{number}", "shop") is None
            assert queues.put("good", f"good-{number}", "shop") is None
        assert queues.put("dead", "dead-200", "shop") == "dead-200", "what one chat keeps has a bound"
        await asyncio.sleep(0)
        assert done == [f"good-{number}" for number in range(200)]
        release.set()
    assert len(done) == 400


async def test_beyond_the_bound_of_a_namespace_its_longest_queue_gives_way() -> None:
    release, done = asyncio.Event(), list[str]()

    async def work(job: str) -> None:
        await release.wait()
        done.append(job)

    async with KeyedQueue[str, str]("jobs", work, capacity=10, drain_s=60.0, most_of_owner=5) as queues:
        for job in ("dead-0", "dead-1", "dead-2", "dead-3", "dead-4"):
            queues.put("dead", job, "shop")
        queues.put("dead", "of-another", "ops")
        turned_away = [queues.put("good", f"good-{number}", "shop") for number in range(3)]
        assert turned_away == ["dead-4", "dead-3", "good-2"], "the newest of the longest, until it is none"
        assert queues.put("dead", "dead-5", "shop") == "dead-5"
        assert queues.waiting == 6
        release.set()
    assert sorted(done) == ["dead-0", "dead-1", "dead-2", "good-0", "good-1", "of-another"]
    assert not queues._owned, "what is remembered of namespaces grows"
