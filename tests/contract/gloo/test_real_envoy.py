"""A real Envoy, fed by the sandbox's ADS server: it must come to run what was recorded behind a real Gloo."""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.gloo.translate import translate
from tests.support import gloo_cases
from tests.support.envoy import Envoy, Json, running_envoy, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NO_ROUTES = translate(gloo_cases.snapshot([]))
_OK = "200 ok"
_REFUSED = "http.http.rds.listener-__-8080-routes.update_rejected"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def envoy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Envoy]:
    async with running_envoy(tmp_path_factory.mktemp("envoy"), _NO_ROUTES) as envoy:
        yield envoy


async def _serve(envoy: Envoy, items: list[Json]) -> list[Json]:
    """Publish nothing, then `items`; the virtual hosts that Envoy then routes by."""
    await envoy.ads.publish(_NO_ROUTES)
    await until(envoy.virtual_hosts, lambda hosts: hosts == [])
    await _publish(envoy, items)
    return await until(envoy.virtual_hosts, lambda hosts: hosts != [])


async def _publish(envoy: Envoy, items: list[Json]) -> None:
    await envoy.ads.publish(translate(gloo_cases.snapshot(items)))


@pytest.mark.parametrize("case", [case for case in gloo_cases.CASES if gloo_cases.is_served(case)])
async def test_envoy_routes_by_what_was_recorded(case: str, envoy: Envoy) -> None:
    hosts = await _serve(envoy, gloo_cases.objects(case) + gloo_cases.surroundings())
    assert gloo_cases.recorded_form(hosts) == gloo_cases.recording(case)["envoy_virtual_hosts"]


@pytest.mark.parametrize("case", [case for case in gloo_cases.CASES if not gloo_cases.is_served(case)])
async def test_routes_that_envoy_refuses_leave_the_old_ones_in_force(case: str, envoy: Envoy) -> None:
    before = await _serve(envoy, gloo_cases.objects("weight-95-5") + gloo_cases.surroundings())
    refused = await envoy.counter(_REFUSED)

    await _publish(envoy, gloo_cases.objects(case) + gloo_cases.surroundings())
    await until(lambda: envoy.counter(_REFUSED), lambda count: count > refused)
    assert await envoy.virtual_hosts() == before

    await _publish(envoy, gloo_cases.objects("weight-0-100") + gloo_cases.surroundings())
    mended = gloo_cases.recording("weight-0-100")["envoy_virtual_hosts"]
    await until(envoy.virtual_hosts, lambda hosts: gloo_cases.recorded_form(hosts) == mended)


@pytest.mark.parametrize("case", gloo_cases.UPSTREAM_CASES)
async def test_envoy_runs_the_recorded_cluster(case: str, envoy: Envoy) -> None:
    await envoy.ads.publish(_NO_ROUTES)
    await until(envoy.clusters, lambda clusters: clusters == {})
    await _publish(envoy, [gloo_cases.upstream(case), *gloo_cases.surroundings()])
    recorded = gloo_cases.upstream_recording(case)["envoy_cluster"]
    # Envoy takes one after the other: the surroundings' may be there before that of the case.
    wanted = {"conf-app-canaryupstream-9898_conf"} | ({"u_conf"} if recorded else set())
    clusters = await until(envoy.clusters, lambda clusters: wanted <= clusters.keys())
    assert gloo_cases.without_hash(clusters.get("u_conf")) == gloo_cases.without_hash(recorded)


async def test_no_request_fails_while_everything_around_it_changes(envoy: Envoy) -> None:
    async with _two_sides() as items, _users(envoy, items) as answers:
        for round_number in range(24):
            case = ("kube-destinations", "single-destination", "weight-95-5")[round_number % 3]
            tuned = copy.deepcopy(items)
            for upstream in (item for item in tuned if item["kind"] == "Upstream"):
                upstream["spec"]["connectionConfig"] = {"connectTimeout": f"{1 + round_number}s"}
            await _publish(envoy, gloo_cases.objects(case) + tuned)
            await _until_used(answers, 25)
    assert set(answers) == {_OK}


async def test_no_request_fails_while_an_envoy_that_is_short_of_cpu_is_given_other_clusters(envoy: Envoy) -> None:
    async with _two_sides() as items, _users(envoy, items) as answers:
        for case in ("kube-destinations", "weight-50-50") * 2:
            async with envoy.stopped():
                publishing = asyncio.create_task(_publish(envoy, gloo_cases.objects(case) + items), name="publishing")
                await asyncio.wait([publishing], timeout=0.5)
            await publishing
    assert set(answers) == {_OK}


async def test_series_are_named_as_behind_a_real_gloo(envoy: Envoy) -> None:
    async with _two_sides() as items:
        await _serve(envoy, gloo_cases.objects("weight-0-100") + items)
        await until(lambda: _use(envoy), _OK.__eq__)
        async with envoy.session.get(f"{envoy.metrics}/metrics") as response:
            lines = (await response.text()).splitlines()
    cluster = 'envoy_cluster_name="conf-app-canaryupstream-9898_conf"'
    assert any(line.startswith(f'envoy_cluster_upstream_rq{{envoy_response_code="200",{cluster}}} ') for line in lines)
    assert any(line.startswith(f'envoy_cluster_upstream_rq_time_bucket{{{cluster},le="25"}} ') for line in lines)


async def _use(envoy: Envoy) -> str:
    """Status and text; where Envoy answers by itself, its reason if it gives one."""
    async with envoy.session.get(envoy.gateway, headers={"Host": "app.example.com"}) as response:
        return f"{response.status} {await response.text()}"


async def _use_until(envoy: Envoy, is_over: asyncio.Event, answers: Counter[str]) -> None:
    while not is_over.is_set():
        answers[await _use(envoy)] += 1


async def _until_used(answers: Counter[str], more: int) -> None:
    """Until the users have had so many answers more."""
    enough = answers.total() + more

    async def total() -> int:
        return answers.total()

    await until(total, lambda count: count >= enough)


@asynccontextmanager
async def _users(envoy: Envoy, items: list[Json]) -> AsyncIterator[Counter[str]]:
    """Eight users of both sides until the block ends, and what they are answered."""
    await _serve(envoy, gloo_cases.objects("weight-50-50") + items)
    await until(lambda: _use(envoy), _OK.__eq__)
    is_over = asyncio.Event()
    answers: Counter[str] = Counter()
    users = [asyncio.create_task(_use_until(envoy, is_over, answers), name=f"user {number}") for number in range(8)]
    try:
        yield answers
    finally:
        is_over.set()
        for user in users:
            await user


@asynccontextmanager
async def _two_sides() -> AsyncIterator[list[Json]]:
    """The surroundings of the cases, with a real server behind each side that takes a while to answer."""

    async def answer(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.005)
        return web.Response(text="ok")

    async with AsyncExitStack() as stack:
        items = [item for item in gloo_cases.surroundings() if item["kind"] != "EndpointSlice"]
        for side in ("primary", "canary"):
            app = web.Application()
            app.router.add_get("/", answer)
            server = await stack.enter_async_context(TestServer(app))
            assert server.port is not None
            items.append(gloo_cases.endpoint_slice(side, ["127.0.0.1"], server.port))
        yield items
