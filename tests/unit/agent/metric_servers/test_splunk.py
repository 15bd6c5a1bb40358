"""SignalFlow, beyond the contract of all metric providers: its stream, its ends and its errors."""

import pytest
from aiohttp import web

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.servers.splunk import stream_url
from canary.run.judge import Verdict
from tests.support.metric_servers.playing import playing, template_of
from tests.support.metric_servers.splunk import FakeSplunk

END = b'event: control-message\ndata: {"event":"END_OF_CHANNEL","timestampMs":1}\n\n'


class Stream(FakeSplunk):
    """Sends what it is told to, and keeps the connection."""

    def __init__(self, *pieces: bytes, ends: bool = False) -> None:
        super().__init__()
        self._pieces, self._ends = pieces, ends

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self._pieces:
            await response.write(piece)
        if not self._ends:
            await self.released.wait()
        return response


def data(at_ms: int, *values: str) -> bytes:
    points = ",".join(f'{{"tsId":"{n}","value":{value}}}' for n, value in enumerate(values))
    return f'event: data\ndata: {{"data":[{points}],"logicalTimestampMs":{at_ms}}}\n\n'.encode()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://api.us1.signalfx.com", "https://stream.us1.signalfx.com/v2/signalflow/execute"),
        ("https://stream.eu0.signalfx.com/", "https://stream.eu0.signalfx.com/v2/signalflow/execute"),
        ("wss://stream.eu0.signalfx.com", "https://stream.eu0.signalfx.com/v2/signalflow/execute"),
        ("http://api-gateway.shop:8080/splunk", "http://api-gateway.shop:8080/splunk/v2/signalflow/execute"),
        (
            "https://api.us0.observability.splunkcloud.com",
            "https://stream.us0.observability.splunkcloud.com/v2/signalflow/execute",
        ),
    ],
)
def test_programs_are_run_at_the_stream_of_the_realm(address: str, url: str) -> None:
    assert stream_url(address) == url


async def test_an_address_of_the_stream_itself_may_be_written_as_flagger_takes_it() -> None:
    server = FakeSplunk()
    async with playing(server, template_of(server, address="wss://stream.us1.signalfx.com")) as played:
        assert (await played.check()).verdict is Verdict.PASS


async def test_the_newest_value_counts_in_whatever_order_they_come() -> None:
    for pieces in ((data(1000, "1"), data(3000, "3"), data(2000, "2")), (data(3000, "3"), data(4000, "null"))):
        async with playing(Stream(*pieces, END)) as played:
            assert (await played.check()).value == 3.0


async def test_an_end_that_comes_in_pieces_is_waited_for() -> None:
    async with playing(Stream(data(1, "4"), END[:40], END[40:-1], END[-1:])) as played:
        assert (await played.check()).value == 4.0


async def test_a_stream_that_breaks_off_before_its_end_is_none() -> None:
    async with playing(Stream(data(1, "4"), ends=True)) as played:
        result = await played.check()
    assert (result.verdict, result.value) == (Verdict.ERROR, None)
    assert isinstance(played.told[0][1], ProviderUnavailable)


async def test_a_computation_that_is_ended_is_asked_again_later() -> None:
    server = FakeSplunk()
    server.abort = "Computation limit of the organization"
    async with playing(server) as played:
        result = await played.check()
    assert "the computation was ended before its time: Computation limit of the organization" in result.text
    assert isinstance(played.told[0][1], ProviderUnavailable)


@pytest.mark.parametrize(("code", "kind"), [(400, ProviderRefused), (500, ProviderUnavailable)])
async def test_an_error_in_the_stream_is_told_in_its_words(code: int, kind: type[Exception]) -> None:
    said = f'{{"error":{code},"errorType":"ANALYTICS_PROGRAM_NAME_ERROR","message":"no such name: dta"}}'
    async with playing(Stream(f"event: error\ndata: {said}\n\n".encode(), END)) as played:
        result = await played.check()
    assert "the program failed: ANALYTICS_PROGRAM_NAME_ERROR: no such name: dta" in result.text
    assert isinstance(played.told[0][1], kind)


async def test_what_splunk_says_of_a_program_is_told() -> None:
    server = FakeSplunk()
    template = template_of(server)
    template["spec"]["query"] = "data('a'.publish()"
    async with playing(server, template) as played:
        assert "HTTP 400: ANALYTICS_PROGRAM_SYNTAX_ERROR: unexpected end" in (await played.check()).text


async def test_the_window_begins_with_the_revisions_first_traffic() -> None:
    server = FakeSplunk()
    server.window_s = 120
    async with playing(server) as played:
        assert (await played.check(started_s_ago=120)).verdict is Verdict.PASS
