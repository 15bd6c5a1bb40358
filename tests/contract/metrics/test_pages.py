"""Each provider's page in docs/providers/: its MetricTemplate works as it stands, and it tells what a user will see."""

import pytest

from canary.run.judge import Verdict
from tests.support.admission_faults import NOWHERE
from tests.support.metric_servers.known import SERVERS
from tests.support.metric_servers.pages import FOLDER, ProviderPage, failures, playing_page
from tests.support.metric_servers.server import FakeMetricServer
from tests.support.reviews import request
from webhook.validating import validate_metric_template


@pytest.fixture(params=SERVERS, ids=lambda server: str(server.type))
def server(request: pytest.FixtureRequest) -> FakeMetricServer:
    made: FakeMetricServer = request.param()
    return made


async def test_the_template_is_admitted_and_gives_its_value(server: FakeMetricServer) -> None:
    page = ProviderPage.read(server.type)
    answer = validate_metric_template(request(page.template), NOWHERE)
    assert (answer.refusal, answer.warnings) == (None, ())
    assert page.template["spec"]["provider"]["type"] == server.type
    server.series = [4.5]
    async with playing_page(server, page) as played:
        result = await played.check()
    assert (result.verdict, result.text, result.value) == (Verdict.PASS, "probe 4.50", 4.5)


async def test_what_each_failure_looks_like_is_on_the_page(server: FakeMetricServer) -> None:
    page = ProviderPage.read(server.type)
    told = await failures(server, page)
    assert {what: text for what, text in told.items() if not page.shows(text)} == {}


def test_the_list_of_providers_leads_to_each_page() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [server.type for server in SERVERS if f"[`{server.type}`]({server.type}.md)" not in text] == []
