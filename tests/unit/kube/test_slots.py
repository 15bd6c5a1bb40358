"""Slots go to the most urgent, in turn between owners, and those that hang hold nobody up: by a scripted clock."""

import asyncio
from dataclasses import dataclass, field

from kube.slots import Slots
from tests.support.scripted_loop import play

NEVER_S = 1e6


@dataclass
class ChangingPace:
    """A pace whose server asks to be left alone now and then."""

    at_once: int
    hangs_after_s: float = NEVER_S
    alone_s: float = 0.0
    gives_way_s: float = 0.0
    patience_s: float = NEVER_S


@dataclass
class Holders:
    """Who holds slots until they are told to end. `begun` are those that got theirs, in this order."""

    slots: Slots
    begun: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)

    async def ask(self, *names: str, owner: str = "shop", rank: int = 1, is_suspect: bool = False) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            held = self._hold(name, owner, rank, is_suspect=is_suspect)
            self.tasks[name] = asyncio.create_task(held, name=name)
            await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await settle()

    async def _hold(self, name: str, owner: str, rank: int, *, is_suspect: bool) -> None:
        slot = await self.slots.take(owner, rank, is_suspect=is_suspect)
        self.begun.append(name)
        try:
            await self._ends[name].wait()
        finally:
            self.slots.give_back(slot)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def holders(at_once: int, *, at_most: int = 100, hangs_after_s: float = NEVER_S) -> Holders:
    return Holders(Slots(ChangingPace(at_once, hangs_after_s), at_most=at_most))


def test_so_many_are_let_in_at_once_and_the_most_urgent_of_those_that_wait_is_next() -> None:
    async def script() -> None:
        held = holders(2)
        await held.ask("a", "b", rank=3)
        await held.ask("c", rank=3)
        await held.ask("d", rank=2)
        await held.ask("e", "f", rank=0)
        assert held.begun == ["a", "b"]
        assert (held.slots.waiting, held.slots.most_urgent) == (4, 0)
        await held.end("b", "e", "f", "d")
        assert held.begun == ["a", "b", "e", "f", "d", "c"]
        assert (held.slots.waiting, held.slots.most_urgent) == (0, None)

    play(script())


def test_who_comes_with_one_does_not_wait_for_all_of_who_came_with_many() -> None:
    async def script() -> None:
        held = holders(1)
        await held.ask("a1", "a2", "a3", "a4", owner="a")
        await held.ask("b1", "b2", owner="b")
        await held.ask("c1", owner="c")
        await held.end("a1", "a2", "b1", "c1", "a3", "b2")
        assert held.begun == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]

    play(script())


def test_one_that_is_cancelled_while_it_waits_or_just_when_it_is_let_in_leaves_its_slot_to_the_next() -> None:
    async def script() -> None:
        held = holders(1)
        await held.ask("a", "b", "c", "d")
        held.tasks["b"].cancel()
        await settle()
        assert held.slots.waiting == 2
        held._ends["a"].set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        held.tasks["c"].cancel()
        await settle()
        assert held.begun[-1] == "d"
        assert held.slots.waiting == 0

    play(script())


def test_one_that_hangs_lets_another_in_but_not_more_than_allowed_and_progress_ends_that() -> None:
    async def script() -> None:
        held = holders(1, at_most=3, hangs_after_s=1.0)
        slot = await held.slots.take("other")
        await held.ask("b", "c", "d", "e")
        await asyncio.sleep(0.9)
        held.slots.note_progress(slot)
        await asyncio.sleep(0.9)
        assert held.begun == [], "its last answer is 0.9 s ago"
        await asyncio.sleep(0.2)
        assert held.begun == ["b"]
        await asyncio.sleep(10)
        assert held.begun == ["b", "c"], "three in all, and three quarters of them for one owner"
        held.slots.note_progress(slot)
        held.slots.give_back(slot)
        await settle()
        assert held.begun == ["b", "c"]
        await held.end("b")
        assert held.begun == ["b", "c", "d"]

    play(script())


def test_while_the_process_works_for_others_or_waits_for_a_core_nobody_hangs() -> None:
    async def script() -> None:
        own_s = [0.0]
        held = Holders(Slots(ChangingPace(1, hangs_after_s=1.0), at_most=100, own_s=lambda: own_s[0]))
        await held.ask("a", "b")
        await asyncio.sleep(0.9)
        own_s[0] += 5.0
        await asyncio.sleep(1.0)
        assert held.begun == ["a"]
        await asyncio.sleep(0.2)
        assert held.begun == ["a", "b"], "a second more at the most: b may have traffic to be pulled"

    play(script())


def test_of_those_that_are_late_one_that_hung_the_last_time_comes_in_its_turn() -> None:
    async def script() -> None:
        held = Holders(Slots(ChangingPace(1, patience_s=1.0), at_most=100, goes_on=1))
        await held.ask("a")
        await held.ask("hung", rank=3, is_suspect=True)
        await held.ask("b", rank=3)
        await asyncio.sleep(2)
        await held.end("a")
        assert held.begun == ["a", "hung"]

    play(script())


def test_however_many_of_one_owner_hang_others_find_slots() -> None:
    async def script() -> None:
        held = holders(4, at_most=16, hangs_after_s=1.0)
        await held.ask(*(f"hangs-{number}" for number in range(50)), owner="down")
        await asyncio.sleep(20)
        assert len(held.begun) == 12
        await held.ask("other", owner="shop")
        assert held.begun[-1] == "other"

    play(script())


def test_those_that_hung_the_last_time_have_half_of_the_slots_and_come_after_the_others() -> None:
    async def script() -> None:
        held = holders(1, at_most=8, hangs_after_s=1.0)
        for number in range(20):
            await held.ask(f"hung-{number}", owner=f"namespace-{number}", is_suspect=True)
        await held.ask("other")
        await asyncio.sleep(1.5)
        assert held.begun == ["hung-0", "other"]
        await asyncio.sleep(20)
        assert held.begun == ["hung-0", "other", "hung-1", "hung-2", "hung-3"]
        await held.ask("another")
        assert held.begun[-1] == "another"

    play(script())


def test_a_server_that_is_to_be_left_alone_gets_the_most_urgent_only_until_that_is_over() -> None:
    async def script() -> None:
        pace = ChangingPace(2, alone_s=30.0)
        held = Holders(Slots(pace, at_most=100))
        await held.ask("run", rank=1)
        await held.ask("pull", rank=0)
        assert held.begun == ["pull"]
        await asyncio.sleep(29)
        assert held.begun == ["pull"]
        pace.alone_s = 0.0
        await asyncio.sleep(2)
        assert held.begun == ["pull", "run"]

    play(script())


def test_those_that_wait_for_long_have_a_quarter_of_the_slots_and_none_before_the_most_urgent() -> None:
    async def script() -> None:
        held = Holders(Slots(ChangingPace(4, patience_s=1.0), at_most=100, most_of_owner=100, goes_on=1))
        await held.ask("a", "b", "c", "d", rank=1)
        await held.ask("late1", "late2", rank=3)
        await held.ask("late3", rank=2)
        await asyncio.sleep(0.9)
        assert held.slots.most_urgent == 2
        await asyncio.sleep(0.4)
        assert held.slots.most_urgent == 1, "they are as urgent as those that go on"
        await held.ask("e", "f", "g", rank=1)
        await held.ask("h", rank=2)
        await held.ask("pull", rank=0)
        await held.end("a")
        assert held.begun[4:] == ["pull"]
        await held.end("pull", "b")
        assert held.begun[5:] == ["late1", "e"]
        await held.end("e", "late1")
        assert held.begun[7:] == ["f", "late2"]
        await held.end("f", "g")
        assert held.begun[9:] == ["g", "late3"], "no other waits that is as urgent"
        await held.end("late2")
        assert held.begun[11:] == ["h"]

    play(script())


def test_one_that_was_late_and_hangs_does_not_keep_what_is_there_for_those_that_are() -> None:
    async def script() -> None:
        held = Holders(Slots(ChangingPace(1, hangs_after_s=3.0, patience_s=1.0), at_most=100, goes_on=1))
        await held.ask("a", rank=1)
        await held.ask("hangs", owner="evil", rank=3)
        await held.ask("late", owner="other", rank=3)
        await asyncio.sleep(1.5)
        await held.ask("b", "c", rank=1)
        await held.end("a")
        assert held.begun == ["a", "hangs"]
        await asyncio.sleep(3.2)
        assert held.begun == ["a", "hangs", "late"]

    play(script())


def test_of_those_that_are_late_the_owner_with_one_does_not_wait_for_all_of_the_one_with_many() -> None:
    async def script() -> None:
        held = Holders(Slots(ChangingPace(1, patience_s=1.0), at_most=100, goes_on=1))
        await held.ask("x", owner="x")
        await held.ask("a1", "a2", "a3", owner="a", rank=3)
        await held.ask("b1", owner="b", rank=3)
        await asyncio.sleep(2)
        await held.end("x", "a1", "b1", "a2")
        assert held.begun == ["x", "a1", "b1", "a2", "a3"]

    play(script())


def test_others_are_given_way_to_by_all_but_those_that_go_on_and_by_nobody_for_ever() -> None:
    async def script() -> None:
        pace = ChangingPace(8, gives_way_s=0.5, patience_s=3.0)
        held = Holders(Slots(pace, at_most=100, goes_on=1))
        assert [held.slots.gives_way(rank) for rank in (0, 1, 2)] == [False, False, True]
        await held.ask("rests", rank=3)
        await held.ask("checks", rank=1)
        assert held.begun == ["checks"], "though there is room for seven more"
        await asyncio.sleep(2.9)
        await held.ask("begins", rank=2)
        assert held.begun == ["checks"]
        await asyncio.sleep(0.5)
        assert held.begun == ["checks", "rests"]
        pace.gives_way_s = 0.0
        await asyncio.sleep(0.6)
        assert held.begun == ["checks", "rests", "begins"]

    play(script())


def test_a_server_that_is_to_be_left_alone_is_so_by_those_that_are_late_too() -> None:
    async def script() -> None:
        pace = ChangingPace(1, patience_s=1.0)
        held = Holders(Slots(pace, at_most=100, goes_on=1))
        await held.ask("a", rank=1)
        await held.ask("late", rank=3)
        await asyncio.sleep(2)
        pace.alone_s = 30.0
        await held.end("a")
        await asyncio.sleep(5)
        assert held.begun == ["a"]
        await held.ask("b", rank=1)
        assert held.begun == ["a", "b"]
        pace.alone_s = 0.0
        await held.end("b")
        assert held.begun == ["a", "b", "late"]

    play(script())


class Rank(int):
    """A rank that counts how often one was compared with another: the work of the queues, by no clock."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Rank.compared += 1
        return int(self) == other

    def __hash__(self) -> int:
        return hash(int(self))


def test_an_owner_with_hundreds_that_wait_for_its_own_slots_costs_each_of_them_little() -> None:
    """Fifty canaries of a hundred checks, of one namespace that has all that it may have, while others are free."""

    async def script() -> None:
        slots, waiting = Slots(ChangingPace(8), at_most=8, most_of_owner=4), 500
        Rank.compared = 0
        taken = [await slots.take("tenant", Rank(1)) for _ in range(4)]
        tasks = [asyncio.create_task(slots.take("tenant", Rank(1))) for _ in range(waiting)]
        await settle()
        assert slots.waiting == waiting
        assert (await slots.take("other", Rank(1))).owner == "other"
        for task in tasks:
            slots.give_back(taken.pop(0))
            taken.append(await task)
        assert Rank.compared < 50 * waiting

    play(script())
