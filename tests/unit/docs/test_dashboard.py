"""The dashboard's JSON is what Grafana expects, and asks only for series that somebody exports."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from agent.series.agent_metrics import AgentMetrics
from canary.api.names import Names, Side
from canary.run.judge import Verdict
from canary.run.kept import KeptCheck, KeptSample
from canary.run.phase import Phase
from canary.run.state import Analysis, State
from render.builtin_metrics import request_count, request_duration, request_success_rate
from tests.support.canaries import canary
from tests.support.cluster import REPOSITORY
from tests.support.dashboard import DashboardError, Query, Window, fill, read_dashboard
from tests.support.exposition import exposed, stored

TEXT = (REPOSITORY / "manifests" / "grafana" / "serin-canaries.json").read_text()
BODY: dict[str, Any] = json.loads(TEXT)
DASHBOARD = read_dashboard(TEXT)
WINDOW = Window(1000.0, 2000.0, scrape_interval_s=5)
CHOSEN = {"namespace": "test", "canary": "podinfo", "apex": "podinfo", "metric": ["request-duration"]}
PANELS = [panel for panel in BODY["panels"] if panel["type"] != "row"]


def asked() -> Iterator[str]:
    for query in DASHBOARD.queries:
        yield from query.filled(WINDOW.values | CHOSEN)


def series_of(promql: str) -> set[str]:
    """The names of all series in a query."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(promql), visit)
    return found


def exported_by_the_agent() -> set[str]:
    sample = KeptSample(1.0, 120.0, Verdict.PASS)
    analysis = Analysis(kept=(KeptCheck(name="request-duration", samples=(sample,)),))
    metrics = AgentMetrics("1.2.3", canaries=lambda: [stored(State(phase=Phase.SUCCEEDED, analysis=analysis))])
    metrics.observe_tick(0.1)
    metrics.count_error("KubeError")
    return {series.partition("{")[0] for series in exposed(metrics)}


def read_from_envoy_by_the_agent() -> set[str]:
    names, side = Names.of(canary()), Side.CANARY
    queries = (request_success_rate(names, side, 60), request_duration(names, side, 60), request_count(names, side, 60))
    return {name for query in queries for name in series_of(query.text)}


def test_every_series_is_exported_by_the_agent_or_is_one_of_envoys_that_the_checks_use() -> None:
    used = {name for promql in asked() for name in series_of(promql)}
    assert used <= exported_by_the_agent() | read_from_envoy_by_the_agent()
    assert {"serin_canary_metric_threshold", "envoy_cluster_upstream_rq_time_bucket"} <= used


def test_envoys_clusters_are_chosen_by_the_names_that_the_agent_gives_them() -> None:
    names = Names.of(canary())
    patterns = {found for promql in asked() for found in re.findall(r'envoy_cluster_name=~"([^"]*)"', promql)}
    chosen = {
        side: [name for name in names.envoy_clusters(side) for found in patterns if re.fullmatch(found, name)]
        for side in Side
    }
    assert len(patterns) == 2
    assert chosen == {side: list(names.envoy_clusters(side)) for side in Side}
    others = (
        "kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo_9898",
        "x-test-podinfo-canaryupstream-1_test",
    )
    assert not [name for name in others for found in patterns if re.fullmatch(found, name)]


def test_no_two_panels_overlap_and_none_is_wider_than_the_grid() -> None:
    cells = Counter(
        (x, y)
        for panel in BODY["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    )
    assert set(cells.values()) == {1}
    assert {x for x, _ in cells} == set(range(24))


def test_ids_and_refs_are_unique() -> None:
    assert set(Counter(panel["id"] for panel in BODY["panels"]).values()) == {1}
    assert set(Counter((query.panel, query.ref) for query in DASHBOARD.queries).values()) == {1}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['type']} {panel['title']}")
def test_each_panel_has_what_grafana_expects(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert limits == sorted(limits)
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]
    for target in panel["targets"]:
        assert target["instant"] is not target["range"]
        assert target["range"] is (panel["type"] in {"timeseries", "state-timeline"})


def test_the_schema_is_of_grafana_11_and_the_data_source_is_a_variable() -> None:
    assert BODY["schemaVersion"] >= 39
    first, *others = BODY["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert all(other["datasource"]["uid"] == "${datasource}" for other in others)
    assert [variable.name for variable in DASHBOARD.variables] == list(CHOSEN)


def test_a_name_without_a_value_is_refused() -> None:
    with pytest.raises(DashboardError, match="'canry' has no value"):
        fill('up{name="$canry"}', {"canary": "podinfo"})


def test_names_are_filled_in_whole_and_a_replacement_of_promql_stays() -> None:
    values = {"canary": "podinfo", "canary_port": "80"}
    assert fill("$canary-primary:$canary_port ${canary}s $1", values) == "podinfo-primary:80 podinfos $1"


def test_a_repeated_panel_asks_once_for_each_value() -> None:
    query = Query("p", "A", "x{m='$metric',n='$namespace'}", is_instant=True, repeat="metric")
    assert list(query.filled({"namespace": "n", "metric": ["a", "b"]})) == ["x{m='a',n='n'}", "x{m='b',n='n'}"]


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


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("label_values(flagger_canary_status, namespace)", "up"), "variable 'namespace': found 'up'; allowed"),
        (changed('"uid": "${datasource}"', '"uid": "abc"'), "panel 'Canaries': found data source .*abc"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(DashboardError, match=message):
        read_dashboard(text)
