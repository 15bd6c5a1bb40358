"""InfluxDB: what is asked, and how annotated CSV is read."""

import json

import pytest

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.servers.influxdb import InfluxDB
from tests.support.metric_servers.canned import ASKED, Canned, result_of


def table(*rows: str, kind: str = "double") -> str:
    head = (f"#datatype,string,long,{kind}", "#group,false,false,false", "#default,_result,,", ",result,table,_value")
    return "\r\n".join((*head, *rows)) + "\r\n"


def value(body: str) -> float | None:
    found: float | None = result_of(InfluxDB(Canned(body)).value(ASKED))
    return found


def test_flux_is_asked_for_the_organisation_with_the_token() -> None:
    canned = Canned("\r\n", credentials={"token": "t", "org": "my org"})
    assert result_of(InfluxDB(canned).value(ASKED)) is None
    (sent,) = canned.sent
    assert (sent.method, sent.path, sent.fields) == ("POST", "/api/v2/query", {"org": "my org"})
    assert sent.headers["Authorization"] == "Token t"
    assert json.loads(sent.content) == {
        "query": "up",
        "type": "flux",
        "dialect": {"header": True, "delimiter": ",", "annotations": ["datatype", "group", "default"]},
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (table(",,0,6.25"), 6.25),
        (table(",,0,7", kind="long"), 7.0),
        (table(",,0,"), None),
        (table(",,0,NaN"), None),
        (table(",,0,+Inf"), None),
        ("", None),
        ("\r\n\r\n", None),
        (table(), None),
        # Another order of columns, and a value with a comma in quotes beside it.
        ('#datatype,double,string,long,string\r\n,_value,result,table,path\r\n,3,_result,0,"a,b"\r\n', 3.0),
    ],
)
def test_a_value_is_read(body: str, expected: float | None) -> None:
    assert value(body) == expected


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (table(",,0,1", ",,1,2"), "gives 2 series; allowed: one series, for example by |> group()"),
        (table(",,0,1") + "\r\n" + table(",other,0,2"), "gives 2 series"),
        (table(",,0,1", ",,0,2", ",,0,3"), "gives 3 points; allowed: one point, for example by |> mean()"),
        (table(",,0,5", kind="string"), "no number; allowed: a number in _value"),
        (table(",,0,true", kind="boolean"), "no number"),
        (",result,table,_time\r\n,,0,2026-01-01T00:00:00Z\r\n", "no column _value; allowed: tables with one"),
        (table(",,0"), "not an answer of InfluxDB"),
        ("#datatype,string,string\r\n,error,reference\r\n,out of memory,897\r\n", "the query failed: out of memory"),
        (table(",,0,1") + "\r\n,error,reference\r\n,out of memory,\r\n", "the query failed: out of memory"),
    ],
)
def test_anything_else_is_refused(body: str, told: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        value(body)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            '{"code": "invalid", "message": "failed: error @1:8"}',
            "HTTP 400: failed: error @1:8",
        ),
        ('{"code": "E17", "message": "hunter2"}', "HTTP 400"),
        ('{"code": ["invalid"], "message": "hunter2"}', "HTTP 400"),
        ('{"code": "invalid", "message": {"a": "hunter2"}}', "HTTP 400"),
    ],
)
def test_an_error_is_shown_if_it_is_like_influxdbs(body: str, told: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        result_of(InfluxDB(Canned(body, 400)).value(ASKED))
    assert str(refused.value) == f"http://p: {told}"
    with pytest.raises(ProviderRefused, match=r": HTTP 400$"):
        result_of(InfluxDB(Canned(body, 400, is_known=False)).value(ASKED))
