"""Datadog: what is asked, and which point of the answer counts."""

import json
from dataclasses import replace

import pytest

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.servers.datadog import Datadog
from tests.support.metric_servers.canned import ASKED, Canned, result_of

OK = '{"status": "ok", "series": []}'


def newest(points: list[list[float | None]], *, since_s: float = 0.0, interval: int = 20) -> float | None:
    body = json.dumps({"series": [{"interval": interval, "pointlist": points}]})
    found: float | None = result_of(Datadog(Canned(body)).value(replace(ASKED, since_s=since_s)))
    return found


@pytest.mark.parametrize(("since_s", "from_s"), [(0.0, "9400"), (9_700.5, "9700")])
def test_ten_intervals_are_asked_for_but_nothing_from_before_the_first_traffic(since_s: float, from_s: str) -> None:
    canned = Canned(OK, credentials={"datadog_api_key": "a", "datadog_application_key": "b"})
    assert result_of(Datadog(canned).value(replace(ASKED, since_s=since_s))) is None
    (sent,) = canned.sent
    assert (sent.method, sent.path, sent.headers) == (
        "GET",
        "/api/v1/query",
        {"DD-API-KEY": "a", "DD-APPLICATION-KEY": "b"},
    )
    assert sent.fields == {"query": "up", "from": from_s, "to": "10000"}


def test_the_newest_whole_point_counts() -> None:
    points: list[list[float | None]] = [[9_900_000, 1], [9_960_000, 2], [9_980_000, 3], [9_990_000, 4]]
    assert newest(points) == 3, "the last bucket of 20 s began 10 s ago"
    assert newest([*points[:2], [9_980_000, None]]) == 2, "a gap is no value"
    assert newest(points, since_s=9_985) is None, "what the run before did is not this revision's"
    assert newest(points, since_s=9_970) == 3


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://api.datadoghq.eu", "HTTP 400: unable to parse"),
        ("https://api.us5.datadoghq.com", "HTTP 400: unable to parse"),
        ("http://api.datadoghq.eu", "HTTP 400"),
        ("https://datadoghq.com.example.com", "HTTP 400"),
        ("https://notdatadoghq.com", "HTTP 400"),
    ],
)
def test_an_error_is_shown_where_datadog_says_it_and_nobody_else_could(address: str, told: str) -> None:
    """A server of any other address may be one that the template's author may not read."""
    body = '{"errors": ["unable to parse"]}'
    with pytest.raises(ProviderRefused) as refused:
        result_of(Datadog(Canned(body, 400, address)).value(ASKED))
    assert str(refused.value) == f"{address}: {told}"
    with pytest.raises(ProviderRefused, match=r": HTTP 400$"):
        result_of(Datadog(Canned(body, 400, address, is_known=False)).value(ASKED))
    with pytest.raises(ProviderRefused, match=r": HTTP 400$"):
        result_of(Datadog(Canned(body, 400, address, is_verified=False)).value(ASKED))


def test_an_error_with_the_code_of_success_is_one() -> None:
    body = '{"status": "error", "error": "no such metric", "series": []}'
    with pytest.raises(ProviderRefused, match=r"https://api\.datadoghq\.com: it refuses the query: no such metric$"):
        result_of(Datadog(Canned(body, address="https://api.datadoghq.com")).value(ASKED))
