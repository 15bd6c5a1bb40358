"""What the routing says of a route: whose verdicts count, and what is known to be served."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.applied_objects import AppliedObjects
from agent.caches import Caches
from agent.providers.routing.gloo import GlooRouting
from agent.resources import ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES
from canary.api.names import Side
from canary.run.observation import RouteState
from canary.run.traffic import Traffic
from kube.client import Client
from kube.resource import Resource
from kube.store import Change, key_of
from render.route_table import route_table
from render.upstreams import upstream
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.unit.kube.apiserver import ManualTime, client_of, running_api_server

CANARY = podinfo_canary()
PROXY = "*v1.Proxy.gateway-proxy_gloo-system"
SETTLED, PENDING, UNACKNOWLEDGED = RouteState.SETTLED, RouteState.PENDING, RouteState.UNACKNOWLEDGED
NEIGHBOURS = "warning: \n  Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream { test.theirs } not found"
OURS = NEIGHBOURS.replace("test.theirs", "test.test-podinfo-canaryupstream-9898")
REJECTED = "1 error occurred:\n\t* Route Error: ProcessingError. Reason: no. Route Name: test_theirs-route-0-matcher-0"


class World:
    """The caches of a cluster, by hand: each write gets the next resourceVersion."""

    def __init__(self, client: Client, namespace: str = "") -> None:
        self.caches = Caches(client, namespace)
        self.now_s = 1000.0
        self._version = 0
        self.routing = GlooRouting(client, self.caches, AppliedObjects(client, self.caches), lambda: self.now_s)

    def put(self, resource: Resource, obj: dict[str, Any]) -> None:
        self._version += 1
        metadata = obj["metadata"] | {"resourceVersion": str(self._version)}
        self.caches.of(resource).remember(obj | {"metadata": metadata})

    def table(self, canary_percent: int = 10, **said: Any) -> None:
        """Write our table as Gloo leaves it, by default Accepted."""
        self.put(ROUTE_TABLES, route_table(CANARY, Traffic(canary_percent)) | status(**said))

    def acknowledge(self, canary_percent: int = 10, **said: Any) -> None:
        entries: tuple[dict[str, Any], ...] = ({}, said.pop("proxy", {"state": "Accepted"}))
        for entry in entries:
            self.now_s += 0.8
            self.table(canary_percent, proxy=entry, **said)
        self.now_s += 1

    def service(self, *routes: dict[str, Any], name: str = "podinfo", **said: Any) -> None:
        host = {"virtualHost": {"routes": list(routes)}}
        self.put(VIRTUAL_SERVICES, {"metadata": {"namespace": "test", "name": name}, "spec": host} | status(**said))

    def state(self) -> RouteState:
        route = self.routing.observe(CANARY, self.now_s)
        assert route is not None
        return route.state

    def explanation(self) -> str:
        route = self.routing.observe(CANARY, self.now_s)
        assert route is not None
        return route.explanation


def status(state: str = "Accepted", reason: str = "", proxy: dict[str, Any] | None = None) -> dict[str, Any]:
    proxies = {PROXY: {"state": "Accepted"} if proxy is None else proxy}
    return {"status": {"statuses": {"gloo-system": {"state": state, "reason": reason, "subresourceStatuses": proxies}}}}


def to(name: str) -> dict[str, Any]:
    return {"delegateAction": {"ref": {"name": name, "namespace": "test"}}}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as connected:
        yield connected


@pytest.fixture
def world(client: Client) -> World:
    """A table of ours that a VirtualService delegates to, and that was acknowledged."""
    made = World(client)
    made.service(to("podinfo"))
    made.table()
    made.acknowledge()
    assert made.state() is SETTLED
    return made


def test_a_write_is_settled_only_by_its_acknowledgement(world: World) -> None:
    world.table(20)
    assert world.state() is PENDING
    world.now_s += 3600
    assert world.state() is UNACKNOWLEDGED
    assert world.explanation().startswith("RouteTable test/podinfo is not acknowledged by Gloo after 5 s: is Gloo up")
    world.acknowledge(20)
    assert world.state() is SETTLED


def test_a_verdict_is_made_anew_of_what_the_proxies_said_last(world: World) -> None:
    world.acknowledge(proxy={"state": "Rejected", "reason": OURS})
    assert world.state() is RouteState.REJECTED
    # Told of a table by itself: what is kept of a verdict must not outlive any of what it was made of.
    table = world.caches.of(ROUTE_TABLES).get("test", "podinfo")
    assert table is not None
    world.routing._on_table(Change(key_of(table), table, table | status()))
    assert world.state() is SETTLED


def test_a_table_that_nothing_leads_to_has_nothing_to_wait_for(client: Client) -> None:
    world = World(client)
    world.service(to("theirs"))
    world.table(20)
    assert world.state() is SETTLED
    world.service(to("theirs"), to("podinfo"))
    assert world.state() is PENDING
    world.service(to("theirs"))
    assert world.state() is SETTLED


def test_an_agent_of_one_namespace_does_not_take_it_that_nothing_leads_to_a_table_with_a_proxy(client: Client) -> None:
    world = World(client, "test")
    world.table(20)
    world.now_s += 60
    assert world.state() is UNACKNOWLEDGED


@pytest.mark.parametrize("how", ["by reference", "by label"])
def test_a_table_is_led_to_through_other_tables(client: Client, how: str) -> None:
    world = World(client)
    world.service(to("front"))
    action = to("podinfo") if how == "by reference" else {"delegateAction": {"selector": {"namespaces": ["*"]}}}
    world.put(ROUTE_TABLES, {"metadata": {"namespace": "test", "name": "front"}, "spec": {"routes": [action]}})
    world.table(20)
    assert world.state() is PENDING


def test_tables_that_lead_to_each_other_are_no_way(client: Client) -> None:
    world = World(client)
    for name, other in (("front", "back"), ("back", "front")):
        routes = [to(other), to("podinfo")]
        world.put(ROUTE_TABLES, {"metadata": {"namespace": "test", "name": name}, "spec": {"routes": routes}})
    world.table(20)
    assert world.state() is SETTLED


def test_a_neighbours_warning_stops_nobody(world: World) -> None:
    world.table(proxy={"state": "Warning", "reason": NEIGHBOURS})
    world.service(to("podinfo"), to("missing"), state="Warning", reason="warning: \n  route table test.missing missing")
    world.service(to("theirs"), name="theirs", state="Rejected", reason="no")
    assert world.state() is SETTLED


def test_a_warning_that_names_our_upstream_is_ours(world: World) -> None:
    world.table(proxy={"state": "Warning", "reason": OURS})
    assert world.state() is RouteState.WARNED
    assert "test.test-podinfo-canaryupstream-9898 } not found" in world.explanation()


def test_an_upstream_of_ours_that_gloo_warns_of_is_ours(world: World) -> None:
    world.put(UPSTREAMS, upstream(CANARY, podinfo_deployment(), Side.CANARY) | status("Warning", "no endpoints"))
    assert (world.state(), world.explanation()) == (RouteState.WARNED, "no endpoints")


def test_a_rejected_service_that_leads_to_us_is_ours_whatever_is_wrong_with_it(world: World) -> None:
    world.service(to("podinfo"), to("theirs"), state="Rejected", reason="on sub route table test.theirs: invalid")
    assert world.state() is RouteState.REJECTED


def test_a_rejected_table_stays_so_while_a_neighbours_change_empties_its_entry(world: World) -> None:
    world.acknowledge(20, proxy={"state": "Rejected", "reason": REJECTED})
    assert world.state() is RouteState.REJECTED
    world.table(20, proxy={})
    assert world.state() is RouteState.REJECTED
    world.now_s += 1
    assert world.state() is RouteState.REJECTED


def test_a_refusal_is_told_though_gloo_acknowledges_nothing_of_what_it_leaves_out(world: World) -> None:
    world.service(to("podinfo"), state="Rejected", reason="no")
    world.table(20)
    world.now_s += 60
    assert world.state() is RouteState.REJECTED


def test_upstreams_are_accepted_one_by_one(world: World) -> None:
    target = podinfo_deployment()
    assert world.routing.unaccepted(CANARY).count("is Pending") == 2
    world.put(UPSTREAMS, upstream(CANARY, target, Side.PRIMARY) | status())
    world.put(UPSTREAMS, upstream(CANARY, target, Side.CANARY) | status("Warning", "no such service"))
    assert world.routing.unaccepted(CANARY) == (
        "Upstream test/test-podinfo-canaryupstream-9898 is Warning: no such service"
    )
    world.put(UPSTREAMS, upstream(CANARY, target, Side.CANARY) | status())
    assert world.routing.unaccepted(CANARY) == ""


def served_since(world: World) -> float | None:
    route = world.routing.observe(CANARY, world.now_s)
    assert route is not None
    return route.served_since_s


def test_since_when_a_split_is_served_is_known_from_its_acknowledgement_on(world: World) -> None:
    world.service(to("podinfo"))
    world.table(20)
    assert served_since(world) is None
    world.acknowledge(20)
    first_s = world.now_s
    assert served_since(world) == first_s
    world.now_s += 20
    assert served_since(world) == first_s


def test_another_split_is_served_from_its_own_acknowledgement_on_also_where_it_is_the_one_before(world: World) -> None:
    world.service(to("podinfo"))
    assert served_since(world) == world.now_s
    world.table(50)
    assert served_since(world) is None
    world.table(10)
    assert served_since(world) is None
    world.acknowledge(10)
    assert served_since(world) == world.now_s


def test_a_refusal_of_some_seconds_does_not_end_what_is_served(world: World) -> None:
    world.service(to("podinfo"))
    since_s = served_since(world)
    assert since_s is not None
    world.acknowledge(10, state="Rejected", reason="no such thing")
    assert (world.state(), served_since(world)) == (RouteState.REJECTED, since_s)


def test_what_a_leader_saw_before_another_led_is_not_known_any_more(world: World) -> None:
    world.service(to("podinfo"))
    served_since(world)
    world.now_s += 31
    assert served_since(world) == world.now_s


def test_a_clock_that_is_set_back_is_never_before_the_moment(world: World) -> None:
    world.service(to("podinfo"))
    world.acknowledge(10)
    served_since(world)
    world.now_s -= 60
    assert served_since(world) == world.now_s
