"""From a canary's metric to a judged sample, against a metrics server in this process."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.caches import Caches
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from agent.resources import METRIC_TEMPLATES
from canary.api.names import Side
from canary.run.judge import CheckResult, Verdict
from canary.run.state import Analysis, State
from kube.errors import NotFound
from kube.resource import Object, Resource
from sandbox import pki
from tests.support.canaries import canary
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

NOW_S = 1000.0


class Secrets:
    """The API server, as far as a check asks it: Secrets by name."""

    def __init__(self, **data: str) -> None:
        self._data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}

    async def get(self, resource: Resource, name: str, namespace: str) -> Object:
        if not self._data:
            raise NotFound(f"secrets {name!r} not found", status=404, resource=resource, namespace=namespace, name=name)
        return {"data": self._data}


@asynccontextmanager
async def checks(answer: str, queries: list[tuple[str, str]], **secret: str) -> AsyncIterator[MetricChecks]:
    """Return MetricChecks whose server notes (query, Authorization) and gives one value, and that know a template."""

    async def handle(request: web.Request) -> web.Response:
        queries.append((str((await request.post())["query"]), request.headers.get("Authorization", "")))
        elements = f'[{{"metric":{{"envoy_response_code":"200"}},"value":[1,"{answer}"]}}]'
        return web.Response(text=f'{{"status":"success","data":{{"resultType":"vector","result":{elements}}}}}')

    client: Any = Secrets(**secret)
    caches = Caches(client, "")
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        caches.of(METRIC_TEMPLATES).remember(template(url))
        yield MetricChecks(Sources(session, client, caches, metrics_server=url, timeout_s=PATIENCE_S))


async def check(
    answer: str, metric: dict[str, Any], *, state: State | None = None, secret: dict[str, str] | None = None
) -> Any:
    """Judge one metric; return the result, and what the server was asked."""
    queries: list[tuple[str, str]] = []
    made = canary({"metrics": [metric]})
    async with checks(answer, queries, **(secret or {})) as asked:
        assert made.analysis is not None
        result = await asked.check(
            made, state or State(analysis=Analysis(started_at_s=NOW_S - 30)), made.analysis.metrics[0], NOW_S
        )
    return result, queries


def template(address: str) -> Object:
    provider = {"type": "prometheus", "address": address, "secretRef": {"name": "login"}}
    return {
        "metadata": {"name": "not-found", "namespace": "test", "resourceVersion": "1"},
        "spec": {"provider": provider, "query": 'x{ns="{{ namespace }}", code="{{ variables.code }}"}[{{ interval }}]'},
    }


TEMPLATED = {
    "name": "404s percentage",
    "templateRef": {"name": "not-found"},
    "templateVariables": {"code": "404"},
    "thresholdRange": {"max": 5},
    "interval": "1m",
}
BUILTIN = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}


@pytest.mark.parametrize(
    ("secret", "authorization"),
    [
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"username": "u", "password": "p"}, f"Basic {base64.b64encode(b'u:p').decode()}"),
    ],
)
async def test_a_template_is_filled_in_and_asked_with_its_credentials(
    secret: dict[str, str], authorization: str
) -> None:
    result, queries = await check("6.2", TEMPLATED, secret=secret)
    assert queries == [('x{ns="test", code="404"}[30s]', authorization)], "its first traffic was 30 s ago"
    assert (result.verdict, result.text) == (Verdict.FAIL, "404s percentage 6.20 > 5")


async def test_a_missing_secret_is_an_error_that_names_it() -> None:
    result, queries = await check("1", TEMPLATED)
    assert (result.verdict, queries) == (Verdict.ERROR, [])
    assert "login" in result.text


async def test_a_missing_template_is_an_error_that_names_it() -> None:
    result, _ = await check("1", TEMPLATED | {"templateRef": {"name": "nope", "namespace": "elsewhere"}})
    assert result.verdict is Verdict.ERROR
    assert "MetricTemplate elsewhere/nope does not exist" in result.text


async def test_a_variable_that_is_not_set_is_an_error_that_names_it() -> None:
    result, queries = await check("1", TEMPLATED | {"templateVariables": {}}, secret={"token": "t"})
    assert (result.verdict, queries) == (Verdict.ERROR, [])
    assert "{{ variables.code }}" in result.text


@pytest.mark.parametrize(
    ("metric", "exposed_for_s", "window"),
    [
        (BUILTIN, 12, "[12s]"),
        (BUILTIN, 300, "[60s]"),
        (TEMPLATED | {"thresholdRange": {"max": 50}}, 12, "[12s]"),
        (TEMPLATED | {"thresholdRange": {"max": 50}}, 300, "[1m]"),
    ],
)
async def test_the_window_never_reaches_back_beyond_the_first_traffic(
    metric: dict[str, Any], exposed_for_s: float, window: str
) -> None:
    state = State(analysis=Analysis(started_at_s=NOW_S - exposed_for_s))
    result, queries = await check("10", metric, state=state, secret={"token": "t"})
    assert isinstance(result, CheckResult)
    assert result.verdict is Verdict.PASS
    assert queries
    assert all(window in query for query, _ in queries)


async def test_nothing_is_asked_in_the_first_second() -> None:
    result, queries = await check("10", BUILTIN, state=State(analysis=Analysis(started_at_s=NOW_S - 0.5)))
    assert (result.verdict, queries) == (Verdict.NO_DATA, [])


async def test_a_query_of_the_canarys_own_goes_to_the_server_that_the_canary_names() -> None:
    async def handle(request: web.Request) -> web.Response:
        query = (await request.post())["query"]
        elements = [{"metric": {}, "value": [1, "7" if query == "up{ns='test'}" else "0"]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": elements}})

    client: Any = None  # no template, no secret: nobody asks the API server
    metric = {"name": "own", "query": "up{ns='{{ namespace }}'}", "threshold": 5}
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        asked = MetricChecks(
            Sources(session, client, Caches(client, ""), metrics_server="http://127.0.0.1:1", timeout_s=PATIENCE_S)
        )
        made = canary({"metrics": [metric]}, metricsServer=url)
        assert made.analysis is not None
        result = await asked.check(made, State(), made.analysis.metrics[0], NOW_S)
    assert (result.verdict, result.text) == (Verdict.FAIL, "own 7.00 > 5")


@pytest.mark.parametrize(("reference", "verdict"), [({}, Verdict.PASS), ({"namespace": "elsewhere"}, Verdict.ERROR)])
async def test_a_template_is_looked_for_in_the_canarys_namespace_unless_it_names_another(
    reference: dict[str, str], verdict: Verdict
) -> None:
    metric = TEMPLATED | {"templateRef": {"name": "not-found"} | reference}
    result, _ = await check("1", metric, secret={"token": "t"})
    assert result.verdict is verdict


@pytest.mark.parametrize(("is_skipped", "verdict"), [(True, Verdict.PASS), (False, Verdict.ERROR)])
async def test_a_template_may_say_that_the_servers_certificate_is_not_verified(
    tmp_path: Path, *, is_skipped: bool, verdict: Verdict
) -> None:
    async def handle(_: web.Request) -> web.Response:
        result = [{"metric": {}, "value": [1, "1"]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    made = pki.create(tmp_path / "pki", addresses=("127.0.0.1",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server_cert, made.server_key)
    client: Any = Secrets(token="t")
    caches = Caches(client, "")
    async with serving(handle, ssl_context=context) as url, aiohttp.ClientSession() as session:
        known = template(url)
        known["spec"]["provider"]["insecureSkipVerify"] = is_skipped
        caches.of(METRIC_TEMPLATES).remember(known)
        asked = MetricChecks(Sources(session, client, caches, metrics_server=url, timeout_s=PATIENCE_S))
        watched = canary({"metrics": [TEMPLATED]})
        assert watched.analysis is not None
        result = await asked.check(watched, State(), watched.analysis.metrics[0], NOW_S)
    assert result.verdict is verdict


async def test_a_server_that_takes_no_post_refuses_one_only_once() -> None:
    methods: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        methods.append(request.method)
        if request.method == "POST":
            return web.Response(status=405)
        result = [{"metric": {}, "value": [1, "7"]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    client: Any = None  # no template, no secret: nobody asks the API server
    made = canary({"metrics": [{"name": "own", "query": "up", "threshold": 5}]})
    assert made.analysis is not None
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        asked = MetricChecks(Sources(session, client, Caches(client, ""), metrics_server=url, timeout_s=PATIENCE_S))
        results = [await asked.check(made, State(), made.analysis.metrics[0], NOW_S) for _ in range(2)]
    assert [result.text for result in results] == ["own 7.00 > 5", "own 7.00 > 5"]
    assert methods == ["POST", "GET", "GET"]


@pytest.mark.parametrize(
    ("shifted_s_ago", "answer", "window", "is_drained"),
    [
        (40.0, "0", "[40s]", True),
        (40.0, "3", "[40s]", False),
        (86_400.0, "0", "[150s]", True),  # what came late after the shift is past by then
        (0.5, "0", "", None),
    ],
)
async def test_a_side_is_drained_when_its_last_two_scrapes_show_no_request(
    shifted_s_ago: float, answer: str, window: str, *, is_drained: bool | None
) -> None:
    queries: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        queries.append(str((await request.post())["query"]))
        result = [{"metric": {}, "value": [1, answer]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    client: Any = None
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        asked = MetricChecks(Sources(session, client, Caches(client, ""), metrics_server=url, timeout_s=PATIENCE_S))
        found = await asked.is_drained(canary(metricsServer=url), Side.CANARY, NOW_S - shifted_s_ago, NOW_S)
    assert found is is_drained
    assert all(window in query for query in queries)
    assert bool(queries) == bool(window)


@pytest.mark.parametrize("own_server", [True, False])
async def test_the_builtin_checks_and_the_drain_count_what_the_gateway_exports(*, own_server: bool) -> None:
    queries: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        queries.append(str((await request.post())["query"]))
        return web.Response(text='{"status":"success","data":{"resultType":"vector","result":[]}}')

    duration = {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "1m", "minRequests": 5}
    async with serving(handle) as url, aiohttp.ClientSession() as session:
        client: Any = Secrets()
        made = canary({"metrics": [BUILTIN, duration]}, **({} if own_server else {"metricsServer": url}))
        asked = MetricChecks(
            Sources(
                session, client, Caches(client, ""), metrics_server=url, timeout_s=PATIENCE_S, gateways=("gloo-system",)
            )
        )
        state = State(analysis=Analysis(started_at_s=NOW_S - 300))
        assert made.analysis is not None
        for metric in made.analysis.metrics:
            await asked.check(made, state, metric, NOW_S)
        await asked.is_drained(made, Side.CANARY, NOW_S - 60, NOW_S)
    assert len(queries) == 4
    assert {'kubernetes_namespace=~"gloo-system|"' in query for query in queries} == {own_server}
