"""New Relic: what is asked, and which number of the answer counts."""

import pytest

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.servers.newrelic import NewRelic
from tests.support.metric_servers.canned import ASKED, Canned, result_of

SECRET = {"newrelic_account_id": "42", "newrelic_query_key": "k"}


def test_the_last_interval_of_the_account_is_asked_for() -> None:
    canned = Canned('{"results": []}', credentials=SECRET)
    assert result_of(NewRelic(canned).value(ASKED)) is None
    (sent,) = canned.sent
    assert (sent.method, sent.path) == ("GET", "/v1/accounts/42/query")
    assert sent.fields == {"nrql": "up SINCE 60 seconds ago"}
    assert sent.headers["X-Query-Key"] == "k"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"results": [{"result": 0.5}]}', 0.5),
        ('{"results": [{"result": null}]}', None),
        ('{"results": [{"count": 7}]}', 7.0),
        ('{"results": [{"percentiles": {"95": 0.2}}]}', 0.2),
        ('{"facets": []}', None),
        ('{"facets": [{"name": "a", "results": [{"count": 3}]}]}', 3.0),
    ],
)
def test_the_number_is_found_under_whatever_name_it_has(body: str, value: float | None) -> None:
    assert result_of(NewRelic(Canned(body, credentials=SECRET)).value(ASKED)) == value


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            '{"facets": [{"name": "a"}, {"name": "b"}]}',
            "gives 2 series; allowed: one series, for example without F",
        ),
        ('{"results": [{"percentiles": {"50": 1, "95": 2, "99": 3}}]}', "gives 3 series"),
        ('{"timeSeries": [], "total": {}}', "gives points over time; allowed: one number, without TIMESERIES"),
        ('{"results": [{"events": [{"a": 1}]}]}', "is a list or an object; allowed: a number"),
    ],
)
def test_more_than_a_number_is_refused(body: str, told: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        result_of(NewRelic(Canned(body, credentials=SECRET)).value(ASKED))
    assert told in str(refused.value)


@pytest.mark.parametrize("account", ["../../../other", "1/2", "١٢", ""])
def test_an_account_that_is_no_number_is_refused_without_showing_it(account: str) -> None:
    with pytest.raises(ProviderRefused, match=r"Secret test/nr data\.newrelic_account_id: found something else") as why:
        NewRelic(Canned("", credentials=SECRET | {"newrelic_account_id": account}, secret="Secret test/nr"))
    assert not account or account not in str(why.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://insights-api.eu.newrelic.com", "HTTP 400: NRQL Syntax Error"),
        ("https://newrelic.example.com", "HTTP 400"),
    ],
)
def test_an_error_is_shown_where_new_relic_says_it(address: str, told: str) -> None:
    canned = Canned('{"error": "NRQL Syntax Error"}', 400, address, credentials=SECRET)
    with pytest.raises(ProviderRefused) as refused:
        result_of(NewRelic(canned).value(ASKED))
    assert str(refused.value) == f"{address}: {told}"
