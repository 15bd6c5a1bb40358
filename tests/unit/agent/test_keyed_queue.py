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
        assert all(queues.put("a", job) for job in range(3))
    assert done == [0, 2]
