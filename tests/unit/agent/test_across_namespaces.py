"""References to other namespaces: nothing of the other side is shown, nor sent elsewhere; or they are turned off."""

import base64
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.blockers import find_blockers
from agent.caches import Caches
from agent.providers.alerts.destinations import Destinations
from agent.providers.credentials import read_secret
from agent.providers.errors import ProviderRefused
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from agent.resources import ALERT_PROVIDERS, METRIC_TEMPLATES
from canary.rules.references import Stage
from canary.run.judge import CheckResult, Verdict
from canary.run.state import Analysis, State
from kube.errors import NotFound
from kube.resource import Object, Resource
from tests.support.canaries import canary
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

NOW_S = 1000.0
HIDDEN = ("hunter2", "prom.infra", "login", "other_series", "X-Scope", "tenant-7")


class Secrets:
    """The API server, as far as Secrets are read: one, or none."""

    def __init__(self, secret: Object | None) -> None:
        self._secret = secret

    async def get(self, resource: Resource, name: str, namespace: str) -> Object:
        if self._secret is None:
            raise NotFound(f"secrets {name!r} not found", status=404, resource=resource, namespace=namespace, name=name)
        return self._secret


def secret(kind: str | None = "Opaque", annotations: dict[str, str] | None = None, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"annotations": annotations}, "data": encoded} | ({"type": kind} if kind else {})


def infra_template(address: str, query: str, namespace: str = "infra", **provider: Any) -> Object:
    server = {"type": "prometheus", "address": address, "headers": {"X-Scope": ["tenant-7"]}} | provider
    metadata = {"name": "errors", "namespace": namespace, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"provider": server, "query": query}}


class Infra:
    """A metrics server of the namespace infra, and what it was asked: query and credentials."""

    def __init__(self, status: int = 200, body: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self._status = status
        self._body = body or '{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((str((await request.post())["query"]), request.headers.get("Authorization", "")))
        return web.Response(text=self._body, status=self._status)

    async def check(
        self,
        query: str,
        *,
        value: str = "a",
        stored: Object | None = None,
        namespace: str = "infra",
        allows_across: bool = True,
        **provider: Any,
    ) -> CheckResult:
        """Check a metric of a canary in `test` with this template."""
        reference = {"name": "errors", "namespace": namespace}
        metric = {"name": "e", "templateRef": reference, "templateVariables": {"v": value}, "threshold": 5}
        made = canary({"metrics": [metric]})
        client: Any = Secrets(stored)
        caches = Caches(client, "", allows_across=allows_across)
        async with serving(self.handle) as url, aiohttp.ClientSession() as session:
            address = url if stored is not None else url.replace("http://", "http://svc:hunter2@")
            caches.of(METRIC_TEMPLATES).remember(
                infra_template(**({"address": address, "query": query, "namespace": namespace} | provider))
            )
            checks = MetricChecks(Sources(session, client, caches, metrics_server=url, timeout_s=PATIENCE_S))
            assert made.analysis is not None
            state = State(analysis=Analysis(started_at_s=NOW_S - 60))
            return await checks.check(made, state, made.analysis.metrics[0], NOW_S)


def assert_nothing_is_shown(text: str) -> None:
    assert [word for word in HIDDEN if word in text] == []


async def test_what_a_tenant_sets_can_not_ask_for_more_with_the_others_credentials() -> None:
    infra, stored = Infra(), secret(token="t0ken")
    query, evil = 'sum(other_series{app="{{ variables.v }}"})', 'a"}) or sum(up{b="c'
    await infra.check(query, value=evil, stored=stored, secretRef={"name": "login"})
    assert infra.asked == [(r'sum(other_series{app="a\"}) or sum(up{b=\"c"})', "Bearer t0ken")]
    result = await infra.check("sum({{ variables.v }})", value="up) + sum(up", stored=stored)
    assert (result.verdict, len(infra.asked)) == (Verdict.ERROR, 1)
    assert "MetricTemplate infra/errors spec.query: it can't be filled in; allowed: a name, a number" in result.text


@pytest.mark.parametrize(
    ("provider", "status", "body", "told"),
    [
        ({}, 500, "hunter2", "the server of MetricTemplate infra/errors: HTTP 500"),
        ({}, 302, "hunter2", "the server of MetricTemplate infra/errors: HTTP 302"),
        ({}, 400, '{"status":"error","errorType":"bad_data","error":"hunter2"}', "infra/errors: HTTP 400"),
        ({}, 400, '{"status":"error","errorType":"hunter2","error":"hunter2"}', "infra/errors: HTTP 400"),
        ({}, 200, '{"status":"success","data":{"resultType":"hunter2"}}', "gives a something else; allowed"),
        ({"secretRef": {"name": "login"}}, 200, "", "infra/errors spec.provider: found one that can't be asked"),
        ({"address": "http://svc:hunter2@prom.infra.invalid:9090"}, 200, "", "its host name is not known"),
        ({"address": "ftp://svc:hunter2@prom.infra"}, 200, "", "MetricTemplate infra/errors has faults: spec"),
        ({"query": "sum(other_series{{ if }})"}, 200, "", "infra/errors spec.query: it can't be filled in"),
    ],
)
async def test_nothing_of_the_other_namespaces_template_secret_or_server_is_shown(
    provider: dict[str, Any], status: int, body: str, told: str
) -> None:
    query = provider.pop("query", "sum(other_series)")
    result = await Infra(status, body).check(query, **provider)
    assert result.verdict is Verdict.ERROR
    assert_nothing_is_shown(result.text)
    assert told in result.text


async def test_within_a_namespace_the_address_is_shown_without_its_password() -> None:
    result = await Infra(500).check("up", namespace="test")
    assert "http://127.0.0.1:" in result.text
    assert "hunter2" not in result.text


async def test_turned_off_no_other_namespaces_template_is_looked_at() -> None:
    infra = Infra()
    result = await infra.check("up", allows_across=False)
    assert (result.verdict, infra.asked) == (Verdict.ERROR, [])
    assert "templateRef.namespace: found 'infra'; allowed: test, or nothing" in result.text
    assert (await infra.check("up", allows_across=False, namespace="test")).verdict is Verdict.PASS


def test_turned_off_each_reference_blocks_with_its_path() -> None:
    metric = {"name": "e", "templateRef": {"name": "errors", "namespace": "infra"}, "threshold": 5}
    upstream = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "tuned", "namespace": "infra"}
    made = canary({"metrics": [metric]}, upstreamRef=upstream)
    client: Any = Secrets(None)
    found = [
        (blocker.reason, blocker.message.partition(";")[0])
        for allows_across in (False, True)
        for stage in (Stage.START, Stage.RUN)
        for blocker in find_blockers(made, Caches(client, "", allows_across=allows_across), stage)
        if blocker.reason == "CrossNamespaceReference"
    ]
    assert found == [
        (
            "CrossNamespaceReference",
            "Canary test/podinfo spec.analysis.metrics[0].templateRef.namespace: found 'infra'",
        ),
        ("CrossNamespaceReference", "Canary test/podinfo spec.upstreamRef.namespace: found 'infra'"),
    ]


@pytest.mark.parametrize(
    ("spec", "allows_across", "told"),
    [
        ({"address": "hunter2.example"}, True, "AlertProvider infra/chat has faults: spec.address"),
        ({"secretRef": {"name": "login"}}, True, "AlertProvider infra/chat: it, or its Secret, can't be used"),
        ({"address": "http://chat.example/hunter2"}, False, "providerRef.name: found 'infra/chat'; allowed: a name in"),
    ],
)
async def test_an_alert_shows_nothing_of_the_other_namespaces_provider(
    spec: dict[str, Any], told: str, *, allows_across: bool
) -> None:
    client: Any = Secrets(None)
    caches = Caches(client, "", allows_across=allows_across)
    metadata = {"name": "chat", "namespace": "infra", "resourceVersion": "1"}
    caches.of(ALERT_PROVIDERS).remember({"metadata": metadata, "spec": {"type": "slack"} | spec})
    destinations = Destinations(client, caches, None)
    alert = {"name": "a", "providerRef": {"name": "chat", "namespace": "infra"}}
    (recipient,) = destinations.recipients(canary({"alerts": [alert]}), "info")
    with pytest.raises(ProviderRefused) as refused:
        await destinations.find(recipient)
    assert told in str(refused.value)
    assert_nothing_is_shown(str(refused.value))


ALLOW = {"serin.dev/credentials": "allow"}


@pytest.mark.parametrize(
    "stored",
    [
        secret(token="t"),
        secret(None, token="t"),
        secret("kubernetes.io/basic-auth", token="t"),
        secret("example.com/token", ALLOW, token="t"),
    ],
)
async def test_a_secret_for_such_a_purpose_is_read(stored: Object) -> None:
    client: Any = Secrets(stored)
    assert await read_secret(client, "test", "login") == {"token": "t"}


@pytest.mark.parametrize(
    ("kind", "annotations", "is_opt_in_told"),
    [
        ("kubernetes.io/service-account-token", None, False),
        ("kubernetes.io/service-account-token", ALLOW, False),
        ("bootstrap.kubernetes.io/token", ALLOW, False),
        ("kubernetes.io/tls", None, True),
        ("helm.sh/release.v1", {"serin.dev/credentials": "yes"}, True),
    ],
)
async def test_a_secret_of_another_type_is_sent_nowhere(
    kind: str, annotations: dict[str, str] | None, *, is_opt_in_told: bool
) -> None:
    client: Any = Secrets(secret(kind, annotations, token="t0ken"))
    with pytest.raises(ProviderRefused) as refused:
        await read_secret(client, "test", "login")
    expected = f"Secret test/login type: found '{kind}'; allowed: Opaque, kubernetes.io/basic-auth"
    assert str(refused.value) == expected + (
        ", or the annotation serin.dev/credentials: allow" if is_opt_in_told else ""
    )


async def test_a_secret_that_is_too_large_is_refused() -> None:
    client: Any = Secrets(secret(token="x" * 65_537))
    with pytest.raises(ProviderRefused, match=r"data\.token: found 65537 bytes; allowed: at most 65536"):
        await read_secret(client, "test", "login")
