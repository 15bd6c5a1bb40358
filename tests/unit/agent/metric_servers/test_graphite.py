"""Graphite: what is asked, and which point of the answer counts."""

from dataclasses import replace

from agent.providers.metrics.servers.graphite import Graphite
from tests.support.metric_servers.canned import ASKED, Canned, result_of


def test_a_query_is_the_parameters_of_a_request_and_its_line_breaks_mean_nothing() -> None:
    canned = Canned("[]", credentials={"username": "u", "password": "p", "token": "of no use"})
    text = "target=asPercent(\n  a.b,\n  c.d)&from=-5min&until=now&format=png\n"
    assert result_of(Graphite(canned).value(replace(ASKED, text=text))) is None
    (sent,) = canned.sent
    assert (sent.method, sent.path, sent.headers) == ("GET", "/render", {"Authorization": "Basic dTpw"})
    assert sent.fields == [
        ("target", "asPercent( a.b, c.d)"),
        ("from", "-5min"),
        ("until", "now"),
        ("format", "json"),
    ]


def test_the_newest_point_with_a_value_since_the_first_traffic_counts() -> None:
    canned = Canned('[{"target": "t", "datapoints": [[1, 9900], [2, 9960], [null, 9980], [null, 9990]]}]')
    assert result_of(Graphite(canned).value(ASKED)) == 2
    assert result_of(Graphite(canned).value(replace(ASKED, since_s=9_960))) == 2
    assert result_of(Graphite(canned).value(replace(ASKED, since_s=9_961))) is None
