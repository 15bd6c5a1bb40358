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
        assert all(queues.put("a", job, "test") for job in range(3))
    assert done == [0, 2]


async def test_what_one_namespace_queues_leaves_room_for_the_others() -> None:
    release, done = asyncio.Event(), list[str]()

    async def work(job: str) -> None:
        await release.wait()
        done.append(job)

    async with KeyedQueue[str, str]("jobs", work, capacity=10, drain_s=60.0, most_of_owner=3) as queues:
        assert [queues.put(f"chat-{number}", "evil", "evil") for number in range(5)] == [True] * 3 + [False] * 2
        assert queues.put("chat-0", "shop", "shop")
        release.set()
    assert sorted(done) == ["evil", "evil", "evil", "shop"]
    assert not queues._owned, "what is remembered of namespaces grows"
