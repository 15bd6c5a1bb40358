"""Every query of the dashboards, asked of the real Prometheus after a promotion and a rollback under load."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.dashboard import DashboardError, Window, read_dashboard
from tests.support.dashboard_answers import Answer, ask
from tests.support.eventually import eventually
from tests.support.rollout import Rollouts, canary, podinfo

pytestmark = [pytest.mark.timeout(240)]

FOLDER = REPOSITORY / "manifests" / "grafana"
BOARDS = {name: read_dashboard((FOLDER / f"{name}.json").read_text()) for name in ("serin-overview", "serin-canary")}
SCRAPE_INTERVAL_S = 5
PAUSE_S = 0.03
ANALYSIS = {
    "interval": "2s",
    "threshold": 2,
    "metrics": [
        {"name": "request-success-rate", "thresholdRange": {"min": 99, "max": 100}, "interval": "15s"},
        {"name": "request-duration", "thresholdRange": {"max": 30_000}, "interval": "15s"},
    ],
}
# What a query may give, at the least and at the most, over all its values; the others 0 or more. Each gives something.
OVERVIEW = {
    ("Canaries", "A"): (1, 1000),
    ("Failed", "A"): (1, 1000),
    ("Promoted", "A"): (1, 1000),
    ("Rolled back", "A"): (1, 1000),
    ("Agents", "A"): (1, 1),
    ("Agents", "B"): (1, 2),
    ("All canaries", "A"): (1, 1),
    ("All canaries", "B"): (0, 100),
    ("All canaries", "D"): (0, 1),
    ("All canaries", "G"): (1, 1000),
    ("Status over time", "A"): (0, 2),
    ("Who leads", "A"): (0, 1),
    ("Duration of runs", "A"): (1, 1000),
    ("Duration of runs", "B"): (1, 1000),
    ("Noticed after", "A"): (0, 60),
    ("Noticed after", "B"): (0, 300),
    ("Rolled back after", "A"): (0, 60),
    ("Rolled back after", "B"): (0, 60),
    ("Tick duration", "B"): (0, 60),
    ("Certificate ends in", "A"): (3600, 10 * 365 * 24 * 3600),
}
ONE_CANARY = {
    ("Phase", "A"): (2, 2),
    ("Ready", "A"): (0, 1),
    ("Failed checks", "A"): (2, 2),
    ("Failed checks", "B"): (2, 2),
    ("Last run", "A"): (1, 200),
    ("Promoted", "A"): (1, 1),
    ("Rolled back", "A"): (1, 1),
    ("Weight", "A"): (50, 100),
    ("Weight", "B"): (0, 50),
    ("Success rate", "A"): (0, 100.001),
    ("Success rate", "B"): (0, 100.001),
    ("Requests", "A"): (0, 1000),
    ("Requests", "B"): (0, 1000),
    ("Latency p99", "A"): (0.01, 60_000),
    ("Latency p99", "B"): (0.01, 60_000),
    ("Latency p50", "A"): (0.01, 60_000),
    ("Latency p50", "B"): (0.01, 60_000),
    ("Checks and their bounds", "A"): (0, 100.001),
    ("Check: $metric", "A"): (0, 100.001),
    ("Check: $metric", "B"): (30, 100),
    ("annotation Run begins", ""): (1, 1),
    ("annotation Weight", ""): (1, 1),
    ("annotation Promoted", ""): (1, 1),
    ("annotation Rolled back", ""): (1, 1),
}


class Load:
    """Requests through the gateway, one after the other; every second one asks for a 500 while `is_failing`."""

    def __init__(self, session: aiohttp.ClientSession, gateway: str, host: str) -> None:
        self.is_failing = False
        self._session = session
        self._gateway = gateway
        self._host = host

    async def run(self) -> None:
        while True:
            for path in ("/", "/status/500" if self.is_failing else "/"):
                async with self._session.get(self._gateway + path, headers={"Host": self._host}) as response:
                    await response.read()
                await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def load_on(cluster: Cluster, namespace: str) -> AsyncIterator[Load]:
    async with aiohttp.ClientSession() as session:
        load = Load(session, cluster.endpoints["gateway"], f"{namespace}.example.com")
        task = asyncio.create_task(load.run(), name="load")
        try:
            yield load
        finally:
            task.cancel()
            failure = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(failure, asyncio.CancelledError), f"the load ended by itself: {failure!r}"


def virtual_service(namespace: str, route_table: str) -> dict[str, object]:
    delegate = {"ref": {"name": route_table, "namespace": namespace}}
    route = {"matchers": [{"prefix": "/"}], "delegateAction": delegate}
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": route_table},
        "spec": {"virtualHost": {"domains": [f"{namespace}.example.com"], "routes": [route]}},
    }


async def run_twice(cluster: Cluster, rollouts: Rollouts) -> None:
    """Bring the canary `app`, whose service has another name, through a promotion and a rollback."""
    service = {"name": "shop", "port": 9898}
    target = podinfo("app")
    # The gateway learns of a ready pod up to 0.8 s later, and answers 503 in its place until then.
    target["spec"]["minReadySeconds"] = 2
    rollouts.apply(virtual_service(rollouts.namespace, "shop"), target, canary("app", ANALYSIS, service=service))
    await asyncio.to_thread(rollouts.wait_for_phase, "app", "Initialized")
    async with load_on(cluster, rollouts.namespace) as load:
        rollouts.set_image("app", "3.1.1")
        await asyncio.to_thread(rollouts.wait_for_phase, "app", "Succeeded", 90)
        load.is_failing = True
        rollouts.set_image("app", "3.1.2")
        await asyncio.to_thread(rollouts.wait_for_phase, "app", "Failed", 90)


async def ask_all(cluster: Cluster, board: str, since_s: float, **chosen: str) -> tuple[Answer, ...]:
    window = Window(since_s, time.time(), SCRAPE_INTERVAL_S)
    async with aiohttp.ClientSession() as session:
        return await ask(session, cluster.endpoints["prometheus"], BOARDS[board], window, chosen)


def values(answers: tuple[Answer, ...], panel: str, ref: str, **labels: str) -> list[float]:
    about = [answer for answer in answers if (answer.query.panel, answer.query.ref) == (panel, ref)]
    return [number for answer in about for number in answer.numbers(**labels)]


async def test_every_query_of_the_dashboards_gives_sensible_values(cluster: Cluster, namespace: str) -> None:
    started_s = time.time()
    await run_twice(cluster, Rollouts(cluster, namespace))

    async def faults(board: str, sensible: Mapping[tuple[str, str], tuple[float, float]], **chosen: str) -> list[str]:
        return list(not_sensible(await ask_all(cluster, board, started_s, **chosen), sensible))

    # What came last, the end of the rollback, is scraped some seconds later.
    ours, chosen = {"namespace": namespace, "name": "app"}, {"namespace": namespace, "canary": "app"}
    await eventually(lambda: faults("serin-overview", OVERVIEW), lambda found: found == [], within_s=60)
    await eventually(lambda: faults("serin-canary", ONE_CANARY, **chosen), lambda found: found == [], within_s=60)
    assert_that_the_runs_are_seen(await ask_all(cluster, "serin-overview", started_s), ours)
    seen = await ask_all(cluster, "serin-canary", started_s, **chosen)
    assert_that_the_sides_are_seen(seen)
    assert_that_checks_stand_beside_their_bounds(seen)


def not_sensible(answers: tuple[Answer, ...], sensible: Mapping[tuple[str, str], tuple[float, float]]) -> Iterator[str]:
    """Yield each query that gave nothing, or a number out of its bounds."""
    assert sensible.keys() <= {(answer.query.panel, answer.query.ref) for answer in answers}
    for answer in answers:
        least, most = sensible.get((answer.query.panel, answer.query.ref), (0, math.inf))
        numbers = answer.numbers()
        if not numbers or min(numbers) < least or max(numbers) > most:
            yield f"{answer.query.panel} {answer.query.ref}: {answer.text} gave {answer.series}"


def assert_that_the_runs_are_seen(answers: tuple[Answer, ...], ours: dict[str, str]) -> None:
    assert values(answers, "All canaries", "A", phase="Failed", **ours) == [1]
    assert values(answers, "All canaries", "C", **ours) == [2]
    assert values(answers, "All canaries", "E", **ours) == [1]
    assert values(answers, "All canaries", "F", **ours) == [1]
    assert len(values(answers, "All canaries", "G", outcome="rolledBack", **ours)) == 1
    assert {0, 1, 2} <= set(values(answers, "Status over time", "A", **ours))
    assert values(answers, "annotation Promoted", "", **ours) == [1]
    assert values(answers, "annotation Rolled back", "", **ours) == [1]


def assert_that_the_sides_are_seen(answers: tuple[Answer, ...]) -> None:
    assert {0, 25} <= set(values(answers, "Weight", "B"))
    assert min(values(answers, "Success rate", "B")) < 99 <= max(values(answers, "Success rate", "B"))
    assert min(values(answers, "Success rate", "A")) < 99 <= max(values(answers, "Success rate", "A"))
    assert max(values(answers, "Requests", "A")) > max(values(answers, "Requests", "B")) > 1
    # Two runs began, and the weight was 25 in both; each mark is one point, so that it is one on the graph.
    assert values(answers, "annotation Run begins", "") == [1, 1]
    assert values(answers, "annotation Weight", "", weight="25") == [1, 1]
    assert values(answers, "annotation Promoted", "") == [1]
    assert values(answers, "annotation Rolled back", "") == [1]


def assert_that_checks_stand_beside_their_bounds(answers: tuple[Answer, ...]) -> None:
    def check(metric: str, bound: str) -> float:
        (value,) = values(answers, "Checks and their bounds", "A", metric=metric, bound=bound)
        return value

    assert 0 < check("request-duration", "last value") < 30 == check("request-duration", "max")
    assert 0 <= check("request-success-rate", "last value") < 99 == check("request-success-rate", "min")
    assert check("request-success-rate", "max") == 100
    assert max(values(answers, "Verdicts", "A", metric="request-success-rate", verdict="fail")) >= 1
    assert max(values(answers, "Verdicts", "A", metric="request-duration", verdict="pass")) >= 1


def test_a_canary_that_is_not_there_is_said(cluster: Cluster) -> None:
    with pytest.raises(DashboardError, match=r"'namespace'.*wanted nowhere"):
        asyncio.run(ask_all(cluster, "serin-canary", time.time() - 60, namespace="nowhere"))


def test_the_config_map_is_found_by_the_sidecar(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-k", str(FOLDER))
    found = json.loads(cluster.kubectl("-n", namespace, "get", "configmap", "-l", "grafana_dashboard=1", "-o", "json"))[
        "items"
    ]
    uids = [json.loads(text)["uid"] for item in found for text in item["data"].values()]
    assert sorted(uids) == ["serin-canaries", "serin-canary"]
