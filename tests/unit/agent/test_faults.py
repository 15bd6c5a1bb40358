"""The agent through faults around it, each for its full time: a run is under way, and ends as it would without.

The agent is the whole one; the cluster is in memory, and time passes while nobody has anything to do. In each of these
users ask the gateway all the time: no side may have a share of the traffic and no pod.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from agent.shards.assignment import shard_of
from tests.support.faults.api import Json
from tests.support.faults.world import World, fault_world
from tests.support.stored_api.store import Object, Place

MINUTE_S = 60.0
HOUR_S = 3600.0

# What a run tells, each once.
TOLD = (
    "New revision detected! Scaling up podinfo.test",
    "Starting canary analysis for podinfo.test",
    "Advance podinfo.test canary weight 25",
    "Advance podinfo.test canary weight 50",
    "Copying podinfo.test template spec to podinfo-primary.test",
    "Routing all traffic to primary",
    "Promotion completed! Scaling down podinfo.test",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with fault_world(tmp_path) as made:
        yield made


def assert_told_once(world: World) -> None:
    told = Counter(world.events())
    assert {text: told[text] for text in TOLD} == dict.fromkeys(TOLD, 1)


def lease(world: World) -> Json:
    spec: Json = world.api.get("leases", "serin-agent", "gloo-system")["spec"]
    return spec


def leaders(world: World) -> list[str]:
    """Return which agents hold the Leases of two shards, by the uids of their pods."""
    found = [world.api.get("leases", f"serin-agent.shard-{shard}", "gloo-system") for shard in (0, 1)]
    return [one.get("spec", {}).get("holderIdentity", "").rpartition("_")[2] for one in found]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"is_down": True}, id="down"),
        pytest.param({"retry_after_s": 2.0}, id="429"),
        pytest.param({"is_compacted": True}, id="410"),
        pytest.param({"delay_s": 4.0}, id="slow"),
        pytest.param({"cuts_bodies": True}, id="answers end in their middle"),
    ],
)
async def test_an_api_server_that_fails_for_a_minute_costs_a_run_time_and_nothing_else(
    world: World, fault: dict[str, Any]
) -> None:
    async with world.agent():
        await world.under_way()
        world.api.compact()
        world.to_api.made.clear()
        await world.to_api.switch(**fault)
        world.to_api.cut()
        await world.passes(MINUTE_S)
        assert sum(world.to_api.made.values()) >= 3
        await world.to_api.calm()
        await world.promoted()
    assert_told_once(world)
    assert world.status()["failedChecks"] == 0


@pytest.mark.parametrize(
    ("code", "is_after"), [(409, False), (500, False), (500, True), (0, True)], ids=["409", "500", "500 after", "lost"]
)
async def test_every_fifth_write_refused_or_unanswered_changes_nothing_of_a_run(
    world: World, code: int, *, is_after: bool
) -> None:
    await world.to_api.switch(nth_write=5, write_code=code, is_after=is_after)
    async with world.agent():
        await world.under_way()
        await world.promoted()
    assert sum(world.to_api.made.values()) >= 10
    assert_told_once(world)
    assert lease(world)["leaseTransitions"] == 0


async def test_watches_that_are_silently_dead_are_given_up_and_what_they_missed_is_found(world: World) -> None:
    async with world.agent():
        await world.initialized()
        await world.to_api.switch(is_silent=True)
        world.set_image("3.1.1")
        # Bookmarks come each minute; after 90 s without any the agent lists, and that shows the new image.
        await world.until("it is seen", lambda: world.status()["phase"] == "Progressing", within_s=5 * MINUTE_S)
        await world.to_api.calm()
        await world.promoted()
    assert_told_once(world)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"is_down": True}, id="down"),
        pytest.param({"delay_s": 15.0}, id="slow"),
        pytest.param({"value": "NaN"}, id="NaN"),
        pytest.param({"cuts_bodies": True}, id="answers end in their middle"),
        pytest.param({"retry_after_s": 5.0}, id="429"),
    ],
)
async def test_a_prometheus_that_fails_for_a_minute_holds_the_weight_and_fails_no_check(
    world: World, fault: dict[str, Any]
) -> None:
    async with world.agent():
        await world.under_way()
        await world.to_metrics.switch(**fault)
        await world.passes(MINUTE_S)
        assert (world.status()["phase"], world.weights()) == ("Progressing", (75, 25))
        assert world.status()["failedChecks"] == 0
        await world.to_metrics.calm()
        await world.promoted()
    assert_told_once(world)


async def test_a_load_tester_that_is_down_holds_the_weight_and_fails_no_check(world: World) -> None:
    hook = {"name": "load", "type": "rollout", "url": f"http://hooks.test:{world.to_hooks.port}/rollout"}
    async with world.agent():
        await world.under_way({"webhooks": [hook]})
        await world.to_hooks.switch(is_down=True)
        await world.passes(MINUTE_S)
        assert (world.status()["phase"], world.status()["failedChecks"]) == ("Progressing", 0)
        assert world.weights() == (75, 25)
        await world.to_hooks.calm()
        await world.promoted()
    assert world.hooks.calls
    assert_told_once(world)


async def test_names_that_do_not_resolve_for_a_minute_cost_a_run_time_and_nothing_else(world: World) -> None:
    async with world.agent():
        await world.under_way()
        world.names.is_failing, asked = True, world.names.asked
        world.to_api.cut()
        world.to_metrics.cut()
        await world.passes(MINUTE_S)
        assert world.names.asked > asked
        assert world.status()["phase"] == "Progressing"
        world.names.is_failing = False
        await world.promoted()
    assert_told_once(world)


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
async def test_a_clock_of_the_agent_alone_that_jumps_costs_no_run_and_no_lease(world: World, by_s: float) -> None:
    async with world.agent():
        await world.under_way()
        world.clock.skew_s = by_s
        await world.passes(MINUTE_S / 4)
        world.clock.skew_s = 0.0
        await world.promoted(within_s=2 * MINUTE_S)
    assert_told_once(world)
    assert lease(world)["leaseTransitions"] == 0


@pytest.mark.parametrize("refuses", ["", "1 error occurred: * invalid route"], ids=["gone", "refuses"])
async def test_a_gloo_that_is_gone_or_refuses_for_a_minute_holds_the_weight(world: World, refuses: str) -> None:
    async with world.agent():
        await world.under_way()
        world.gloo.is_stopped, world.gloo.refuses = not refuses, refuses
        world.gloo.reject()
        await world.passes(MINUTE_S)
        assert (world.status()["phase"], world.weights()) == ("Progressing", (75, 25))
        world.gloo.refuses = ""
        world.gloo.restart()
        await world.promoted()
    assert_told_once(world)


async def test_a_node_gone_with_the_primarys_pods_ends_no_run_and_the_traffic_comes_back(world: World) -> None:
    async with world.agent():
        await world.under_way()
        world.users.injected.add("podinfo-primary")
        world.pods.lose("podinfo-primary")
        await world.until("the side that serves has all the traffic", lambda: world.weights() == (0, 100), MINUTE_S)
        await world.passes(MINUTE_S)
        assert (world.weights(), world.pods.available("podinfo")) == ((0, 100), 2)
        world.pods.find("podinfo-primary")
        await world.until("it is up", lambda: world.pods.available("podinfo-primary") > 0)
        world.users.injected.clear()
        await world.promoted()


async def test_an_agent_that_is_killed_is_followed_by_another_that_ends_the_run(world: World) -> None:
    async with world.agent():
        await world.under_way()
        # A process that is killed gives nothing back: its Lease stays as it is.
        await world.to_api.switch(is_down=True)
    await world.to_api.calm()
    async with world.agent(pod_uid="agent-2"):
        await world.promoted()
        assert lease(world)["holderIdentity"].endswith("_agent-2")
    assert_told_once(world)


async def test_a_leader_of_some_namespaces_that_is_killed_is_followed_by_another_within_15_s(world: World) -> None:
    assert shard_of("test", 2) == 0
    async with world.way() as way, AsyncExitStack() as stack:
        async with world.agent("agent-1", shards=2, way=way):
            await world.until("one leads all", lambda: leaders(world) == ["agent-1", "agent-1"], MINUTE_S)
            _ = await stack.enter_async_context(world.agent("agent-2", shards=2))
            await world.until("they share", lambda: leaders(world) == ["agent-1", "agent-2"], MINUTE_S)
            await world.under_way()
            # A process that is killed gives nothing back: its Leases stay as they are.
            await way.switch(is_down=True)
        assert leaders(world) == ["agent-1", "agent-2"]
        await world.until("the other one leads both", lambda: leaders(world) == ["agent-2", "agent-2"], 15.0)
        assert world.status()["phase"] == "Progressing"
        await world.promoted()
    assert_told_once(world)


async def test_one_faulty_object_stops_no_other_and_what_is_broken_by_hand_is_put_right(world: World) -> None:
    undecodable = {"metadata": {"name": "broken", "namespace": "test"}, "spec": {"analysis": {"interval": ["10s"]}}}
    world.api.create("canaries", undecodable | {"status": {"phase": ["Progressing"]}})
    async with world.agent():
        await world.under_way()
        world.api.delete("routetables", "podinfo")
        world.api.edit("services", "podinfo-primary", lambda obj: obj["spec"].update(selector={"app": "nobody"}))
        world.users.lost.clear()

        def is_put_right() -> bool:
            selector = world.api.get("services", "podinfo-primary")["spec"]["selector"]
            return bool(world.api.get("routetables", "podinfo")) and selector == {"app": "podinfo-primary"}

        await world.until("both are as they were", is_put_right, MINUTE_S)
        await world.promoted()
    assert_told_once(world)


async def test_a_rollback_is_the_most_urgent_from_the_moment_it_is_stored(world: World) -> None:
    """The API server asks to be left alone for 20 s just between the status that says so and the route."""
    was_off = False

    def on_change(place: Place, *_: Object | None) -> None:
        nonlocal was_off
        if not was_off and place.plural == "canaries" and world.status().get("phase") == "Failed":
            was_off = True
            world.to_api.switches = world.to_api.switches.with_changes({"retry_after_s": 20.0})

    async with world.agent():
        await world.under_way()
        world.api.store.listeners.append(on_change)
        world.metrics.rate = "1"
        await world.until("it is stored that it failed", lambda: was_off)
        await world.passes(1.0)
        assert world.weights() == (75, 25)
        await world.to_api.calm()
        await world.until("the traffic is back", lambda: world.weights() == (100, 0), within_s=5.0)


async def test_checks_go_on_while_the_api_server_asks_to_be_left_alone(world: World) -> None:
    """Else a bad revision would be served for as long as it asks for."""
    async with world.agent():
        await world.under_way()
        await world.until("a check was asked", lambda: world.metrics.asked > 0)
        await world.passes(2.0)
        await world.to_api.switch(retry_after_s=60.0)
        world.to_api.cut()
        asked = world.metrics.asked
        await world.passes(50.0)
        assert world.metrics.asked > asked


async def test_an_old_port_goes_though_nothing_happens_any_more(world: World) -> None:
    """Services keep it until the gateway has left it for a while, of which no event tells a canary at rest."""

    def move(canary: Json) -> None:
        canary["spec"]["service"] = {"port": 8080, "targetPort": 9898}
        canary["metadata"]["generation"] = 2

    def ports(name: str) -> list[int]:
        return [port["port"] for port in world.api.get("services", name)["spec"]["ports"]]

    async with world.agent():
        await world.initialized()
        await world.passes(30.0)
        world.api.edit("canaries", "podinfo", move)
        await world.until("it has both", lambda: len(ports("podinfo-primary")) == 2, MINUTE_S)
        await world.until("the old one is gone", lambda: ports("podinfo-primary") == [8080], MINUTE_S)
    assert (ports("podinfo"), ports("podinfo-canary")) == ([8080], [8080])
