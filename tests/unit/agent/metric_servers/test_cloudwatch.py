"""CloudWatch, beyond the contract of all metric providers: keys, regions, and AWS' own words."""

from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from canary.run.judge import Verdict
from tests.support.metric_servers.cloudwatch import FakeCloudWatch
from tests.support.metric_servers.playing import playing, template_of
from tests.support.metric_servers.server import NOW_S

OWN = {"AWS_ACCESS_KEY_ID": "AKIAOWN0EXAMPLE", "AWS_SECRET_ACCESS_KEY": "own/secret"}


class Says(FakeCloudWatch):
    """Answers with what it is told to."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__()
        self._status, self._body = status, body

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=self._status, body=orjson.dumps(self._body))


async def test_temporary_keys_are_sent_with_their_token() -> None:
    server = FakeCloudWatch()
    server.accepted = {**server.secret, "aws_session_token": "t0ken/+="}
    async with playing(server, secret=server.accepted) as played:
        assert (await played.check()).verdict is Verdict.PASS
    async with playing(server) as played:
        assert "UnrecognizedClient" in (await played.check()).text


async def test_without_a_secret_the_agents_own_keys_are_used_where_they_may_be() -> None:
    server = FakeCloudWatch()
    server.accepted = {"aws_access_key_id": "AKIAOWN0EXAMPLE", "aws_secret_access_key": "own/secret"}
    template = template_of(server)
    del template["spec"]["provider"]["secretRef"]
    async with aiohttp.ClientSession() as session:
        async with playing(server, template, identities=Identities(session, {"test"}, OWN)) as played:
            assert (await played.check()).verdict is Verdict.PASS
        async with playing(server, template, identities=Identities(session, {"gloo-system"}, OWN)) as played:
            refused = await played.check()
            assert len(server.asked) == 1, "nothing is asked in the agent's name for the templates of others"
    assert refused.verdict is Verdict.ERROR
    assert (
        "spec.provider.secretRef: found nothing; allowed: credentials, for templates of namespace test" in refused.text
    )


@pytest.mark.parametrize(
    "provider",
    [
        {"address": "https://evil.example"},
        {"address": "https://monitoring.eu-west-1.amazonaws.com.evil.example"},
        {"insecureSkipVerify": True},
    ],
)
async def test_the_agents_own_keys_sign_for_nobody_but_aws(provider: dict[str, Any]) -> None:
    server = FakeCloudWatch()
    template = template_of(server)
    del template["spec"]["provider"]["secretRef"]
    template["spec"]["provider"] |= provider
    async with (
        aiohttp.ClientSession() as session,
        playing(server, template, identities=Identities(session, {"test"}, OWN)) as played,
    ):
        result = await played.check()
    assert server.asked == []
    assert "spec.provider.address: found another than the cloud's own" in result.text


async def test_an_address_takes_the_place_of_the_regions_endpoint() -> None:
    server = FakeCloudWatch()
    template = template_of(server, address="https://vpce-0123.monitoring.eu-west-1.vpce.amazonaws.com")
    async with playing(server, template) as played:
        assert (await played.check()).verdict is Verdict.PASS
    assert server.asked[0].host == "vpce-0123.monitoring.eu-west-1.vpce.amazonaws.com"


@pytest.mark.parametrize("region", ["eu-west-1.evil.example/?", "EU-WEST-1", "eu_west_1", "eu-west", "../x", "a" * 100])
async def test_a_region_that_is_none_is_named(region: str) -> None:
    server = FakeCloudWatch()
    async with playing(server, template_of(server, region=region)) as played:
        result = await played.check()
    assert server.asked == []
    told = f"spec.provider.region: found {region!r}; allowed: the region that is asked, such as eu-west-1"
    assert told in result.text


async def test_a_query_that_is_no_list_is_told_where_it_is_wrong() -> None:
    for query, said in (
        ('[{"Id": "a",}]', "the query is no JSON (line 1, column 12); allowed: a list of metric data queries, as JSON"),
        ('{"Id": "a"}', "the query is no list; allowed: a list of metric data queries, as JSON"),
        ("[]", "HTTP 400: ValidationError: The ids of the queries must be unique"),
    ):
        server = FakeCloudWatch()
        template = template_of(server)
        template["spec"]["query"] = query
        async with playing(server, template) as played:
            assert said in (await played.check()).text


async def test_the_window_begins_with_the_revisions_first_traffic() -> None:
    server = FakeCloudWatch()
    server.window_s = 120
    async with playing(server) as played:
        assert (await played.check(started_s_ago=120)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}, ProviderUnavailable, "Throttling"),
        (
            400,
            {"__type": "a#ExpiredTokenException", "message": "expired"},
            ProviderRefused,
            "HTTP 400 ExpiredToken, it",
        ),
        (400, {"__type": "AccessDeniedException", "Message": "no"}, ProviderRefused, "or they lack a right: no"),
        (400, {"__type": "UnheardOf", "message": "hunter2"}, ProviderRefused, "HTTP 400"),
        (200, {"MetricDataResults": [{"StatusCode": "InternalError"}]}, ProviderUnavailable, "InternalError"),
        (200, {"MetricDataResults": [{"StatusCode": "Forbidden"}]}, ProviderRefused, "Forbidden, it refuses the"),
    ],
)
async def test_what_aws_says_is_told_by_its_kind(status: int, body: Any, kind: type[Exception], said: str) -> None:
    async with playing(Says(status, body)) as played:
        result = await played.check()
    assert isinstance(played.told[0][1], kind)
    assert said in result.text
    assert "hunter2" not in result.text


async def test_a_clock_that_is_wrong_is_told_by_aws() -> None:
    async with playing(FakeCloudWatch()) as played:
        result = await played.check(now_s=NOW_S + 3600)
    assert "InvalidSignature" in result.text
