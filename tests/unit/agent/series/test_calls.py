"""What `/metrics` shows of those whom the agent asks: the API server, metric servers and hooks."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.hooks import Hooks
from agent.series.agent_metrics import AgentMetrics
from canary.api.hooks import CanaryWebhook
from canary.api.metrics import CanaryMetric
from canary.run.judge import Verdict
from canary.run.state import Analysis, State
from kube.backoff import Backoff
from kube.client import Client
from kube.errors import KubeError
from kube.resource import CONFIGMAPS
from tests.support.canaries import canary
from tests.support.exposition import exposed
from tests.support.web import serving
from tests.unit.agent.test_loop import deposed_services
from tests.unit.kube.apiserver import ManualTime, bookmark, no, ok, running_api_server, stream


def of(metrics: AgentMetrics, name: str) -> dict[str, float]:
    """Return a counter's series that are not 0, or a histogram's counts, by their labels."""
    shown = exposed(metrics).items()
    return {series.removeprefix(name): value for series, value in shown if series.startswith(f"{name}{{") and value}


async def test_requests_to_the_api_server_are_counted_by_verb_and_code_each_try(tmp_path: Path) -> None:
    metrics, waits = AgentMetrics("1.2.3"), ManualTime()
    body = {"metadata": {"name": "a", "namespace": "test", "resourceVersion": "1"}}
    async with (
        running_api_server(tmp_path) as api,
        Client.connect(
            kubeconfig=api.kubeconfig,
            user_agent="serin/test",
            backoff=Backoff(draw=lambda: 0.5),
            clock=waits.clock,
            sleep=waits.sleep,
            observe=metrics.calls.observe_request,
        ) as client,
    ):
        api.will(no(503, "ServiceUnavailable"), ok(body), ok(body, 201), ok({"items": []}), no(409, "Conflict"))
        await client.get(CONFIGMAPS, "a", "test")
        await client.create(CONFIGMAPS, body)
        await client.list(CONFIGMAPS, "test")
        with pytest.raises(KubeError):
            await client.replace(CONFIGMAPS, body)
        api.will(ok(body), ok({}), ok({"gitVersion": "v1"}), stream(bookmark(1)))
        await client.merge_patch(CONFIGMAPS, "a", "test", {})
        await client.delete(CONFIGMAPS, "a", "test")
        await client.read("/version")
        async for _ in client.watch(CONFIGMAPS, "test", resource_version="1", timeout_s=1.0):
            pass
    assert of(metrics, "serin_api_requests_total") == {
        '{code="503",verb="get"}': 1,
        '{code="200",verb="get"}': 2,
        '{code="201",verb="create"}': 1,
        '{code="200",verb="list"}': 1,
        '{code="409",verb="update"}': 1,
        '{code="200",verb="patch"}': 1,
        '{code="200",verb="delete"}': 1,
        '{code="200",verb="watch"}': 1,
    }
    assert of(metrics, "serin_api_request_seconds_count") == {
        '{verb="get"}': 3,
        '{verb="create"}': 1,
        '{verb="list"}': 1,
        '{verb="update"}': 1,
        '{verb="patch"}': 1,
        '{verb="delete"}': 1,
    }


async def test_a_request_without_an_answer_has_no_code(tmp_path: Path) -> None:
    metrics = AgentMetrics("1.2.3")
    async with running_api_server(tmp_path) as api:
        kubeconfig = api.kubeconfig
    async with Client.connect(
        kubeconfig=kubeconfig, user_agent="serin/test", deadline_s=0.2, observe=metrics.calls.observe_request
    ) as client:
        with pytest.raises(KubeError):
            await client.get(CONFIGMAPS, "a", "test")
    assert of(metrics, "serin_api_requests_total").keys() == {'{code="none",verb="get"}'}


async def test_calls_of_hooks_are_counted_by_type_and_outcome_each_try() -> None:
    metrics, codes = AgentMetrics("1.2.3"), [200, 500, 200, 404, 302]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=codes.pop(0))

    async def sleep(_: float) -> None:
        return

    async with serving(answer) as url, aiohttp.ClientSession() as session:
        hooks = Hooks(session=session, sleep=sleep, observe=metrics.calls.observe_hook)

        async def call(kind: str, **fields: object) -> None:
            hook = CanaryWebhook.model_validate({"name": "x", "type": kind, "url": url} | fields)
            await hooks.post(hook, {"namespace": "test"})

        await call("rollout")
        await call("confirm-promotion", retries=1)
        await call("")
        await call("somebody's own")
        await call("event", url="http://127.0.0.1:1/")
    assert of(metrics, "serin_hook_calls_total") == {
        '{outcome="pass",type="rollout"}': 1,
        '{outcome="fail",type="confirm-promotion"}': 1,
        '{outcome="pass",type="confirm-promotion"}': 1,
        '{outcome="fail",type="rollout"}': 1,
        '{outcome="error",type="other"}': 1,
        '{outcome="error",type="event"}': 1,
    }
    assert of(metrics, "serin_hook_seconds_count") == {
        '{type="rollout"}': 2,
        '{type="confirm-promotion"}': 2,
        '{type="other"}': 1,
        '{type="event"}': 1,
    }


def test_hooks_are_there_before_the_first_call() -> None:
    shown = [series for series in exposed(AgentMetrics("1.2.3")) if series.startswith("serin_hook_calls_total")]
    assert len(shown) == 24
    assert 'serin_hook_calls_total{outcome="error",type="rollback"}' in shown


def test_metric_servers_are_counted_by_type_and_a_first_error_is_a_step() -> None:
    metrics = AgentMetrics("1.2.3")
    shown = exposed(metrics)
    for kind in ("unavailable", "refused"):
        assert shown[f'serin_provider_errors_total{{kind="{kind}",provider="graphite"}}'] == 0
    metrics.calls.observe_provider("graphite", 0.3, None)
    metrics.calls.observe_provider("graphite", 0.2, ProviderUnavailable("503"))
    metrics.calls.observe_provider("graphite", 0.1, ProviderUnavailable("503"))
    metrics.calls.observe_provider("graphite", 0.1, ProviderRefused("400"))
    metrics.calls.observe_provider('mine"} 1', 0.1, None)
    assert of(metrics, "serin_provider_errors_total") == {
        '{kind="unavailable",provider="graphite"}': 2,
        '{kind="refused",provider="graphite"}': 1,
    }
    assert of(metrics, "serin_provider_request_seconds_count") == {'{provider="graphite"}': 4, '{provider="other"}': 1}


async def test_what_a_canarys_checks_ask_is_told_with_the_type_of_the_server(tmp_path: Path) -> None:
    metrics = AgentMetrics("1.2.3")
    async with deposed_services(tmp_path, metrics) as services:
        state = State(analysis=Analysis(started_at_s=1.0))
        metric = CanaryMetric.model_validate({"name": "request-success-rate"})
        result = await services.asker._checks.check(canary(), state, metric, 1000.0)
    assert result.verdict is Verdict.ERROR
    assert of(metrics, "serin_provider_errors_total") == {'{kind="unavailable",provider="prometheus"}': 1}
    assert of(metrics, "serin_provider_request_seconds_count") == {'{provider="prometheus"}': 1}


def test_alerts_are_there_before_the_first_and_no_type_of_a_tenants_own_is() -> None:
    metrics = AgentMetrics("1.2.3")
    shown = exposed(metrics)
    assert shown['serin_alerts_total{outcome="failed",provider_type="slack"}'] == 0
    assert shown['serin_alerts_total{outcome="delayed",provider_type="slack"}'] == 0
    assert shown['serin_event_hook_events_total{outcome="lost"}'] == 0
    for provider_type in ("slack", 'x"} 1', ""):
        metrics.count_alert(provider_type, "sent")
    assert of(metrics, "serin_alerts_total") == {
        '{outcome="sent",provider_type="slack"}': 1,
        '{outcome="sent",provider_type="other"}': 2,
    }
