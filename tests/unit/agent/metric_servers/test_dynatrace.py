"""Dynatrace, beyond the contract of all metric providers."""

from aiohttp import web

from canary.run.judge import Verdict
from tests.support.metric_servers.dynatrace import FakeDynatrace
from tests.support.metric_servers.playing import playing, template_of


class Results(FakeDynatrace):
    """Answers with what it is told to."""

    def __init__(self, result: str) -> None:
        super().__init__()
        self._result = result

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=f'{{"resolution":"Inf","result":{self._result}}}', content_type="application/json")


async def test_a_selector_as_yaml_has_it_is_sent_without_its_line_break() -> None:
    server = FakeDynatrace()
    template = template_of(server)
    template["spec"]["query"] = f"\n{server.query}\n"
    async with playing(server, template) as played:
        assert (await played.check()).verdict is Verdict.PASS


async def test_an_environment_may_have_a_path() -> None:
    server = FakeDynatrace()
    template = template_of(server, address="https://dynatrace.example.com/e/abc12345/")
    async with playing(server, template) as played:
        assert "HTTP 404: HTTP 404 Not Found" in (await played.check()).text
    assert server.asked[0].path == "/e/abc12345/api/v2/metrics/query"


async def test_what_dynatrace_says_of_a_selector_is_told() -> None:
    server = FakeDynatrace()
    template = template_of(server)
    template["spec"]["query"] = "builtin:service.response.time:percentile(95"
    async with playing(server, template) as played:
        result = await played.check()
    assert "HTTP 400: Constraints violated.: could not be parsed near position 1" in result.text


async def test_a_selector_of_two_metrics_is_two_series() -> None:
    one = '{"metricId":"m","data":[{"dimensions":[],"timestamps":[1],"values":[1]}]}'
    async with playing(Results(f"[{one},{one}]")) as played:
        assert "the query gives 2 series; allowed: one series, for example by :splitBy()" in (await played.check()).text


async def test_several_points_are_refused_and_counted() -> None:
    async with playing(Results('[{"metricId":"m","data":[{"timestamps":[1,2],"values":[1,2]}]}]')) as played:
        assert "the selector gives 2 points; allowed: one, for example by :fold()" in (await played.check()).text


async def test_a_point_without_a_value_is_no_data() -> None:
    async with playing(Results('[{"metricId":"m","data":[{"timestamps":[1],"values":[null]}]}]')) as played:
        assert (await played.check()).verdict is Verdict.NO_DATA


async def test_the_window_begins_with_the_revisions_first_traffic() -> None:
    server = FakeDynatrace()
    server.window_s = 120
    async with playing(server) as played:
        assert (await played.check(started_s_ago=120)).verdict is Verdict.PASS
