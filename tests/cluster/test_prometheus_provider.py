"""The Prometheus provider against the real Prometheus."""

import aiohttp
import pytest

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.prometheus import Prometheus
from tests.support.cluster import Cluster


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
        prometheus = Prometheus(session, cluster.endpoints["prometheus"], timeout_s=10)
        assert await prometheus.value(query) == expected


async def test_labels_come_with_the_values(cluster: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(session, cluster.endpoints["prometheus"], timeout_s=10)
        elements = await prometheus.query('label_replace(vector(5), "code", "200", "", "")')
    assert [(dict(element.labels), element.value) for element in elements] == [({"code": "200"}, 5.0)]


@pytest.mark.parametrize(
    ("query", "words"),
    [("sum(", "bad_data: .*parse error"), ("up[1m]", "gives a matrix"), ('"text"', "gives a string")],
)
async def test_a_bad_query_is_refused_with_prometheus_own_words(cluster: Cluster, query: str, words: str) -> None:
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(session, cluster.endpoints["prometheus"], timeout_s=10)
        with pytest.raises(ProviderRefused, match=words):
            await prometheus.value(query)
