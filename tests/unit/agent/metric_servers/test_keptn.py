"""Keptn, beyond the contract of all metric providers: metrics, analyses, and whose they may be."""

import asyncio

import pytest
from aiohttp import web

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from canary.api.keptn_query import Wanted, read_query
from canary.run.judge import Verdict
from kube.resource import Object
from tests.support.metric_servers.keptn import FakeKeptn
from tests.support.metric_servers.playing import playing, template_of
from tests.support.metric_servers.server import NOW_S


def asking(query: str, server: FakeKeptn, *, namespace: str = "test") -> Object:
    template = template_of(server, namespace=namespace)
    template["spec"]["query"] = query
    return template


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("keptnmetric/shop/errors", Wanted(is_analysis=False, namespace="shop", name="errors")),
        ("KeptnMetrics/Shop/Errors\n", Wanted(is_analysis=False, namespace="shop", name="errors")),
        ("keptnmetric/shop/errors/2m/reporter=destination", Wanted(is_analysis=False, namespace="shop", name="errors")),
        ("analysis/shop/slo", Wanted(is_analysis=True, namespace="shop", name="slo", timeframe_s=60, arguments={})),
        (
            "analyses/shop/slo/5m/Version=V1.2;path=/a/b;",
            Wanted(
                is_analysis=True,
                namespace="shop",
                name="slo",
                timeframe_s=300,
                arguments={"Version": "V1.2", "path": "/a/b"},
            ),
        ),
    ],
)
def test_queries_have_flaggers_form(query: str, wanted: Wanted) -> None:
    assert read_query(query) == wanted


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("errors", "the query asks for 'errors'; allowed: keptnmetric/NAMESPACE/NAME, or analysis/"),
        ("keptnmetric/shop", "the query has no namespace and name; allowed: "),
        ("keptnmetric/../secrets", "the query has no namespace and name; allowed: "),
        ("analysis/shop/slo/soon", "the query's timeframe: 'soon' is no duration such as 30s or 1m30s"),
        ("analysis/shop/slo/5m/version", "the query has an argument without a value; allowed: "),
    ],
)
async def test_a_query_of_another_form_is_named(query: str, said: str) -> None:
    server = FakeKeptn()
    async with playing(server, asking(query, server)) as played:
        result = await played.check()
    assert said in result.text
    assert server.asked == []


async def test_objects_of_other_namespaces_are_not_asked_for() -> None:
    """The agent may read those of all; whoever may write a template in one may not."""
    server = FakeKeptn()
    for query in ("keptnmetric/payments/revenue", "analysis/payments/slo"):
        async with playing(server, asking(query, server)) as played:
            result = await played.check()
        assert "the query asks for namespace 'payments'; allowed: test, the template's own" in result.text
    async with playing(server, asking("keptnmetric/test/x", server, namespace="infra")) as played:
        assert "its query is none that is asked" in (await played.check()).text
    assert server.asked == []


async def test_a_value_of_before_the_first_traffic_is_the_run_befores() -> None:
    server = FakeKeptn()
    server.updated_s = NOW_S - 60
    async with playing(server) as played:
        assert (await played.check(started_s_ago=60)).verdict is Verdict.NO_DATA
        assert (await played.check(started_s_ago=61)).verdict is Verdict.PASS


async def test_a_failure_of_keptns_own_provider_is_told() -> None:
    server = FakeKeptn()
    server.failure = "prometheus: connection refused"
    async with playing(server) as played:
        result = await played.check()
    assert "Keptn: Keptn could not measure: prometheus: connection refused" in result.text
    assert isinstance(played.told[0][1], ProviderUnavailable)


async def test_a_metric_that_does_not_exist_is_named() -> None:
    server = FakeKeptn()
    async with playing(server, asking("keptnmetric/test/nope", server)) as played:
        assert "Keptn: HTTP 404, there is no KeptnMetric test/nope" in (await played.check()).text


@pytest.mark.parametrize(("passes", "value"), [(1.0, 1.0), (0.0, 0.0)])
async def test_an_analysis_is_made_waited_for_and_deleted(
    passes: float, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.providers.metrics.servers.keptn.POLL_S", 0.0)
    server = FakeKeptn()
    server.series = [passes]
    async with playing(server, asking("analysis/test/slo/5m/version=v1", server)) as played:
        result = await played.check(started_s_ago=120)
    assert result.value == value
    (made,) = server.made
    assert made["metadata"]["name"].startswith("slo-")
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "serin"}
    assert made["spec"] == {
        "analysisDefinition": {"name": "slo"},
        "timeframe": {"recent": "120s"},
        "args": {"version": "v1"},
    }, "no further back than the first traffic"
    assert server.analyses == {}


async def test_an_analysis_that_does_not_end_is_given_up_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.providers.metrics.servers.keptn.POLL_S", 0.0)
    server = FakeKeptn()
    server.looks_until_done = 10**9
    async with playing(server, asking("analysis/test/slo", server), timeout_s=0.5) as played:
        result = await played.check()
    assert "Keptn: no answer within 0.5 s" in result.text
    assert len(server.made) == 1
    assert server.analyses == {}


async def test_a_right_that_the_agent_lacks_is_named() -> None:
    server = FakeKeptn()
    server.may_analyse = False
    async with playing(server, asking("analysis/test/slo", server)) as played:
        result = await played.check()
    assert "Keptn: HTTP 403, the agent lacks a right; allowed: the rights of manifests/keptn" in result.text
    assert isinstance(played.told[0][1], ProviderRefused)


async def test_who_gives_an_analysis_up_does_not_wait_until_it_is_deleted() -> None:
    """A rollback that another check has decided waits for nothing of Keptn's."""
    server, asked, held, deleted = FakeKeptn(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    answer = server.answer

    async def slow(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            await held.wait()
        found = await answer(request)
        asked.set()
        if not server.analyses:
            deleted.set()
        return found

    server.answer = slow  # type: ignore[method-assign]
    async with playing(server, asking("analysis/test/slo", server)) as played:
        check = asyncio.create_task(played.check())
        await asked.wait()
        check.cancel()
        _, waiting = await asyncio.wait({check}, timeout=2)
        held.set()
        assert not waiting
        deleting = [task for task in asyncio.all_tasks() if task.get_name().startswith("delete Analysis")]
        await asyncio.gather(deleted.wait(), *deleting)
