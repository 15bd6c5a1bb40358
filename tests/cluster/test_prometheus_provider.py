"""The Prometheus provider against the real Prometheus."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.caches import Caches
from agent.providers.errors import ProviderRefused
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, Question
from agent.providers.metrics.servers.prometheus import Prometheus, Series
from agent.providers.metrics.sources import Sources
from canary.api.names import Side
from canary.run.judge import CheckResult
from canary.run.state import State
from tests.support.canaries import canary
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.prometheus import prometheus_of


def prometheus_of_the(cluster: Cluster, session: aiohttp.ClientSession) -> Prometheus:
    address = cluster.endpoints["prometheus"]
    return Prometheus(Exchange(session, Connection(name=address, address=address, timeout_s=10)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("vector(42)", 42.0),
        ("42", 42.0),
        ("vector(0) / vector(0)", None),
        ("no_such_series", None),
        ('count(up{kubernetes_namespace="gloo-system"}) > bool 0', 1.0),
    ],
)
async def test_a_query_gives_a_number_or_none(cluster: Cluster, query: str, expected: float | None) -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = prometheus_of_the(cluster, session)
        assert await prometheus.value(Question(text=query, interval_s=60, now_s=time.time())) == expected


async def test_labels_come_with_the_values(cluster: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = prometheus_of_the(cluster, session)
        query = 'label_replace(vector(5), "code", "200", "", "")'
        elements, series = await prometheus.query(query), await prometheus.matrix(query, 60, 120, 30)
    assert [(dict(element.labels), element.value) for element in elements] == [({"code": "200"}, 5.0)]
    assert series == (Series({"code": "200"}, ((60, 5.0), (90, 5.0), (120, 5.0))),)


@pytest.mark.parametrize(
    ("query", "words"),
    [("sum(", "bad_data: .*parse error"), ("up[1m]", "gives a matrix"), ('"text"', "gives a string")],
)
async def test_a_bad_query_is_refused_with_prometheus_own_words(cluster: Cluster, query: str, words: str) -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = prometheus_of_the(cluster, session)
        with pytest.raises(ProviderRefused, match=words):
            await prometheus.value(Question(text=query, interval_s=60, now_s=time.time()))


class Envoy:
    """What an Envoy exposes of two clusters: a canary's with one error in four answers, another's with errors only."""

    def __init__(self, cluster: str) -> None:
        self.is_serving = True
        self._cluster = cluster
        self._counts: Counter[tuple[str, str]] = Counter()

    def exposition(self) -> str:
        if self.is_serving:
            self._counts.update(
                {(self._cluster, "200"): 3, (self._cluster, "503"): 1, (f"a-{self._cluster}", "503"): 8}
            )
        lines = []
        for (cluster, code), count in self._counts.items():
            label = f'envoy_cluster_name="{cluster}"'
            lines.append(f'envoy_cluster_upstream_rq{{{label},envoy_response_code="{code}"}} {count}')
        for cluster in (self._cluster, f"a-{self._cluster}"):
            label = f'envoy_cluster_name="{cluster}"'
            total = sum(count for (name, _), count in self._counts.items() if name == cluster)
            lines.append(f"envoy_cluster_upstream_rq_total{{{label}}} {total}")
            lines += [f'envoy_cluster_upstream_rq_time_bucket{{{label},le="{le}"}} {total}' for le in ("25", "+Inf")]
        return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "name",
    [
        "test-podinfo-canaryupstream-9898_test",
        "kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo-canary_9898",
    ],
)
async def test_the_builtin_checks_and_a_drain_see_the_canary_by_either_name_of_its_cluster(
    name: str, tmp_path: Path
) -> None:
    envoy, started_at_s = Envoy(name), time.time()
    nobody: Any = None  # no template, no secret: nobody asks the API server
    made = canary()
    assert made.analysis is not None
    rate, duration = made.analysis.metrics

    async with prometheus_of(envoy.exposition, tmp_path) as server, aiohttp.ClientSession() as session:
        checks = MetricChecks(Sources(session, nobody, Caches(nobody, ""), metrics_server=server, timeout_s=10))

        async def look() -> list[CheckResult]:
            return [await checks.check(made, State(), metric, time.time()) for metric in (rate, duration)]

        seen = await eventually(look, lambda results: all(result.value is not None for result in results))
        assert [result.text for result in seen] == ["success rate 75.00% < 99%", "request duration 25ms"]
        assert await checks.is_drained(made, Side.CANARY, started_at_s, time.time()) is False

        envoy.is_serving, shifted_at_s = False, time.time()

        async def is_drained() -> bool | None:
            return await checks.is_drained(made, Side.CANARY, shifted_at_s + 2, time.time())

        assert await eventually(is_drained, lambda drained: drained is True)
