"""What a check that is judged by evidence asks a metrics server, and what it makes of the raw counters."""

import re
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from agent.caches import Caches
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from agent.resources import METRIC_TEMPLATES
from canary.judgement.counts import Failures, Tally
from canary.judgement.scrapes import Memory, SeenProcess, Times, read_counts
from canary.run.evidence import CheckEvidence
from canary.run.judge import CheckResult, Verdict
from canary.run.state import Analysis, State
from tests.support.canaries import canary
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

NOW_S = 1000.0
STARTED_AT_S = 900.0
CANARY, PRIMARY = "test-podinfo-canaryupstream-9898_test", "test-podinfo-primaryupstream-9898_test"

RATE = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "evidence": {}}
DURATION = {"name": "request-duration", "thresholdRange": {"max": 500}, "evidence": {}}
OWN = {
    "name": "orders",
    "templateRef": {"name": "orders"},
    "templateVariables": {"app": "shop"},
    "evidence": {"acceptable": 1},
}

Series = tuple[Mapping[str, str], list[tuple[float, str]]]


def matrix(*series: Series) -> dict[str, Any]:
    result = [{"metric": dict(labels), "values": [list(point) for point in points]} for labels, points in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def vector(value: str) -> dict[str, Any]:
    result = [{"metric": {"envoy_response_code": "200"}, "value": [1, value]}]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def envoy(cluster: str, code: str, *points: tuple[float, str]) -> Series:
    labels = {"envoy_cluster_name": cluster, "envoy_response_code": code, "pod": "gateway-proxy-1"}
    return labels, list(points)


BAD = matrix(
    envoy(CANARY, "200", (890.0, "0"), (950.0, "10")),
    envoy(CANARY, "503", (890.0, "0"), (950.0, "40")),
    envoy(PRIMARY, "200", (890.0, "100"), (950.0, "500")),
)


@asynccontextmanager
async def server(
    raw: Any, queries: list[str], *, value: str = "100", template: Mapping[str, Any] | None = None
) -> AsyncIterator[MetricChecks]:
    """Return checks whose server answers a range selector with `raw` and everything else with one value."""

    async def handle(request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        is_raw = re.search(r"\[\d+s\]$", query) is not None
        if is_raw:
            queries.append(query)
        found = raw(query) if callable(raw) else raw
        return web.Response(body=orjson.dumps(found if is_raw else vector(value)))

    client: Any = None  # no Secret: nobody asks the API server
    caches = Caches(client, "")
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        if template is not None:
            provider = {"type": "prometheus", "address": url}
            metadata = {"name": "orders", "namespace": "test", "resourceVersion": "1"}
            caches.of(METRIC_TEMPLATES).remember({"metadata": metadata, "spec": {"provider": provider, **template}})
        yield MetricChecks(
            Sources(session, client, caches, metrics_server=url, timeout_s=PATIENCE_S, gateways=["gloo-system"])
        )


async def check(
    metric: Mapping[str, Any], raw: Any, *, state: State | None = None, **server_options: Any
) -> tuple[CheckResult, list[str]]:
    queries: list[str] = []
    made = canary({"metrics": [dict(metric)]})
    assert made.analysis is not None
    begun = state or State(analysis=Analysis(started_at_s=STARTED_AT_S))
    async with server(raw, queries, **server_options) as checks:
        return await checks.check(made, begun, made.analysis.metrics[0], NOW_S), queries


async def test_both_sides_are_asked_for_in_one_query_with_half_an_hour_of_history_at_first() -> None:
    _, queries = await check(RATE, BAD)
    clusters = "|".join(
        name
        for side in ("primary", "canary")
        for name in (
            f"test-podinfo-{side}upstream-9898_test",
            f"kube-upstream_test-podinfo-{side}upstream-9898_test_test_podinfo-{side}_9898",
        )
    )
    gateways = 'kubernetes_namespace=~"gloo-system|",namespace=~"gloo-system|"'
    assert queries == [f'envoy_cluster_upstream_rq{{envoy_cluster_name=~"{clusters}",{gateways}}}[1800s]']


async def test_what_was_read_last_shortens_the_next_query() -> None:
    memory = Memory("5xx", {"a": SeenProcess(990.0, {"u": (1.0, 0.0, 0.0)})})
    known = (CheckEvidence(name="request-success-rate", memory=memory),)
    _, queries = await check(RATE, BAD, state=State(analysis=Analysis(started_at_s=STARTED_AT_S, evidence=known)))
    assert [query.rpartition("}")[2] for query in queries] == ["[130s]"]


async def test_of_a_histogram_only_the_buckets_around_the_limit_are_asked_for() -> None:
    between = {**DURATION, "thresholdRange": {"max": 300}}
    for metric, buckets in ((DURATION, r"500|500\\.0"), (between, r"250|250\\.0|500|500\\.0")):
        result, queries = await check(metric, matrix())
        assert f'le=~"{buckets}|[+]Inf"' in queries[0]
        assert queries[0].startswith("envoy_cluster_upstream_rq_time_bucket{")
        assert result.counts is not None


def histogram(cluster: str, **counts: float) -> list[Series]:
    labels = {"envoy_cluster_name": cluster, "pod": "gateway-proxy-1"}
    return [({**labels, "le": le}, [(890.0, "0"), (950.0, str(count))]) for le, count in counts.items()]


@pytest.mark.parametrize("le", ["500", "500.0"])
async def test_a_bucket_is_found_as_envoy_or_prometheus_3_spells_it(le: str) -> None:
    result, queries = await check(DURATION, matrix(*histogram(CANARY, **{le: 1000, "+Inf": 1000})))
    assert (len(queries), result.is_final) == (1, False)


async def test_a_gateway_with_other_buckets_is_asked_for_all_of_them() -> None:
    answer = matrix(*histogram(CANARY, **{"300": 1000, "700": 1000, "+Inf": 1000}))
    result, queries = await check(DURATION, answer)
    assert 'le=~"500' in queries[0]
    assert "le=~" not in queries[1]
    assert not result.is_final, "all requests were faster than 700 ms"
    assert result.counts is not None
    assert result.counts.plan.counted == "over 500 (300 to 700)"


async def test_harm_is_known_at_once_so_that_no_hook_is_waited_for() -> None:
    result, _ = await check(RATE, BAD)
    assert result.is_final
    good, _ = await check(RATE, matrix(envoy(CANARY, "200", (890.0, "0"), (950.0, "50"))))
    assert not good.is_final


async def test_the_threshold_is_judged_beside_it_only_where_the_spec_wants_both() -> None:
    alone, _ = await check(RATE, matrix(), value="NaN")
    both, _ = await check({**RATE, "evidence": {"acceptable": 1}}, matrix(), value="NaN")
    assert (alone.verdict, both.verdict) == (Verdict.PASS, Verdict.NO_DATA)
    assert alone.counts is not None
    assert alone.counts.without_requests is Verdict.NO_DATA
    assert alone.counts.no_requests == (
        "no values found for gloo metric request-success-rate probably podinfo.test is not receiving traffic"
    )


async def test_without_evidence_no_raw_sample_is_asked_for() -> None:
    result, queries = await check({key: RATE[key] for key in ("name", "thresholdRange")}, BAD)
    assert (queries, result.counts) == ([], None)


COUNTED = {
    "query": "sum(x)",
    "counts": {"good": 'x{app="{{ variables.app }}",ok="1"}', "total": 'x{app="{{ variables.app }}"}'},
}


async def test_a_template_with_counts_is_asked_for_both_of_them() -> None:
    def answer(query: str) -> dict[str, Any]:
        return matrix(({"pod": "a"}, [(890.0, "0"), (950.0, "99" if "ok=" in query else "100")]))

    result, queries = await check(OWN, answer, template=COUNTED)
    assert queries == ['x{app="shop"}[1800s]', 'x{app="shop",ok="1"}[1800s]']
    assert result.counts is not None
    assert [series.labels["serin_role"] for series in result.counts.answer] == ["total", "good"]
    assert re.fullmatch(r"good of total [0-9a-f]{16}", result.counts.counted.key), "no text of the template"
    assert result.counts.plan.counted == result.counts.counted.key


async def test_a_template_without_counts_is_named() -> None:
    result, _ = await check(OWN, matrix(), template={"query": "sum(x)"})
    assert result.verdict is Verdict.ERROR
    assert result.text == (
        "metric query failed for orders: MetricTemplate test/orders spec.counts: found none; allowed: good and total, "
        "two selectors of counters, for evidence is made of them"
    )


async def test_a_history_that_is_too_long_is_asked_for_again_without_it() -> None:
    def answer(query: str) -> dict[str, Any]:
        long = [(float(at), "1" * 30) for at in range(50_000)] if "[1800s]" in query else [(890.0, "1")]
        return matrix(envoy(CANARY, "200", *long))

    result, queries = await check(RATE, answer)
    asked = [(query.partition("{")[0], query.rpartition("}")[2]) for query in queries]
    by_code, by_class = "envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_xx"
    assert asked == [(by_code, "[1800s]"), (by_class, "[1800s]"), (by_code, "[120s]")]
    assert result.verdict is Verdict.PASS
    assert result.counts is not None
    assert result.counts.lacks_history, "which somebody is told"


CODES = {
    "envoy_response_code": ("200", "201", "302", "304", "404", "503"),
    "envoy_response_code_class": ("2", "3", "4", "5"),
}


def fleet(gateways: int, *, scrapes: int = 12, each: str = "envoy_response_code") -> dict[str, Any]:
    """Return what so many gateways have, with the labels that the scrape of a pod has: 10 a scrape of each code."""
    pod = {f"label_{number}": "x" * 40 for number in range(8)}
    last, number_of_2xx = NOW_S - 5, {"envoy_response_code": {}, "envoy_response_code_class": {"2": 2, "3": 2}}
    return matrix(
        *(
            (
                {"envoy_cluster_name": cluster, each: code, **pod, "pod": f"gateway-proxy-{number}"},
                [
                    (last - 5 * (scrapes - 1 - at), str(1_000_000_000 + 10 * number_of_2xx[each].get(code, 1) * at))
                    for at in range(scrapes)
                ],
            )
            for number in range(gateways)
            for cluster in (CANARY, PRIMARY)
            for code in CODES[each]
        )
    )


async def test_of_twelve_gateways_half_an_hour_is_read_by_class_and_the_next_looks_by_code() -> None:
    """Scraped each five seconds, with six codes: by code it is over 1 MiB. Both ways give one test the same counts."""

    def answer(query: str) -> dict[str, Any]:
        each = "envoy_response_code_class" if "_rq_xx" in query else "envoy_response_code"
        return fleet(12, scrapes=360 if "[1800s]" in query else 24, each=each)

    long, queries = await check(RATE, answer)
    assert [query.partition("{")[0] for query in queries] == [
        "envoy_cluster_upstream_rq",
        "envoy_cluster_upstream_rq_xx",
    ]
    assert long.counts is not None
    assert not long.counts.lacks_history
    read = long.counts.read(Memory(), Times(STARTED_AT_S), 10)
    requests, failures = 12 * 6 * 10 * 19, 12 * 10 * 19
    assert read.deltas.canary == Tally(requests, (Failures(failures, failures),))
    assert len(read.deltas.history) > 90, "what the primary did before is learned"
    known = CheckEvidence(name="request-success-rate", memory=read.memory)
    short, queries = await check(
        RATE, answer, state=State(analysis=Analysis(started_at_s=STARTED_AT_S, evidence=(known,)))
    )
    assert [query.partition("{")[0] for query in queries] == ["envoy_cluster_upstream_rq"]
    assert short.counts is not None
    again = short.counts.read(read.memory, Times(STARTED_AT_S), 10)
    assert again.deltas.canary.requests == again.deltas.primary.requests == 0


async def test_where_no_classes_are_kept_what_is_too_long_by_code_is_an_error() -> None:
    def answer(query: str) -> dict[str, Any]:
        return matrix() if "_rq_xx" in query else fleet(12, scrapes=360)

    result, queries = await check(RATE, answer)
    assert (result.verdict, len(queries)) == (Verdict.ERROR, 4)
    assert result.text.endswith(
        ": the answer is longer than 1048576 bytes; allowed: fewer samples, by rarer scrapes, fewer gateways or a "
        "shorter analysis.interval"
    )


async def test_where_half_an_hour_has_few_requests_six_hours_are_asked_for_once() -> None:
    """Of the primary's failures nothing would be known: a limit of 1 %, and 18 or 180 in the half hour."""

    def answer(total: int, long: Any) -> Any:
        half_hour = matrix(envoy(PRIMARY, "200", (100.0, "0"), (890.0, str(total)), (950.0, str(total))))
        return lambda query: long if "[21600s]" in query else half_hour

    hours = matrix(envoy(PRIMARY, "200", (10.0, "0"), (890.0, "21600"), (950.0, "21600")))
    few, queries = await check(RATE, answer(1_800, hours))
    assert [query.rpartition("}")[2] for query in queries] == ["[1800s]", "[21600s]"]
    assert few.counts is not None
    history = few.counts.read(Memory(), Times(STARTED_AT_S), 10).deltas.history
    assert (sum(tally.requests for tally in history), few.counts.lacks_history) == (21_600, False)
    for metric, total in ((RATE, 18_000), ({**RATE, "evidence": {"burst": 1}}, 1_800), (RATE, 0)):
        _, queries = await check(metric, answer(total, hours))
        assert [query.rpartition("}")[2] for query in queries] == ["[1800s]"]
    long = matrix(envoy(PRIMARY, "200", *((float(at), "1" * 30) for at in range(50_000))))
    without, queries = await check(RATE, answer(1_800, long))
    assert [query.rpartition("}")[2] for query in queries] == ["[1800s]", "[21600s]", "[21600s]"]
    assert without.counts is not None
    assert (without.verdict, without.counts.lacks_history) == (Verdict.PASS, True)


async def test_what_a_fleet_has_is_read_aside_from_the_loop_of_all_canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []

    def noted(*arguments: Any, **more: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return read_counts(*arguments, **more)

    monkeypatch.setattr("canary.run.judge.read_counts", noted)
    await check(RATE, fleet(12, scrapes=36))
    assert set(threads) == {False}
    threads.clear()
    await check(RATE, BAD)
    assert set(threads) == {True}, "a thread costs more than few samples"


async def test_counts_of_another_limit_are_asked_for_as_those_of_a_new_test() -> None:
    memory = Memory("over 250", {"a": SeenProcess(990.0, {"u": (1.0, 0.0, 0.0)})})
    known = (CheckEvidence(name="request-duration", memory=memory),)
    _, queries = await check(
        DURATION, matrix(), state=State(analysis=Analysis(started_at_s=STARTED_AT_S, evidence=known))
    )
    assert queries[0].endswith("[1800s]")


async def test_thousands_of_samples_are_read_once_for_the_pull_and_the_decision() -> None:
    result, _ = await check(RATE, fleet(12, scrapes=36))
    assert result.counts is not None
    times = Times(STARTED_AT_S)
    assert result.counts.read(Memory(), times, 60) is result.counts.read(Memory(), times, 60)
    assert [asked for asked, _ in result.counts.readings] == [(Memory(), times, 60)]
    assert result.counts.read(Memory(), Times(0.0), 60).deltas != result.counts.read(Memory(), times, 60).deltas


async def test_what_a_fleet_of_gateways_has_is_read() -> None:
    answer = fleet(12)
    assert len(orjson.dumps(answer)) > 64 * 1024
    result, queries = await check(RATE, answer)
    assert (result.verdict, len(queries)) == (Verdict.PASS, 1)
    assert result.counts is not None
    assert len(result.counts.answer) == 144


async def test_of_a_users_server_less_is_read() -> None:
    answer = fleet(50)
    assert 256 * 1024 < len(orjson.dumps(answer)) < 1024 * 1024
    own, _ = await check(RATE, answer)
    users, queries = await check(OWN, answer, template=COUNTED)
    assert (own.verdict, users.verdict) == (Verdict.PASS, Verdict.ERROR)
    assert [query.rpartition("}")[2] for query in queries] == ["[1800s]", "[120s]"]


@pytest.mark.parametrize(
    "raw",
    [
        vector("1"),
        {"status": "success", "data": {"resultType": "matrix", "result": [{"values": [[1]]}]}},
        {"status": "success", "data": {"resultType": "matrix", "result": [5]}},
    ],
)
async def test_an_answer_that_is_none_is_an_error(raw: Mapping[str, Any]) -> None:
    result, _ = await check(RATE, raw)
    assert result.verdict is Verdict.ERROR
    assert result.text.endswith("not an answer of Prometheus")
