"""Shards are led by one agent each, by as many agents as there are, and by another one soon when one goes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.installation import lease_name, shard_leases, waiting_lease
from tests.unit.agent.shards.processes import Process, World


class Agents:
    """Agents by their names, of which no two may ever lead one namespace."""

    def __init__(self) -> None:
        self.world = World()
        self.all: dict[str, Process] = {}

    def start(self, name: str, shards: int) -> Process:
        process = self.all[name] = Process(self.world, name, shards)
        process.start()
        return process

    async def pass_time(self, seconds: float) -> None:
        await self.world.pass_time(seconds, self.look)

    def look(self) -> None:
        for one, other in combinations(self.all.values(), 2):
            both = set(one.led()) & set(other.led()) if one.shards == other.shards else one.led() and other.led()
            assert not both, f"{one.name} and {other.name} both lead {both}, at {self.world.now_s}"

    def led(self) -> dict[str, list[int]]:
        return {name: process.led() for name, process in self.all.items()}

    async def close(self) -> None:
        """End what is left, whatever it waits for."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)


@asynccontextmanager
async def settled(*names: str, shards: int) -> AsyncIterator[Agents]:
    """Agents that have shared the shards."""
    agents = Agents()
    try:
        for name in names:
            agents.start(name, shards)
        await agents.pass_time(15.0)
        yield agents
    finally:
        await agents.close()


async def test_one_leader_has_the_lease_as_it_ever_was_and_no_other() -> None:
    async with settled("a", "b", shards=1) as agents:
        assert sorted(agents.led().values()) == [[], [0]]
        assert list(agents.world.leases) == ["serin-agent"]
        assert agents.world.leases["serin-agent"]["spec"]["holderIdentity"] in {"a", "b"}


@pytest.mark.parametrize(("names", "shares"), [("a", [3]), ("ab", [1, 2]), ("abc", [1, 1, 1]), ("abcd", [0, 1, 1, 1])])
async def test_shards_are_shared_among_as_many_agents_as_there_are(names: str, shares: list[int]) -> None:
    async with settled(*names, shards=3) as agents:
        assert sorted(map(len, agents.led().values())) == shares
        assert sorted(shard for led in agents.led().values() for shard in led) == [0, 1, 2]
        leases = agents.world.leases
        assert {"serin-agent", "serin-agent.shard-0", "serin-agent.shard-1", "serin-agent.shard-2"} <= leases.keys()
        assert leases.keys() <= {
            "serin-agent",
            "serin-agent.shard-0",
            "serin-agent.shard-1",
            "serin-agent.shard-2",
            "serin-agent.waiting",
        }
        assert leases["serin-agent"]["spec"]["holderIdentity"] == "3 leaders"
        assert leases["serin-agent.shard-0"]["spec"]["holderIdentity"] in set(names)


@pytest.mark.parametrize("namespace", ["waiting", "0", "shard-0"])
def test_an_agent_of_a_namespace_has_no_lease_of_a_shard_whatever_the_namespace_is_called(namespace: str) -> None:
    assert shard_leases("serin-agent", 2) == ("serin-agent.shard-0", "serin-agent.shard-1")
    assert lease_name(namespace, "gloo-system") == f"serin-agent-{namespace}"
    assert lease_name(namespace, "gloo-system") not in {*shard_leases("serin-agent", 2), waiting_lease("serin-agent")}


async def test_agents_of_the_version_with_other_names_of_leases_are_waited_for_until_the_last_one_is_gone() -> None:
    async with settled(shards=2) as agents:
        leases = agents.world.leases
        new = agents.start("new", 2)
        for renewal in range(10):
            # The older ones hold their shards by names that this version does not look at, and this one together.
            metadata = {"name": "serin-agent", "namespace": "gloo-system", "resourceVersion": f"old-{renewal}"}
            spec = {"holderIdentity": "2 shards", "leaseDurationSeconds": 12}
            leases["serin-agent"] = {"metadata": metadata, "spec": spec}
            await agents.pass_time(2.0)
            assert new.led() == []
        await agents.pass_time(16.0)
        assert new.led() == [0, 1]


@pytest.mark.parametrize("since_s", [0.1, 0.7, 1.3, 1.9])
@pytest.mark.parametrize("shards", [1, 4])
async def test_what_an_agent_led_is_led_within_15_s_of_its_death(shards: int, since_s: float) -> None:
    async with settled("a", "b", shards=shards) as agents:
        await agents.pass_time(since_s)
        (killed,) = (one for one in agents.all.values() if 0 in one.led())
        killed.kill()
        await agents.pass_time(14.5)
        assert sorted(shard for led in agents.led().values() for shard in led) == list(range(shards))


@pytest.mark.parametrize("shards", [1, 2, 4])
async def test_what_an_agent_led_is_led_within_3_s_of_its_orderly_end(shards: int) -> None:
    async with settled("a", "b", shards=shards) as agents:
        (ended,) = (one for one in agents.all.values() if 0 in one.led())
        ended.end()
        await agents.pass_time(2.5)
        assert sorted(shard for led in agents.led().values() for shard in led) == list(range(shards))


async def test_who_comes_back_gets_its_share_in_an_orderly_way() -> None:
    async with settled("a", "b", shards=4) as agents:
        agents.all["a"].kill()
        await agents.pass_time(15.0)
        assert len(agents.led()["b"]) == 4
        agents.start("c", 4)
        await agents.pass_time(30.0)
        assert (len(agents.led()["b"]), len(agents.led()["c"])) == (2, 2)
        before = agents.led()
        await agents.pass_time(60.0)
        assert agents.led() == before, "shares that are fair stay"


async def test_a_shard_that_is_handed_back_is_left_to_others_for_five_seconds() -> None:
    async with settled("a", shards=2) as agents:
        leases = agents.all["a"]._leases
        assert leases is not None
        leases._surplus[1].set()
        await agents.pass_time(4.5)
        assert agents.led() == {"a": [0]}
        await agents.pass_time(3.0)
        assert agents.led() == {"a": [0, 1]}, "nobody took it"


async def test_a_rolling_update_leaves_each_agent_its_share() -> None:
    async with settled("a1", "b1", "c1", shards=3) as agents:
        for name in "abc":
            agents.start(f"{name}2", 3)
            await agents.pass_time(5.0)
            agents.all[f"{name}1"].end()
            await agents.pass_time(5.0)
        await agents.pass_time(10.0)
        led = agents.led()
        assert [len(led[f"{name}2"]) for name in "abc"] == [1, 1, 1]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2)])
async def test_agents_of_another_number_of_shards_wait_until_the_last_one_is_gone(before: int, after: int) -> None:
    async with settled("old-1", "old-2", shards=before) as agents:
        agents.start("new-1", after)
        agents.start("new-2", after)
        agents.all["old-1"].end()
        await agents.pass_time(60.0)
        assert len(agents.led()["old-2"]) == before
        assert agents.led()["new-1"] == agents.led()["new-2"] == []
        agents.all["old-2"].end()
        await agents.pass_time(16.0)
        led = agents.led()
        assert sorted(led["new-1"] + led["new-2"]) == list(range(after))


async def test_an_agent_that_was_stopped_leads_nothing_when_it_goes_on() -> None:
    async with settled("a", "b", shards=2) as agents:
        stopped, other = agents.all["a"], agents.all["b"]
        stopped.stopped_until_s = agents.world.now_s + 60.0
        await agents.pass_time(15.0)
        assert (stopped.led(), other.led()) == ([], [0, 1])
        await agents.pass_time(70.0)
        assert (len(stopped.led()), len(other.led())) == (1, 1)


@pytest.mark.parametrize("after", [1, 3])
async def test_who_can_renew_its_shards_alone_gives_them_back_before_those_of_another_number_lead(after: int) -> None:
    async with settled("old", shards=2) as agents:
        new = agents.start("new", after)
        agents.all["old"].unreachable = ("serin-agent",)
        await agents.pass_time(30.0)
        assert (agents.all["old"].led(), new.led()) == ([], list(range(after)))


async def test_who_is_stopped_when_its_number_of_shards_is_about_to_change_leads_nothing_when_it_goes_on() -> None:
    async with settled("old", shards=2) as agents:
        old, new = agents.all["old"], agents.start("new", 3)
        old.unreachable = ("serin-agent",)
        await agents.pass_time(7.0)
        old.stopped_until_s = agents.world.now_s + 60.0  # its shards were renewed until now
        await agents.pass_time(100.0)
        assert (old.led(), new.led()) == ([], [0, 1, 2])


EVENTS = st.tuples(
    st.floats(0.0, 8.0),
    st.sampled_from(["start", "end", "kill", "stop", "cut off", "cut off from one", "mend"]),
    st.integers(0, 5),
    st.sampled_from([1, 2, 2, 3]),
    st.floats(1.0, 40.0),
)


async def play(events: list[tuple[float, str, int, int, float]], latencies: list[float]) -> None:
    async with settled(shards=1) as agents:
        await _play(agents, events, latencies)


async def _play(agents: Agents, events: list[tuple[float, str, int, int, float]], latencies: list[float]) -> None:
    draws = Counter[str]()

    def latency_s() -> float:
        draws["latency"] += 1
        return latencies[draws["latency"] % len(latencies)]

    agents.world.latency_s = latency_s
    shards = 2
    for after_s, event, number, number_of_shards, for_s in events:
        await agents.pass_time(after_s)
        there = list(agents.all.values())
        if event == "start" or not there:
            shards = number_of_shards
            agents.start(f"p{len(there)}", shards)
            continue
        process = there[number % len(there)]
        if event == "end" and process.stopped_until_s < agents.world.now_s:
            process.end()
        elif event == "kill":
            process.kill()
        elif event == "stop":
            process.stopped_until_s = max(process.stopped_until_s, agents.world.now_s + for_s)
        elif event == "cut off from one":
            process.unreachable = ("serin-agent",)
        else:
            process.is_cut_off, process.unreachable = event == "cut off", ()
    for process in agents.all.values():
        process.is_cut_off, process.unreachable = False, ()
        if process.shards != shards:
            process.kill()
    agents.world.latency_s = lambda: 0.01
    last = agents.start("last", shards)
    await agents.pass_time(120.0)
    alive = [one for one in agents.all.values() if one.led() or one is last]
    assert sorted(shard for one in alive for shard in one.led()) == list(range(shards))
    shares = [len(one.led()) for one in alive]
    assert max(shares) - min(shares) <= 1 or shards == 1


@given(st.lists(EVENTS, min_size=3, max_size=25), st.lists(st.floats(0.001, 3.0), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_no_namespace_has_two_leaders_and_each_has_one_in_the_end(
    events: list[tuple[float, str, int, int, float]], latencies: list[float]
) -> None:
    asyncio.run(play(events, latencies))
