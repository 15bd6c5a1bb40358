"""The builtin checks' queries: valid PromQL, on exactly one side's cluster."""

from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from canary.api.names import Identity, Names, Side
from render.builtin_metrics import (
    SuccessCounts,
    request_count,
    request_duration,
    request_success_rate,
    success_counts,
)
from tests.support.podinfo import podinfo_canary

NAMES = Names.of(podinfo_canary())
QUERIES = [request_success_rate, request_duration, request_count]
CLUSTER = {
    Side.PRIMARY: (
        "test-podinfo-primaryupstream-9898_test"
        "|kube-upstream_test-podinfo-primaryupstream-9898_test_test_podinfo-primary_9898"
    ),
    Side.CANARY: (
        "test-podinfo-canaryupstream-9898_test"
        "|kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo-canary_9898"
    ),
}


def selectors(expression: Any) -> Iterator[Any]:
    """Every vector selector of a parsed query."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector"):
        if hasattr(expression, part):
            yield from selectors(getattr(expression, part))
    for argument in getattr(expression, "args", ()):
        yield from selectors(argument)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("query", QUERIES)
def test_query_is_promql_on_exactly_the_sides_cluster(query: Any, side: Side) -> None:
    found = list(selectors(promql_parser.parse(query(NAMES, side, 60).text)))
    assert found
    for selector in found:
        (matcher,) = selector.matchers.matchers
        assert (matcher.name, matcher.op, matcher.value) == (
            "envoy_cluster_name",
            promql_parser.MatchOp.Re,
            CLUSTER[side],
        )


def test_the_cluster_is_that_of_the_upstream_when_the_service_has_another_name_than_the_target() -> None:
    """Flagger asks for that of the target, `test-podinfo-canaryupstream-9898_test`, which there is not."""
    query = request_count(Names.of(podinfo_canary(service={"name": "web"})), Side.CANARY, 60)
    assert query.text == (
        'sum(increase(envoy_cluster_upstream_rq_total{envoy_cluster_name=~"test-web-canaryupstream-9898_test'
        '|kube-upstream_test-web-canaryupstream-9898_test_test_web-canary_9898"}[60s]))'
    )


@pytest.mark.parametrize("query", QUERIES)
def test_no_name_leads_out_of_its_quotes(query: Any) -> None:
    names = Names.of(Identity("podinfo", "Deployment", 'x"} or vector(1) or y{z="\\').applied_to(podinfo_canary()))
    found = list(selectors(promql_parser.parse(query(names, Side.CANARY, 60).text)))
    assert found
    for selector in found:
        (matcher,) = selector.matchers.matchers
        assert 'x"} or vector(1) or y{z="\\-canary_9898' in matcher.value


def test_a_drain_is_seen_under_both_names_of_the_cluster() -> None:
    assert request_count(NAMES, Side.CANARY, 30).text == (
        'sum(increase(envoy_cluster_upstream_rq_total{envoy_cluster_name=~"test-podinfo-canaryupstream-9898_test'
        '|kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo-canary_9898"}[30s]))'
    )


def test_the_duration_is_the_99th_percentile() -> None:
    text = request_duration(NAMES, Side.CANARY, 60).text
    assert text.startswith("histogram_quantile(0.99, sum by (le) (rate(envoy_cluster_upstream_rq_time_bucket{")


@pytest.mark.parametrize("query", QUERIES)
def test_window_is_in_seconds(query: Any) -> None:
    assert "[75s]" in query(NAMES, Side.CANARY, 75).text


@pytest.mark.parametrize(
    ("by_code", "counts", "rate_percent"),
    [
        ({"200": 96.0, "404": 2.0, "503": 1.0, "520": 1.0}, SuccessCounts(98, 100), 98.0),
        ({"500": 3.0}, SuccessCounts(0, 3), 0.0),
        ({"200": 3.5}, SuccessCounts(3.5, 3.5), 100.0),
        ({"200": 0.0}, SuccessCounts(0, 0), None),
        ({}, SuccessCounts(0, 0), None),
    ],
)
def test_all_but_5xx_are_good(by_code: dict[str, float], counts: SuccessCounts, rate_percent: float | None) -> None:
    assert success_counts(by_code) == counts
    assert success_counts(by_code).rate_percent == rate_percent


@pytest.mark.parametrize("query", QUERIES)
def test_only_what_pods_of_the_gateways_namespaces_export_is_counted(query: Any) -> None:
    """By labels that a scrape configuration sets and no pod can; where neither is set, both are empty."""
    found = list(selectors(promql_parser.parse(query(NAMES, Side.CANARY, 60, ("gloo-system", "edge")).text)))
    assert found
    for selector in found:
        matchers = {matcher.name: (matcher.op, matcher.value) for matcher in selector.matchers.matchers}
        assert matchers == {
            "envoy_cluster_name": (promql_parser.MatchOp.Re, CLUSTER[Side.CANARY]),
            "kubernetes_namespace": (promql_parser.MatchOp.Re, "gloo-system|edge|"),
            "namespace": (promql_parser.MatchOp.Re, "gloo-system|edge|"),
        }
