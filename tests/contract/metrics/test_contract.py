"""What every metric provider must get right, held against a server of its protocol."""

import math
from typing import get_args

import pytest

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.registry import PROVIDERS
from agent.providers.web.addresses import AddressRules
from canary.api.metric_template import PROVIDER_FIELDS, MetricProviderType
from canary.run.judge import Verdict
from tests.support.metric_servers.externalmetrics import FakeExternalMetrics
from tests.support.metric_servers.keptn import FakeKeptn
from tests.support.metric_servers.known import SERVERS
from tests.support.metric_servers.playing import SECRET, playing, template_of
from tests.support.metric_servers.server import HIDDEN, FakeMetricServer, Fault
from tests.support.metric_servers.splunk import FakeSplunk

WITH_SECRETS = tuple(server for server in SERVERS if server.secret)
ADDRESSED = tuple(server for server in SERVERS if server.is_addressed)
WITH_SERIES = tuple(server for server in SERVERS if server.has_series)


@pytest.fixture(params=SERVERS, ids=lambda server: str(server.type))
def server(request: pytest.FixtureRequest) -> FakeMetricServer:
    made: FakeMetricServer = request.param()
    return made


@pytest.fixture(params=WITH_SECRETS, ids=lambda server: str(server.type))
def guarded(request: pytest.FixtureRequest) -> FakeMetricServer:
    """A server that asks for credentials."""
    made: FakeMetricServer = request.param()
    return made


def test_every_type_of_flaggers_is_asked_and_held_to_this() -> None:
    assert [server.type for server in SERVERS] == list(PROVIDERS) == list(PROVIDER_FIELDS)
    assert set(PROVIDERS) == set(get_args(MetricProviderType))


async def test_a_value_is_judged(server: FakeMetricServer) -> None:
    found = []
    async with playing(server) as played:
        for value in (6.25, 0.5, 0.0):
            server.series = [value]
            result = await played.check()
            found.append((result.verdict, result.text, result.value))
    assert found == [
        (Verdict.FAIL, "probe 6.25 > 5", 6.25),
        (Verdict.PASS, "probe 0.50", 0.5),
        (Verdict.PASS, "probe 0.00", 0.0),
    ]
    assert played.told == [(server.type, None)] * 3


async def test_no_series_and_no_finite_number_are_no_data(server: FakeMetricServer) -> None:
    nothing: list[list[float]] = [[], [math.nan], [math.inf], [-math.inf]]
    async with playing(server) as played:
        for series in nothing:
            server.series = series
            result = await played.check()
            assert (series, result.verdict, result.value) == (series, Verdict.NO_DATA, None)


@pytest.mark.parametrize("server_type", WITH_SERIES, ids=lambda server: str(server.type))
async def test_several_series_are_refused_and_counted(server_type: type[FakeMetricServer]) -> None:
    """Any of them could be the one that Flagger would have taken."""
    server = server_type()
    server.series = [1.0, 9.0, 1.0]
    async with playing(server) as played:
        result = await played.check()
    assert result.verdict is Verdict.ERROR
    assert "the query gives 3 series; allowed: one series, " in result.text
    assert isinstance(played.told[0][1], ProviderRefused)


async def test_a_text_that_is_no_number_is_refused(server: FakeMetricServer) -> None:
    server.series = [HIDDEN]
    async with playing(server) as played:
        result = await played.check()
    assert (result.verdict, result.value) == (Verdict.ERROR, None)
    assert HIDDEN not in result.text


async def test_a_refusal_is_told_by_its_code_and_by_nothing_of_its_body(server: FakeMetricServer) -> None:
    async with playing(server) as played:
        for status in (302, 400, 404, 410, 422):
            server.fault = Fault(status, headers=(("Location", "/elsewhere"),))
            result = await played.check()
            assert result.verdict is Verdict.ERROR
            assert f"HTTP {status}" in result.text
            assert HIDDEN not in result.text
            assert isinstance(played.told[-1][1], ProviderRefused)
    assert not [request for request in server.asked if request.path == "/elsewhere"]


async def test_a_server_in_trouble_is_asked_again_later(server: FakeMetricServer) -> None:
    async with playing(server) as played:
        for status in (429, 500, 503):
            server.fault = Fault(status, headers=(("Retry-After", "30"),))
            result = await played.check()
            assert result.verdict is Verdict.ERROR
            assert f"HTTP {status}; it asks to wait for 30 s" in result.text
            assert HIDDEN not in result.text
            error = played.told[-1][1]
            assert isinstance(error, ProviderUnavailable)
            assert error.retry_after_s == 30.0
        server.fault = None
        assert (await played.check()).verdict is Verdict.PASS


async def test_a_slow_answer_is_not_waited_for(server: FakeMetricServer) -> None:
    server.fault = Fault()
    async with playing(server, timeout_s=0.5) as played:
        result = await played.check()
    assert result.verdict is Verdict.ERROR
    assert "no answer within 0.5 s" in result.text
    assert isinstance(played.told[0][1], ProviderUnavailable)


async def test_an_answer_that_breaks_off_is_none(server: FakeMetricServer) -> None:
    server.fault = Fault(is_cut=True)
    async with playing(server) as played:
        result = await played.check()
    assert (result.verdict, result.value) == (Verdict.ERROR, None)
    assert isinstance(played.told[0][1], ProviderUnavailable)


GARBAGE = (
    *("", f"<html>{HIDDEN}</html>", "{", "[" * 100_000, "5", "null", "true", f'"{HIDDEN}"', "[]", "{}", "[[]]"),
    *("[5]", "[null]", '[{"a": 5}]', f'{{"error": "{HIDDEN}"}}', '{"data": 5}', '{"data": [5]}', '{"results": 5}'),
    *('{"results": [5]}', '{"series": 5}', '{"series": [5]}', '{"status": "success", "data": {"result": [[]]}}'),
    *(f"{HIDDEN},{HIDDEN}\n1", "#datatype,long\n", ",result,table\n,,", "\x00", "\n\n\n"),
)


async def test_garbage_is_no_value(server: FakeMetricServer) -> None:
    async with playing(server) as played:
        for body in GARBAGE:
            server.fault = Fault(200, body)
            result = await played.check()
            assert (body, result.verdict in {Verdict.ERROR, Verdict.NO_DATA}, result.value) == (body, True, None)
            assert HIDDEN not in result.text
    assert [kind for kind, _ in played.told] == [server.type] * len(GARBAGE), "no bug of ours: of those nothing is told"


async def test_wrong_credentials_are_named(guarded: FakeMetricServer) -> None:
    async with playing(guarded, secret=guarded.rotated) as played:
        result = await played.check()
    assert result.verdict is Verdict.ERROR
    assert f"it refuses the credentials of Secret test/{SECRET}, or they lack a right" in result.text
    assert not [value for value in guarded.rotated.values() if len(value) > 5 and value in result.text]
    assert isinstance(played.told[-1][1], ProviderRefused)


async def test_a_rotated_secret_is_used_by_the_next_question(guarded: FakeMetricServer) -> None:
    async with playing(guarded) as played:
        before = await played.check()
        guarded.accepted = guarded.rotated
        between = await played.check()
        played.api.secrets["test", SECRET] = guarded.rotated
        after = await played.check()
    assert [result.verdict for result in (before, between, after)] == [Verdict.PASS, Verdict.ERROR, Verdict.PASS]


async def test_a_missing_secret_is_named_and_picked_up_when_it_comes(guarded: FakeMetricServer) -> None:
    async with playing(guarded) as played:
        secret = played.api.secrets.pop(("test", SECRET))
        result = await played.check()
        assert guarded.asked == []
        played.api.secrets["test", SECRET] = secret
        later = await played.check()
    assert result.verdict is Verdict.ERROR
    assert f"MetricTemplate test/probe spec.provider.secretRef.name: found '{SECRET}'; allowed: a Secret" in result.text
    assert later.verdict is Verdict.PASS


async def test_a_secret_without_a_name_is_not_looked_for(guarded: FakeMetricServer) -> None:
    """Admission refuses it; one that was stored before would ask for all Secrets of the namespace."""
    async with playing(guarded, template_of(guarded, secretRef={"name": ""})) as played:
        result = await played.check()
    assert guarded.asked == []
    assert "MetricTemplate test/probe spec.provider.secretRef.name: found ''; allowed: the name of" in result.text


@pytest.mark.parametrize(
    ("server_type", "key"), [(server, key) for server in SERVERS for key in server.secret], ids=str
)
async def test_a_key_that_the_secret_lacks_is_named(server_type: type[FakeMetricServer], key: str) -> None:
    server = server_type()
    for found, secret in (
        ("nothing", {name: value for name, value in server.secret.items() if name != key}),
        ("an empty text", {**server.secret, key: " \n"}),
    ):
        async with playing(server, secret=secret) as played:
            result = await played.check()
        assert result.verdict is Verdict.ERROR
        assert f"Secret test/{SECRET} data." in result.text
        assert f"found {found}; allowed: " in result.text
        assert key in result.text
    assert server.asked == []


async def test_nobody_of_another_namespace_is_told_of_the_server(server: FakeMetricServer) -> None:
    template = template_of(server, namespace="infra")
    told = ["the server of MetricTemplate infra/probe"]
    for fault in (Fault(400), Fault(401), Fault(503), Fault(200, "{")):
        server.fault = fault
        async with playing(server, template) as played:
            told.append((await played.check()).text)
    async with playing(server, template, secret={"other": HIDDEN}) as played:
        if server.secret:
            told.append((await played.check()).text)
    hidden = [HIDDEN, SECRET, server.query, *(value for value in server.secret.values() if len(value) > 5)]
    if server.address:
        hidden.append(server.address.partition("://")[2].partition(":")[0])
    assert [(text, word) for text in told for word in hidden if word in text] == []
    assert all("infra/probe" in text for text in told)


STATUS = f'{{"kind": "Status", "apiVersion": "v1", "reason": "Invalid", "message": "{HIDDEN}", "code": 422}}'


@pytest.mark.parametrize(
    ("server_type", "query", "fault"),
    [
        (
            FakeSplunk,
            FakeSplunk.query,
            Fault(200, f'event: error\ndata: {{"errorType": "ANALYTICS_X", "message": "{HIDDEN}"}}\n\n'),
        ),
        (
            FakeKeptn,
            "keptnmetric/infra/errors",
            Fault(200, f'{{"status": {{"errMsg": "{HIDDEN}", "lastUpdated": "2099-01-01T00:00:00Z"}}}}'),
        ),
        (FakeKeptn, "keptnmetric/infra/errors", Fault(422, STATUS)),
        (FakeKeptn, f"keptnmetric/{HIDDEN}/errors", Fault(200, "{}")),
        (FakeExternalMetrics, f"{HIDDEN}/errors", Fault(200, "{}")),
        (FakeExternalMetrics, "infra/errors", Fault(422, STATUS)),
    ],
)
async def test_nobody_of_another_namespace_is_told_what_a_server_says_in_its_own_words(
    server_type: type[FakeMetricServer], query: str, fault: Fault
) -> None:
    for namespace, is_told in (("infra", False), ("test", True)):
        server = server_type()
        server.fault = fault
        template = template_of(server, namespace=namespace)
        template["spec"]["query"] = query.replace("infra", namespace)
        if server_type is FakeExternalMetrics:
            del template["spec"]["provider"]["address"], template["spec"]["provider"]["secretRef"]
        async with playing(server, template) as played:
            result = await played.check()
        assert result.verdict is Verdict.ERROR
        assert (HIDDEN in result.text) is is_told


@pytest.mark.parametrize("server_type", ADDRESSED, ids=lambda server: str(server.type))
async def test_an_address_of_the_inside_is_not_asked(server_type: type[FakeMetricServer]) -> None:
    server = server_type()
    rules = AddressRules.read([], api_server="https://10.96.0.1:443", proxies=[])
    async with playing(server, rules=rules) as played:
        result = await played.check()
    assert server.asked == []
    assert result.verdict is Verdict.ERROR
    assert "it leads to a loopback address; allowed: an address that is none of" in result.text


FRAMING = {
    "Connection": "upgrade",
    "CONTENT-length": "500",
    "Content-Encoding": "gzip",
    "Expect": "100-continue",
    "Host": "victim",
    "HTTP2-Settings": "AAMAAABk",
    "Keep-Alive": "timeout=5",
    "Proxy-Authorization": "x",
    "Proxy-Connection": "keep-alive",
    "TE": "trailers",
    "Trailer": "X",
    "Transfer-Encoding": "chunked",
    "Upgrade": "h2c",
}


async def test_no_header_of_a_template_says_where_a_request_ends(server: FakeMetricServer) -> None:
    """Or else one tenant's query could hold another request, whose answer the next one on the connection gets."""
    template = template_of(server)
    template["spec"]["provider"]["headers"] = {name: [value] for name, value in FRAMING.items()} | {"X-Own": ["1"]}
    async with playing(server, template) as played:
        assert (await played.check()).verdict is Verdict.PASS
    for request in server.asked:
        sent = {name.lower(): value for name, value in request.headers.items()}
        assert sent.get("x-own", "1") == "1"
        found = {name.lower(): sent.get(name.lower()) for name in FRAMING}
        assert {found.pop("host"), found.pop("content-length")}.isdisjoint({"victim", "500"})
        assert found.pop("connection") in {None, "keep-alive"}
        assert set(found.values()) == {None}
