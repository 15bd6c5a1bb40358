"""Reading a dashboard as Grafana does: its variables, its queries, and what is filled in."""

import pytest

from tests.support.cluster import REPOSITORY
from tests.support.dashboard import DashboardError, Query, Variable, Window, fill, read_dashboard

TEXT = (REPOSITORY / "manifests" / "grafana" / "serin-canary.json").read_text()


def test_a_name_without_a_value_is_refused() -> None:
    with pytest.raises(DashboardError, match="'canry' has no value"):
        fill('up{name="$canry"}', {"canary": "podinfo"})


def test_names_are_filled_in_whole_and_a_replacement_of_promql_stays() -> None:
    values = {"canary": "podinfo", "canary_port": "80"}
    assert fill("$canary-primary:$canary_port ${canary}s $1", values) == "podinfo-primary:80 podinfos $1"


def test_a_repeated_panel_asks_once_for_each_value() -> None:
    query = Query("p", "A", "x{m='$metric',n='$namespace'}", is_instant=True, repeat="metric")
    assert list(query.filled({"namespace": "n", "metric": ["a", "b"]})) == ["x{m='a',n='n'}", "x{m='b',n='n'}"]


def test_all_values_of_a_variable_are_one_pattern_or_what_stands_for_them() -> None:
    assert Variable("v", "up", "job", takes_all=True).chosen(["a", "b"], None) == "(a|b)"
    assert Variable("v", "up", "job", takes_all=True, of_all=".+").chosen(["a", "b"], None) == ".+"
    assert Variable("v", "up", "job", takes_all=True, of_all=".+").chosen(["a", "b"], "b") == "b"
    assert Variable("v", "up", "job").chosen(["a", "b"], None) == "a"


@pytest.mark.parametrize(
    ("shown_s", "scrape_interval_s", "expected"),
    [
        (300, 5, {"__interval": "5s", "__rate_interval": "20s", "__range": "300s"}),
        (300, 15, {"__interval": "15s", "__rate_interval": "60s", "__range": "300s"}),
        (100_000, 5, {"__interval": "100s", "__rate_interval": "105s", "__range": "100000s"}),
    ],
)
def test_intervals_are_grafanas(shown_s: int, scrape_interval_s: int, expected: dict[str, str]) -> None:
    assert Window(0, shown_s, scrape_interval_s).values == expected


def changed(old: str, new: str, times: int = -1) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, times)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("label_values(flagger_canary_status, namespace)", "up"), "variable 'namespace': found 'up'; allowed"),
        (changed('"uid": "${datasource}"', '"uid": "abc"'), "panel 'Phase': found data source .*abc"),
        (changed('"expr": "sum(', '"expr": "max(', times=1), "annotation 'Promoted': its two queries differ"),
        (
            changed('"includeAll": true', '"includeAll": false'),
            "variable 'primary_cluster': allowed is one value, or all",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(DashboardError, match=message):
        read_dashboard(text)
