"""External metrics, beyond the contract of all metric providers: whose token is sent where, and for which namespace."""

import pytest
from aiohttp import web

from canary.run.judge import Verdict
from kube.quantity import parse_quantity
from kube.resource import Object
from tests.support.metric_servers.externalmetrics import FakeExternalMetrics
from tests.support.metric_servers.playing import OWN_TOKEN, SECRET, playing, template_of


class ApiServer(FakeExternalMetrics):
    """The API server of a cluster, which has external metrics of the namespace `test`."""

    own_address = ""


def in_the_cluster(server: FakeExternalMetrics, query: str = "test/failed-jobs", *, has_secret: bool) -> Object:
    """Return a template without an address."""
    template = template_of(server)
    template["spec"]["query"] = f"{query}?labelSelector=app%3Dpodinfo%2Ctier%21%3Dtest"
    del template["spec"]["provider"]["address"]
    if not has_secret:
        del template["spec"]["provider"]["secretRef"]
    return template


def tokens(server: FakeExternalMetrics) -> list[str]:
    return [request.headers.get("Authorization", "") for request in server.asked]


async def test_without_an_address_the_api_server_is_asked_with_the_agents_own_token() -> None:
    server = ApiServer()
    server.accepted = {"token": OWN_TOKEN}
    async with playing(server, in_the_cluster(server, has_secret=False)) as played:
        result = await played.check()
    assert (result.verdict, tokens(server)) == (Verdict.PASS, [f"Bearer {OWN_TOKEN}"])


async def test_without_an_address_a_secrets_token_takes_the_place_of_the_agents() -> None:
    server = ApiServer()
    async with playing(server, in_the_cluster(server, has_secret=True)) as played:
        assert (await played.check()).verdict is Verdict.PASS
        server.accepted = {"token": "another"}
        refused = await played.check()
    assert tokens(server) == ["Bearer first-token"] * 2
    assert f"HTTP 401, it refuses the credentials of Secret test/{SECRET}, or they lack a right" in refused.text


@pytest.mark.parametrize("has_secret", [False, True])
@pytest.mark.parametrize("query", ["payments/revenue", "revenue", "/revenue"])
async def test_the_api_server_is_asked_for_the_templates_own_namespace_only(query: str, has_secret: object) -> None:
    server = ApiServer()
    async with playing(server, in_the_cluster(server, query, has_secret=bool(has_secret))) as played:
        result = await played.check()
    namespace = query.partition("/")[0] if query.startswith("payments") else "default"
    assert f"the query asks for namespace '{namespace}'; allowed without an address: test, the temp" in result.text
    assert server.asked == []


async def test_an_address_is_never_sent_the_agents_own_token() -> None:
    server = FakeExternalMetrics()
    template = template_of(server)
    del template["spec"]["provider"]["secretRef"]
    async with playing(server, template) as played:
        result = await played.check()
    assert tokens(server) == [""]
    assert "HTTP 401, it asks for credentials; allowed: a secretRef with them: Unauthorized" in result.text


class Forbidding(ApiServer):
    """One in which nobody granted anything yet."""

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        body = {"kind": "Status", "apiVersion": "v1", "reason": "Forbidden", "message": "no", "code": 403}
        return web.json_response(body, status=403)


async def test_a_right_that_the_agent_lacks_is_named() -> None:
    server = Forbidding()
    async with playing(server, in_the_cluster(server, has_secret=False)) as played:
        result = await played.check()
    assert (
        "external metrics of the API server: HTTP 403, the agent lacks a right; allowed: list of failed-jobs in "
        "external.metrics.k8s.io, by a Role in namespace test" in result.text
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("a/b/c", "the query is no name of a metric; allowed: NAMESPACE/METRIC?labelSelector=SELECTOR"),
        ("shop/", "the query is no name of a metric; allowed: "),
        ("shop/..", "the query is no name of a metric; allowed: "),
        ("Shop_1/jobs", "the query asks for namespace 'Shop_1'; allowed: "),
        ("shop/jobs?labelSelector=a&labelSelector=b", "the query is no name of a metric; allowed: "),
    ],
)
async def test_a_query_of_another_form_is_named(query: str, said: str) -> None:
    server = FakeExternalMetrics()
    template = template_of(server)
    template["spec"]["query"] = query
    async with playing(server, template) as played:
        assert said in (await played.check()).text
    assert server.asked == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("1500m", 1.5),
        ("-2", -2.0),
        ("1k", 1000.0),
        ("2Ki", 2048.0),
        ("1E", 1e18),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("3.M", 3e6),
        ("250u", 0.00025),
    ],
)
def test_quantities_are_numbers(text: str, value: float) -> None:
    assert parse_quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "m", "1 k", "1mm", "0x10", "1e", "NaN", "1,5", "9" * 200])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a quantity such as 1500m or 2Ki"):
        parse_quantity(text)
