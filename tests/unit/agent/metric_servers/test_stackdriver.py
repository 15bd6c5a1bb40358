"""Google Cloud Monitoring, beyond the contract of all metric providers: tokens, keys, and points."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderUnavailable
from agent.providers.web.addresses import AddressRules
from canary.run.judge import Verdict
from tests.support.metric_servers.playing import SECRET, playing, template_of
from tests.support.metric_servers.server import NOW_S
from tests.support.metric_servers.stackdriver import FakeStackdriver
from tests.support.web import serving


def key_with(**fields: Any) -> Mapping[str, str]:
    """Return the Secret with some fields of the key's file replaced."""
    key = orjson.loads(FakeStackdriver.secret["serviceAccountKey"])
    return {**FakeStackdriver.secret, "serviceAccountKey": orjson.dumps(key | fields).decode()}


class Body(FakeStackdriver):
    """Answers queries with what it is told to."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self._body = body

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await super().answer(request) if request.path == "/token" else web.json_response(self._body)


def point(end_time: str, *values: Any) -> dict[str, Any]:
    return {"values": list(values), "timeInterval": {"startTime": end_time, "endTime": end_time}}


def series(*points: dict[str, Any]) -> dict[str, Any]:
    return {"timeSeriesData": [{"labelValues": [], "pointData": list(points)}]}


async def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    server = FakeStackdriver()
    async with playing(server) as played:
        for later_s in (0, 60, 3298):
            server.now_s = NOW_S + later_s
            assert (await played.check(now_s=server.now_s)).verdict is Verdict.PASS
        assert len(server.given) == 1
        server.now_s = NOW_S + 3300
        assert (await played.check(now_s=server.now_s)).verdict is Verdict.PASS
    assert len(server.given) == 2


async def test_a_token_that_was_withdrawn_is_had_anew() -> None:
    server = FakeStackdriver()
    async with playing(server) as played:
        await played.check()
        server.given.clear()
        assert (await played.check()).verdict is Verdict.ERROR
        assert (await played.check()).verdict is Verdict.PASS


async def test_a_token_that_claims_to_last_for_ever_is_kept_for_an_hour() -> None:
    server = FakeStackdriver()
    server.lasts_s = 10**12
    async with playing(server) as played:
        await played.check()
        server.now_s = NOW_S + 3301
        await played.check(now_s=server.now_s)
    assert len(server.given) == 2


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (
            {**FakeStackdriver.secret, "serviceAccountKey": "{"},
            "data.serviceAccountKey: found no JSON; allowed: the JSON",
        ),
        ({**FakeStackdriver.secret, "serviceAccountKey": "5"}, "data.serviceAccountKey: found another file; allowed"),
        (key_with(type="authorized_user"), "data.serviceAccountKey: found another file; allowed"),
        (key_with(client_email=""), "found no client_email in it; allowed: the JSON file as Google made it"),
        (key_with(private_key=None), "found no private_key in it; allowed: the JSON file as Google made it"),
        (
            key_with(token_uri="file:///etc"),
            "found a token_uri that is no URL; allowed: the JSON file as Google made it",
        ),
        (key_with(private_key="-----BEGIN"), "private_key: found what can't be read; allowed: an RSA key in PEM"),
        (key_with(private_key="A" * 5000), "private_key: found 5000 characters; allowed: an RSA key in PEM"),
    ],
)
async def test_a_key_that_is_none_is_named_and_not_shown(secret: Mapping[str, str], said: str) -> None:
    server = FakeStackdriver()
    async with playing(server, secret=secret) as played:
        result = await played.check()
    assert server.asked == []
    assert f"Secret test/{SECRET} " in result.text
    assert said in result.text
    assert "BEGIN" not in result.text


async def test_a_key_of_another_kind_is_refused() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    async with playing(FakeStackdriver(), secret=key_with(private_key=pem.decode())) as played:
        assert "private_key: found another kind of key; allowed: an RSA key" in (await played.check()).text


async def test_a_token_is_given_for_the_whole_key_alone() -> None:
    """Who knows the account, but not its private key, gets none of what somebody else's checks had for it."""
    server = FakeStackdriver()
    async with aiohttp.ClientSession() as session:
        identities = Identities(session, (), {})
        async with playing(server, identities=identities) as played:
            assert (await played.check()).verdict is Verdict.PASS
        async with playing(server, secret=key_with(private_key="-----BEGIN"), identities=identities) as played:
            assert "private_key: found what can't be read" in (await played.check()).text
    assert len(server.given) == 1


async def test_the_keys_own_address_is_held_to_the_rules_as_any() -> None:
    rules = AddressRules.read([], api_server="https://10.96.0.1", proxies=[])
    server = FakeStackdriver()
    for uri in ("http://169.254.169.254/computeMetadata/v1/token", "https://10.96.0.1/apis", "http://2130706433/token"):
        async with playing(server, secret=key_with(token_uri=uri), rules=rules) as played:
            result = await played.check()
        assert "allowed: an address that is none of loopback, link-local, a cloud's metadata" in result.text
    assert server.asked == []


@asynccontextmanager
async def metadata(status: int = 200) -> AsyncIterator[tuple[Identities, list[str]]]:
    """Serve Google's metadata, as Workload Identity does; give the agent's identities by it, and what was asked."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403)
        return web.json_response({"access_token": "own", "expires_in": 3599, "token_type": "Bearer"}, status=status)

    async with serving(handle) as url, aiohttp.ClientSession() as session:
        yield Identities(session, {"test"}, {"GCE_METADATA_HOST": url.removeprefix("http://")}), asked


async def test_without_a_key_the_agents_own_account_is_used_where_it_may_be() -> None:
    server = FakeStackdriver()
    server.given = {"own": ("first", NOW_S + 3600)}
    async with metadata() as (identities, asked):
        async with playing(server, secret={"project": "shop-prod"}, identities=identities) as played:
            assert [(await played.check()).verdict for _ in range(2)] == [Verdict.PASS] * 2
        assert asked == ["/computeMetadata/v1/instance/service-accounts/default/token"]
        elsewhere = template_of(server, namespace="infra")
        async with playing(server, elsewhere, secret={"project": "shop-prod"}, identities=identities) as played:
            assert (await played.check()).verdict is Verdict.ERROR
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "provider",
    [
        {"address": "https://evil.example"},
        {"address": "http://monitoring.googleapis.com"},
        {"insecureSkipVerify": True},
    ],
)
async def test_the_agents_own_token_is_shown_to_nobody_but_google(provider: Mapping[str, Any]) -> None:
    server = FakeStackdriver()
    template = template_of(server)
    template["spec"]["provider"] |= provider
    async with (
        metadata() as (identities, asked),
        playing(server, template, secret={"project": "shop-prod"}, identities=identities) as played,
    ):
        result = await played.check()
    assert (server.asked, asked) == ([], [])
    assert "spec.provider.address: found another than the cloud's own" in result.text


async def test_a_project_chooses_no_other_path_of_the_api() -> None:
    server = FakeStackdriver()
    async with playing(server, secret={**server.secret, "project": "x/../../v1/secrets?a="}) as played:
        await played.check()
    assert [request.raw_path for request in server.asked if "timeSeries" in request.raw_path] == [
        "/v3/projects/x%2F..%2F..%2Fv1%2Fsecrets%3Fa=/timeSeries:query"
    ]


async def test_outside_of_google_cloud_the_agent_has_no_account_and_says_so() -> None:
    async with (
        metadata(status=404) as (identities, _),
        playing(FakeStackdriver(), secret={"project": "shop-prod"}, identities=identities) as played,
    ):
        result = await played.check()
    assert "the agent's own Google identity can't be had now; its log says why" in result.text
    assert isinstance(played.told[0][1], ProviderUnavailable)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (series(point("2026-12-01T00:00:00Z", {"int64Value": "3"})), 3.0),
        (
            series(
                point("2026-12-01T00:00:00Z", {"doubleValue": 1}), point("2026-12-01T00:01:00Z", {"doubleValue": 2})
            ),
            2.0,
        ),
        (
            series(
                point("2026-12-01T00:01:00Z", {"doubleValue": 2}), point("2026-12-01T00:00:00Z", {"doubleValue": 1})
            ),
            2.0,
        ),
        (series(point("2020-01-01T00:00:00Z", {"doubleValue": 9})), None),
        (series(), None),
        ({}, None),
    ],
)
async def test_the_newest_point_counts_and_none_of_before_the_first_traffic(body: Any, value: float | None) -> None:
    async with playing(Body(body)) as played:
        result = await played.check()
    assert (result.value, result.verdict) == (value, Verdict.NO_DATA if value is None else Verdict.PASS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (series(point("2026-12-01T00:00:00Z", {"doubleValue": 1}, {"doubleValue": 2})), "gives 2 values at a time"),
        (series(point("2026-12-01T00:00:00Z", {"distributionValue": {}})), "a list or an object; allowed: a number"),
        (series(point("2026-12-01T00:00:00Z", {"boolValue": True})), "allowed: a number"),
        ({"partialErrors": [{"code": 4}]}, "it could read only a part of the data"),
        (series(point("yesterday", {"doubleValue": 1})), "not an answer of Cloud Monitoring"),
    ],
)
async def test_what_is_no_number_is_an_error(body: Any, said: str) -> None:
    async with playing(Body(body)) as played:
        result = await played.check()
    assert result.verdict is Verdict.ERROR
    assert said in result.text


async def test_what_google_says_of_a_query_is_told() -> None:
    server = FakeStackdriver()
    template = template_of(server)
    template["spec"]["query"] = "select *"
    async with playing(server, template) as played:
        assert "HTTP 400: INVALID_ARGUMENT: Parse error in the query" in (await played.check()).text
