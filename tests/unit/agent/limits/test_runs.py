"""Who may begin a run, who waits and where: from what is stored, by a scripted clock."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.limits.runs import RunLimits, RunQueue
from agent.shards.assignment import shard_of
from canary.run.moments import write_time
from canary.run.phase import Phase
from canary.run.queue import Place, Queued
from canary.run.request import RequestResult
from canary.run.state import Control, State
from kube.store import Change, Key
from tests.support.scripted_loop import play
from tests.unit.agent.limits.stored_runs import BEGUN, IDLE, Stored, begins, begins_and_runs


def test_without_a_bound_nobody_waits() -> None:
    stored = Stored()
    for number in range(100):
        stored.run(f"run-{number}")
    assert stored.place("web") is None
    assert stored.runs.waiting == 0


def test_so_many_run_at_once_and_of_those_that_wait_the_oldest_is_first() -> None:
    stored = Stored(whole=2)
    stored.run("a")
    assert stored.place("web") is None
    stored.run("b")
    assert stored.place("web") == Place(1, 1, "--max-runs is 2")
    stored.wait("late", 200.0)
    stored.wait("early", 100.0)
    assert stored.place("web") == Place(3, 3, "--max-runs is 2")
    assert stored.runs.waiting == 2
    stored.put("a", "Succeeded")
    assert (stored.place("early"), stored.place("late")) == (None, Place(2, 2, "--max-runs is 2"))
    assert stored.place("web") == Place(3, 3, "--max-runs is 2"), "there is room, but not for who comes last"


def test_whose_analysis_is_skipped_goes_first() -> None:
    stored = Stored(whole=1)
    stored.run("a")
    stored.wait("early", 100.0)
    stored.wait("hotfix", 200.0, skipAnalysis=True)
    stored.put("a", "Failed")
    assert (stored.place("hotfix"), stored.place("early")) == (None, Place(2, 2, "--max-runs is 1"))


def test_a_namespace_has_its_own_bound_and_its_queue_holds_up_no_other() -> None:
    stored = Stored(whole=10, of_namespace=1)
    stored.run("shop/a")
    stored.wait("shop/b", 100.0)
    stored.wait("shop/c", 200.0)
    assert stored.place("shop/c") == Place(2, 2, "--max-namespace-runs is 1")
    assert stored.place("bank/a") is None


def test_two_that_begin_in_the_same_moment_are_not_one_too_many() -> None:
    stored = Stored(whole=1)
    first, second = stored.put("a", "Succeeded"), stored.put("b", "Succeeded")
    with stored.runs.beginning(first, IDLE, BEGUN):
        assert not begins(stored.runs, second)
    assert begins(stored.runs, second), "the first was not written after all"


@pytest.mark.parametrize(("whole", "shards"), [(20, 3), (3, 3), (16, 16), (17, 16), (1, 1), (100, 7)])
def test_the_parts_of_all_shards_are_the_bound_together_and_each_has_one(whole: int, shards: int) -> None:
    parts = [RunLimits(whole, 0, shards).of_shard(shard) for shard in range(shards)]
    assert sum(parts) == whole
    assert min(parts) >= 1
    assert max(parts) - min(parts) <= 1


def test_leaders_that_hear_nothing_of_each_other_begin_no_more_runs_than_the_bound() -> None:
    assert (shard_of("shop", 2), shard_of("default", 2)) == (0, 1)
    one, other = Stored(whole=3, shards=2), Stored(whole=3, shards=2)
    of_one = [begins_and_runs(one, f"shop/{number}") for number in range(5)]
    of_other = [begins_and_runs(other, f"default/{number}") for number in range(5)]
    assert (of_one.count(True), of_other.count(True)) == (1, 2)
    assert one.place("shop/new") == Place(1, 1, "--max-runs is 3, of which its shard has 1")


def test_a_shard_has_a_queue_of_its_own() -> None:
    stored = Stored(whole=3, shards=2)
    stored.run("shop/a")
    stored.wait("shop/b", 100.0)
    stored.wait("default/b", 150.0)
    stored.wait("shop/c", 200.0)
    assert stored.place("shop/c") == Place(2, 2, "--max-runs is 3, of which its shard has 1")
    assert stored.place("default/b") is None
    stored.put("shop/a", "Succeeded")
    assert stored.place("shop/b") is None
    assert stored.place("shop/c") == Place(2, 2, "--max-runs is 3, of which its shard has 1")


def test_where_somebody_stands_is_told_by_the_queue_of_its_shard() -> None:
    async def script() -> None:
        loop, woken = asyncio.get_running_loop(), set[str]()
        stored = Stored(whole=2, shards=2)
        stored.runs = RunQueue(RunLimits(2, 0, 2), clock=loop.time)
        for namespace in ("shop", "default"):
            stored.run(f"{namespace}/a")
            for number in range(8):
                stored.wait(f"{namespace}/{number}", 100.0 + number, number + 1, 8)
        stored.wait("payments/moved", 50.0, 8, 8)
        queue = asyncio.create_task(stored.runs.run(lambda key: woken.add("/".join(key))))
        await asyncio.sleep(65)
        # Of those that one more stands before only the first have come to stand elsewhere by a quarter.
        assert woken == {"payments/moved", "shop/0", "shop/1", "shop/2", "shop/3"}
        queue.cancel()

    play(script())


def test_who_asked_for_this_very_run_and_whatever_begins_none_need_no_room() -> None:
    stored = Stored(whole=1)
    stored.run("a")
    key = stored.put("b", "Failed")
    asked = replace(BEGUN, control=Control(request=RequestResult("retry@r", "c1", 1.0)))
    assert not begins(stored.runs, key)
    assert begins(stored.runs, key, asked)
    assert begins(stored.runs, key, State(phase=Phase.INITIALIZING))
    with stored.runs.beginning(key, State(phase=Phase.PROGRESSING), State(phase=Phase.FAILED)):
        pass


def test_a_restart_counts_runs_and_orders_the_queue_by_what_is_stored() -> None:
    stored = Stored(whole=2)
    stored.run("a")
    stored.put("b", "Promoting")
    stored.wait("late", 200.0)
    stored.wait("early", 100.0)
    stored.restart()
    assert stored.place("early") == Place(1, 2, "--max-runs is 2")
    assert stored.place("late") == Place(2, 2, "--max-runs is 2")


@pytest.mark.parametrize(
    ("ours", "spec"),
    [
        ({"paused": True}, {}),
        ({}, {"suspend": True}),
        ({"waitingFor": ["confirm-promotion/gate"]}, {}),
        ({"waitingFor": ["pause/2"]}, {}),
    ],
)
def test_a_run_that_waits_for_somebody_counts_for_a_minute_and_again_when_it_goes_on(
    ours: dict[str, Any], spec: dict[str, Any]
) -> None:
    stored = Stored(whole=1)
    stored.put("a", "Progressing", ours=ours, **spec)
    stored.now_s = 59.0
    assert stored.place("b") == Place(1, 1, "--max-runs is 1")
    stored.now_s = 60.0
    stored.put("a", "Progressing", ours=ours, **spec)
    assert stored.place("b") is None
    stored.run("a")
    assert stored.place("b") == Place(1, 1, "--max-runs is 1")


@pytest.mark.parametrize(
    "blocked",
    [
        {"suspend": True},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "InvalidSpec"}]},
        {"queue": "nonsense"},
        {"queue": {"position": 1, "of": 1, "since": "soon"}},
    ],
)
def test_one_that_can_not_begin_lets_the_others_go_first(blocked: dict[str, Any]) -> None:
    stored = Stored(whole=1)
    stored.run("a")
    key = stored.wait("first", 100.0, suspend=blocked.get("suspend", False))
    obj = stored.objects[key]
    obj["status"] |= {"conditions": blocked.get("conditions", [])}
    obj["status"]["serin"] |= {"queue": blocked["queue"]} if "queue" in blocked else {}
    stored.runs.follow(Change(key, obj, obj))
    stored.wait("second", 200.0)
    stored.put("a", "Succeeded")
    assert stored.place("second") is None


def test_a_deleted_canary_and_one_of_another_provider_take_no_room() -> None:
    stored = Stored(whole=1)
    key = stored.run("a")
    assert stored.place("b") is not None
    stored.runs.follow(Change(key, stored.objects[key], None))
    stored.put("linkerd", "Progressing", provider="linkerd")
    assert stored.place("b") is None


def test_whose_turn_it_is_is_woken_once_and_who_does_not_take_it_lets_the_next_one_go() -> None:
    async def script() -> None:
        loop, woken = asyncio.get_running_loop(), list[str]()
        stored = Stored(whole=1)
        stored.runs = RunQueue(RunLimits(1), clock=loop.time)
        stored.run("a")
        stored.wait("fails", 100.0, 1, 3)
        stored.wait("next", 200.0, 2, 3)
        stored.wait("last", 300.0, 3, 3)
        queue = asyncio.create_task(stored.runs.run(lambda key: woken.append(key.name)))
        await asyncio.sleep(45)
        assert woken == []
        stored.put("a", "Succeeded")
        await asyncio.sleep(25)
        assert woken == ["fails"]
        assert stored.place("next") is not None
        await asyncio.sleep(20)
        assert woken == ["fails", "next"]
        assert stored.place("next") is None
        stored.run("next")
        await asyncio.sleep(700)
        stored.put("next", "Succeeded")
        assert [name for name in woken if name != "last"] == ["fails", "next", "fails"], (
            "it is asked again after ten minutes"
        )
        queue.cancel()

    play(script())


def test_whose_turn_nobody_here_can_bring_is_not_passed_over_for_not_beginning() -> None:
    async def script() -> None:
        loop = asyncio.get_running_loop()
        stored = Stored(whole=1)
        stored.runs = RunQueue(RunLimits(1), clock=loop.time)
        stored.run("a")
        stored.wait("of-another-shard", 100.0)
        stored.wait("young", 200.0)
        led: list[str] = []
        queue = asyncio.create_task(stored.runs.run(lambda key: key.name in led))
        await asyncio.sleep(5)
        stored.put("a", "Succeeded")
        await asyncio.sleep(1_500)
        assert (stored.place("of-another-shard"), stored.place("young")) == (None, Place(2, 2, "--max-runs is 1"))
        queue.cancel()

    play(script())


def test_who_fails_whenever_it_is_its_turn_waits_from_then_on_as_if_it_had_come_then() -> None:
    async def script() -> None:
        loop = asyncio.get_running_loop()
        stored = Stored(whole=1)
        stored.runs = RunQueue(RunLimits(1), clock=loop.time)
        stored.run("a")
        stored.wait("fails", 100.0)
        queue = asyncio.create_task(stored.runs.run(lambda _: None))
        await asyncio.sleep(5)
        stored.put("a", "Succeeded")
        await asyncio.sleep(45)
        stored.wait("young", 200.0)
        await asyncio.sleep(5)
        stored.run("young")
        # It can't make itself be forgotten: suspended and resumed it is the same that waits.
        stored.wait("fails", 100.0, suspend=True)
        stored.wait("fails", 100.0)
        await asyncio.sleep(610)
        stored.put("young", "Succeeded")
        assert stored.place("fails") is None, "it has another try after ten minutes"
        await asyncio.sleep(745)
        assert stored.place("fails") is None, "nobody else waits"
        for number in range(3):
            stored.wait(f"younger-{number}", 300.0 + number, skipAnalysis=number == 2)
        order = [(name, stored.place(name)) for name in ("younger-2", "younger-0", "younger-1", "fails")]
        assert [place and place.position for _, place in order] == [None, 2, 3, 4]
        stored.wait("who-comes-later", 1e10)
        assert stored.place("who-comes-later") == Place(5, 5, "--max-runs is 1")
        stored.put("who-comes-later", "Succeeded")
        queue.cancel()
        # Another time as the leader begins with what is stored.
        again = asyncio.create_task(stored.runs.run(lambda _: None))
        await asyncio.sleep(1)
        assert stored.place("fails") == Place(2, 4, "--max-runs is 1"), "whose analysis is skipped goes first"
        again.cancel()

    play(script())


def test_nobody_gets_an_older_place_by_writing_another_moment_into_its_status() -> None:
    stored = Stored(whole=1, now_s=1000.0)
    stored.run("a")
    stored.put("forged", "Succeeded")
    stored.wait("honest", 900.0)
    stored.wait("forged", 0.0)
    assert stored.place("honest") == Place(1, 2, "--max-runs is 1")
    stored.wait("forged", 940.0)
    stored.wait("forged", 1.0)
    assert stored.place("honest") == Place(1, 2, "--max-runs is 1"), "nor by one that is older than before"
    stored.wait("forged", 1.0, suspend=True)
    stored.wait("forged", 1.0)
    assert stored.place("honest") == Place(1, 2, "--max-runs is 1")


def test_what_began_to_wait_while_no_watch_told_of_it_keeps_its_age() -> None:
    stored = Stored(whole=1, now_s=1000.0)
    stored.run("a")
    key = stored.put("b", "Succeeded")
    before = stored.objects[key]
    stored.wait("c", 900.0)
    queue = {"position": 1, "of": 1, "since": write_time(800.0)}
    listed = before | {"status": {"phase": "Succeeded", "serin": {"queue": queue}}}
    stored.runs.follow(Change(key, before, listed, is_listed=True))
    assert stored.place("b") == Place(1, 2, "--max-runs is 1")


def test_a_thousand_that_wait_run_twenty_at_a_time_and_are_seldom_written() -> None:
    writes: dict[str, int] = {"places": 0, "most under way": 0}

    async def script() -> None:
        loop, ended = asyncio.get_running_loop(), list[str]()
        stored = Stored(whole=20)
        stored.runs = RunQueue(RunLimits(20), clock=loop.time, now_s=loop.time)
        under_way = set[Key]()
        written_at_s: dict[Key, float] = {}

        def tick(key: Key) -> None:
            """Do what a canary's tick does that still has a new revision."""
            if key in under_way or key.name in ended:
                return
            place, status = stored.runs.place_of(key), stored.objects[key]["status"]
            queued = Queued.read(status["serin"].get("queue"))
            if place is None:
                begin(key)
            elif queued is None or (loop.time() - written_at_s[key] >= 60 and queued.has_moved(place)):
                since_s = loop.time() if queued is None else queued.since_s
                written_at_s[key] = loop.time()
                writes["places"] += queued is not None
                stored.wait(key.name, since_s, place.position, place.of)

        def begin(key: Key) -> None:
            under_way.add(key)
            writes["most under way"] = max(writes["most under way"], len(under_way))
            stored.run(key.name)
            loop.call_later(100.0, end, key)

        def end(key: Key) -> None:
            under_way.discard(key)
            ended.append(key.name)
            stored.put(key.name, "Succeeded")

        def wake(key: Key) -> None:
            loop.call_soon(tick, key)

        queue = asyncio.create_task(stored.runs.run(wake))
        await asyncio.sleep(0)
        for number in range(1_000):
            tick(stored.put(f"app-{number:04}", "Succeeded"))
        assert stored.runs.waiting == 980
        await asyncio.sleep(50 * 100 + 100)
        batches = [sorted(ended[first : first + 20]) for first in range(0, 1_000, 20)]
        in_order = [name for batch in batches for name in batch]
        assert in_order == [f"app-{number:04}" for number in range(1_000)], "in the order in which they came"
        assert stored.runs.waiting == 0
        queue.cancel()

    play(script())
    assert writes["most under way"] == 20
    assert writes["places"] < 10_000, "each of 1,000 runs that ended would have rewritten all that wait: half a million"
