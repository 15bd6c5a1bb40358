"""Turns are given by urgency, and canaries whose requests hang slow down no other: by a scripted clock."""

import asyncio
from itertools import count
from typing import Any

import pytest

from agent.turns import Turn, Turns, Urgency, urgency_of
from kube.pace import Pace
from kube.store import Key
from tests.support.scripted_loop import play

HANGS_FOR_S = 10.0
ANSWER_S = 0.02


@pytest.mark.parametrize(
    ("status", "is_pulling", "urgency", "is_exposed"),
    [
        ({"phase": "Progressing", "canaryWeight": 20}, True, Urgency.PULL, False),
        ({"phase": "Progressing", "canaryWeight": 0}, True, Urgency.PULL, False),
        ({"phase": "Failed", "canaryWeight": 0}, None, Urgency.PULL, True),
        ({"phase": "Failed", "canaryWeight": 0}, None, Urgency.RESTING, False),
        ({"phase": "Terminating", "canaryWeight": 0}, None, Urgency.PULL, True),
        ({"phase": "Failed", "canaryWeight": 0}, False, Urgency.RESTING, True),
        ({"phase": "Progressing", "canaryWeight": 20}, None, Urgency.EXPOSED, True),
        ({"phase": "Promoting", "canaryWeight": 50}, False, Urgency.EXPOSED, True),
        ({"phase": "Progressing", "canaryWeight": 0}, False, Urgency.RUNNING, True),
        ({"phase": "Succeeded", "canaryWeight": 0}, False, Urgency.RESTING, True),
        ({"phase": "Initializing", "canaryWeight": 0}, False, Urgency.RESTING, True),
        ({}, None, Urgency.RESTING, True),
    ],
)
def test_a_pull_is_more_urgent_than_traffic_on_the_canary_side_and_that_than_a_run_without(
    status: dict[str, Any], *, is_pulling: bool | None, urgency: Urgency, is_exposed: bool
) -> None:
    found = urgency_of(status, is_pulling=is_pulling, is_target_edited=False, is_exposed=lambda: is_exposed)
    assert found is urgency


def test_an_edit_is_told_before_runs_go_on_that_have_no_traffic_and_a_bootstrap_after_them() -> None:
    phases = ("Succeeded", "Progressing", "Initializing")
    found = [
        urgency_of({"phase": phase}, is_pulling=False, is_target_edited=True, is_exposed=lambda: True)
        for phase in phases
    ]
    assert found == [Urgency.EXPOSED, Urgency.RUNNING, Urgency.RESTING]


def test_a_burst_of_ticks_makes_way_for_what_is_more_urgent_and_for_nobody_else() -> None:
    async def script() -> None:
        turns, begun = Turns(), list[str]()
        bursts = [Turn(turns, f"namespace-{number}") for number in range(8)]
        for burst in bursts:
            await burst.take(Urgency.RUNNING)

        async def tick(name: str, urgency: Urgency) -> None:
            turn = Turn(turns, name)
            await turn.take(urgency)
            begun.append(name)
            turn.give_back()

        waiting = [asyncio.create_task(tick("running", Urgency.RUNNING))]
        await asyncio.sleep(0)
        await bursts[0].make_way(Urgency.RUNNING)
        assert begun == []
        waiting.append(asyncio.create_task(tick("edited", Urgency.EXPOSED)))
        await asyncio.sleep(0)
        await bursts[0].make_way(Urgency.RUNNING)
        assert begun == ["edited", "running"]
        await asyncio.gather(*waiting)

    play(script())


def test_runs_begin_and_end_within_two_seconds_though_there_is_always_one_with_traffic_to_be_ticked() -> None:
    async def script() -> None:
        turns, lags_s, clock = Turns(), list[float](), asyncio.get_running_loop().time

        async def step() -> None:
            turn = Turn(turns, "shop")
            while len(lags_s) < 20:
                await turn.take(Urgency.EXPOSED)
                await asyncio.sleep(ANSWER_S)
                turn.give_back()

        async def begin() -> None:
            due_at_s, turn = clock(), Turn(turns, "shop")
            await turn.take(Urgency.RUNNING)
            lags_s.append(clock() - due_at_s)
            await asyncio.sleep(ANSWER_S)
            turn.give_back()

        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(step())
            for _ in range(20):
                group.create_task(begin())
        assert max(lags_s) < 2.0

    play(script())


def test_a_burst_gives_way_to_users_who_edit_much_and_one_that_has_waited_three_seconds_goes_on() -> None:
    async def script() -> None:
        clock = asyncio.get_running_loop().time
        turns = Turns(Pace(clock=clock), clock=clock)
        turn, began_at_s = Turn(turns, "shop"), clock()

        async def edit() -> None:
            for number in count():
                turns.note_users_edit(Key("shop", f"app-{number}"))
                await asyncio.sleep(0.05)

        await turn.take(Urgency.EXPOSED)
        edits = asyncio.create_task(edit())
        await asyncio.sleep(0.6)
        await turn.make_way(Urgency.EXPOSED)
        assert clock() - began_at_s == pytest.approx(0.6), "its first reaction waits for nobody"
        await turn.make_way(Urgency.RUNNING)
        assert 3.5 < clock() - began_at_s < 4.0
        went_on_at_s = clock()
        await turn.make_way(Urgency.RUNNING)
        assert clock() == went_on_at_s, "it has waited"
        turn.give_back()
        edits.cancel()
        ended_at_s = clock()
        await turn.take(Urgency.RESTING)
        assert clock() - ended_at_s < 1.1, "the users have stopped"

    play(script())


async def lags_beside(hanging: dict[str, int]) -> list[float]:
    """Return how long 950 ticks that are due in the course of 10 s waited for their turns.

    `hanging`: how many canaries of a namespace are due at the beginning, each with a request that hangs for 10 s.
    """
    turns, lags_s, clock = Turns(), list[float](), asyncio.get_running_loop().time

    async def hang(namespace: str) -> None:
        turn = Turn(turns, namespace)
        await turn.take(Urgency.EXPOSED)
        await asyncio.sleep(HANGS_FOR_S)
        turn.give_back()

    async def tick(number: int) -> None:
        turn = Turn(turns, f"team-{number % 20}")
        await asyncio.sleep(number * 10.0 / 950)
        due_at_s = clock()
        await turn.take(Urgency.EXPOSED)
        lags_s.append(clock() - due_at_s)
        for _ in range(2):
            await asyncio.sleep(ANSWER_S)
            turn.note_progress()
        turn.give_back()

    async with asyncio.TaskGroup() as group:
        for namespace, count in hanging.items():
            for _ in range(count):
                group.create_task(hang(namespace))
        for number in range(950):
            group.create_task(tick(number))
    return sorted(lags_s)


def test_fifty_canaries_of_a_namespace_whose_webhook_is_down_slow_down_no_other() -> None:
    lags_s = play(lags_beside({"down": 50}))
    assert len(lags_s) == 950
    assert lags_s[-1] < 0.25
    assert lags_s[900] < 0.05


def test_nor_do_fifty_of_as_many_namespaces() -> None:
    lags_s = play(lags_beside({f"down-{number}": 1 for number in range(50)}))
    assert lags_s[-1] < 1.0
    assert lags_s[475] < 0.05


def test_who_hung_the_last_time_comes_after_those_that_did_not() -> None:
    async def script() -> None:
        turns, begun = Turns(), list[str]()
        hung = Turn(turns, "down")
        await hung.take(Urgency.EXPOSED)
        await asyncio.sleep(HANGS_FOR_S)
        hung.give_back()
        busy = [Turn(turns, f"namespace-{number}") for number in range(8)]
        for turn in busy:
            await turn.take(Urgency.EXPOSED)

        async def tick(name: str, turn: Turn) -> None:
            await turn.take(Urgency.EXPOSED)
            begun.append(name)
            turn.give_back()

        ticks = [asyncio.create_task(tick(name, turn)) for name, turn in (("hung", hung), ("other", Turn(turns, "x")))]
        await asyncio.sleep(0)
        busy[0].give_back()
        await asyncio.gather(*ticks)
        assert begun == ["other", "hung"]

    play(script())


def test_two_controllers_that_undo_each_others_templates_for_ever_are_no_storm() -> None:
    async def script() -> None:
        clock = asyncio.get_running_loop().time
        turns = Turns(Pace(clock=clock), clock=clock)
        for number in range(1_000):
            turns.note_users_edit(Key("shop", f"app-{number % 9}"))
            await asyncio.sleep(0.02)
            assert not turns.slots.gives_way(Urgency.RUNNING)
        await asyncio.sleep(60)
        for number in range(10):
            turns.note_users_edit(Key("shop", f"app-{number}"))
        assert turns.slots.gives_way(Urgency.RUNNING), "a minute later they may all be changed again"

    play(script())
