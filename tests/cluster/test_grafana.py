"""Every query of the dashboard, asked of the real Prometheus after a promotion and a rollback under load."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
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
DASHBOARD = read_dashboard((FOLDER / "serin-canaries.json").read_text())
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
# What each query may give, at the least and at the most, over all its values.
SENSIBLE = {
    ("Canaries", "A"): (1, 1000),
    ("Runs", "A"): (0, 2),
    ("Runs", "B"): (0, 100),
    ("Runs", "C"): (0, 100),
    ("Runs", "D"): (0, 100),
    ("Runs", "E"): (0, 100),
    ("Progressing", "A"): (0, 1000),
    ("Failed", "A"): (1, 1000),
    ("Promoted", "A"): (1, 1000),
    ("Rolled back", "A"): (1, 1000),
    ("Agents", "A"): (1, 2),
    ("Status over time", "A"): (0, 2),
    ("Status", "A"): (2, 2),
    ("Failed checks", "A"): (2, 2),
    ("Failed checks", "B"): (2, 2),
    ("Weight", "A"): (50, 100),
    ("Weight", "B"): (0, 50),
    ("Success rate", "A"): (10, 100.001),
    ("Success rate", "B"): (0, 100.001),
    ("Requests", "A"): (0, 1000),
    ("Requests", "B"): (0, 1000),
    ("Latency", "A"): (0.01, 60_000),
    ("Latency", "B"): (0.01, 60_000),
    ("Latency", "C"): (0.01, 60_000),
    ("Latency", "D"): (0.01, 60_000),
    ("Checks", "A"): (0, 100.001),
    ("Check: $metric", "A"): (0, 100.001),
    ("Check: $metric", "B"): (30, 100),
    ("Tick duration", "A"): (0, 5),
    ("Tick duration", "B"): (0, 5),
    ("Ticks", "A"): (0, 1000),
    ("Tick errors", "A"): (0, 1000),
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


async def ask_all(cluster: Cluster, since_s: float, namespace: str) -> tuple[Answer, ...]:
    window = Window(since_s, time.time(), SCRAPE_INTERVAL_S)
    async with aiohttp.ClientSession() as session:
        url = cluster.endpoints["prometheus"]
        return await ask(session, url, DASHBOARD, window, {"namespace": namespace, "canary": "app"})


def values(answers: tuple[Answer, ...], panel: str, ref: str, **labels: str) -> list[float]:
    about = [answer for answer in answers if (answer.query.panel, answer.query.ref) == (panel, ref)]
    return [number for answer in about for number in answer.numbers(**labels)]


async def test_every_query_of_the_dashboard_gives_sensible_values(cluster: Cluster, namespace: str) -> None:
    started_s = time.time()
    await run_twice(cluster, Rollouts(cluster, namespace))

    async def look() -> tuple[Answer, ...]:
        return await ask_all(cluster, started_s, namespace)

    ours = {"namespace": namespace, "name": "app"}
    answers = await eventually(look, lambda seen: 2 in values(seen, "Status over time", "A", **ours), within_s=60)
    for answer in answers:
        least, most = SENSIBLE[answer.query.panel, answer.query.ref]
        said = f"{answer.query.panel} {answer.query.ref}: {answer.text} gave {answer.series}"
        assert answer.numbers(), said
        assert least <= min(answer.numbers()), said
        assert max(answer.numbers()) <= most, said
    assert {(answer.query.panel, answer.query.ref) for answer in answers} == SENSIBLE.keys()
    assert_that_the_runs_are_seen(answers, ours)
    assert_that_checks_stand_beside_their_bounds(answers)


def assert_that_the_runs_are_seen(answers: tuple[Answer, ...], ours: dict[str, str]) -> None:
    assert values(answers, "Runs", "A", **ours) == [2]
    assert values(answers, "Runs", "C", **ours) == [2]
    assert values(answers, "Runs", "D", **ours) == [1]
    assert values(answers, "Runs", "E", **ours) == [1]
    assert {0, 1, 2} <= set(values(answers, "Status over time", "A", **ours))
    assert {0, 25} <= set(values(answers, "Weight", "B"))
    assert min(values(answers, "Success rate", "B")) < 99 <= max(values(answers, "Success rate", "B"))
    assert min(values(answers, "Success rate", "A")) < 99 <= max(values(answers, "Success rate", "A"))
    assert max(values(answers, "Requests", "A")) > max(values(answers, "Requests", "B")) > 1


def assert_that_checks_stand_beside_their_bounds(answers: tuple[Answer, ...]) -> None:
    def check(metric: str, bound: str) -> float:
        (value,) = values(answers, "Checks", "A", metric=metric, bound=bound)
        return value

    assert 0 < check("request-duration", "last value") < 30 == check("request-duration", "max")
    assert 0 <= check("request-success-rate", "last value") < 99 == check("request-success-rate", "min")
    assert check("request-success-rate", "max") == 100


def test_a_canary_that_is_not_there_is_said(cluster: Cluster) -> None:
    with pytest.raises(DashboardError, match=r"'namespace'.*wanted nowhere"):
        asyncio.run(ask_all(cluster, time.time() - 60, "nowhere"))


def test_the_config_map_is_found_by_the_sidecar(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-k", str(FOLDER))
    found = json.loads(cluster.kubectl("-n", namespace, "get", "configmap", "-l", "grafana_dashboard=1", "-o", "json"))[
        "items"
    ]
    assert [json.loads(text)["uid"] for item in found for text in item["data"].values()] == ["serin-canaries"]
