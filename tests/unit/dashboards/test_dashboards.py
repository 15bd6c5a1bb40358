"""The dashboards' JSON is what Grafana expects, and asks only for series that somebody exports."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Schema

from canary.api.names import Names, Side
from dashboards.files import FILES
from render.builtin_metrics import request_count, request_duration, request_success_rate
from tests.support.canaries import canary
from tests.support.cluster import REPOSITORY
from tests.support.dashboard import Window, fill, read_dashboard
from tests.support.known_series import known_series

FOLDER = REPOSITORY / "manifests" / "grafana"
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.json"))}
BODIES: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in TEXTS.items()}
DASHBOARDS = {name: read_dashboard(text) for name, text in TEXTS.items()}
PANELS = [
    pytest.param(panel, id=f"{name.removesuffix('.json')} {panel['type']} {panel['title']}")
    for name, body in BODIES.items()
    for panel in body["panels"]
    if panel["type"] != "row"
]
WINDOW = Window(1000.0, 2000.0, scrape_interval_s=5)
CHOSEN: dict[str, dict[str, str | list[str]]] = {
    "serin-overview.json": {"namespace": ".+"},
    "serin-canary.json": {
        "namespace": "test",
        "canary": "podinfo",
        "apex": "podinfo",
        "primary_cluster": "primary",
        "canary_cluster": "canary",
        "metric": ["request-duration"],
    },
}
# Of Prometheus itself, not of anything that it scrapes.
OF_PROMETHEUS = {"ALERTS"}

each_dashboard = pytest.mark.parametrize("name", CHOSEN)


def asked(name: str) -> Iterator[str]:
    for query in DASHBOARDS[name].queries:
        yield from query.filled({**WINDOW.values, **CHOSEN[name]})


def series_of(promql: str) -> set[str]:
    """The names of all series in a query."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(promql), visit)
    return found


def read_from_envoy_by_the_agent() -> set[str]:
    names, side = Names.of(canary()), Side.CANARY
    queries = (request_success_rate(names, side, 60), request_duration(names, side, 60), request_count(names, side, 60))
    return {name for query in queries for name in series_of(query.text)}


def test_the_files_are_what_make_dashboards_writes() -> None:
    assert TEXTS == FILES, "stale: make dashboards charts"


@each_dashboard
def test_the_json_is_what_grafana_knows(name: str) -> None:
    """What Grafana's types do not know is lost on the way through them; what is added has a default."""
    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Schema.from_json(BODIES[name])))
    assert list(lost(BODIES[name], again, name)) == []


def lost(meant: object, found: object, path: str) -> Iterator[str]:
    match meant, found:
        case dict(), dict():
            for key, value in meant.items():
                if key not in found:
                    yield f"{path}.{key}"
                else:
                    yield from lost(value, found[key], f"{path}.{key}")
        case list(), list() if len(meant) == len(found):
            for index, value in enumerate(meant):
                yield from lost(value, found[index], f"{path}[{index}]")
        case _:
            if meant != found:
                yield f"{path}: {meant!r} became {found!r}"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"titel": "x"}, "board.panels[0].titel"),
        ({"gridPos": {"x": 0, "y": 0, "w": 3, "height": 4}}, "board.panels[0].gridPos.height"),
        ({"options": {"graphMood": "none"}}, "board.panels[0].options.graphMood"),
        (
            {"targets": [{"refId": "A", "datasource": {"type": "prometheus"}, "expression": "up"}]},
            "board.panels[0].targets[0].expression",
        ),
    ],
)
def test_a_key_that_grafana_does_not_know_is_found(change: dict[str, Any], path: str) -> None:
    register_default_plugins()
    body = {"panels": [BODIES["serin-overview.json"]["panels"][0] | change]}
    again = json.loads(JSONEncoder().encode(Schema.from_json(body)))
    assert list(lost(body, again, "board")) == [path]


@each_dashboard
def test_every_series_is_exported_by_us_or_is_one_of_envoys_that_the_checks_use(name: str) -> None:
    used = {series for promql in asked(name) for series in series_of(promql)}
    of_choices = {
        series for one in DASHBOARDS[name].variables for series in series_of(fill(one.series, texts_of(name)))
    }
    assert used | of_choices <= known_series().keys() | read_from_envoy_by_the_agent() | OF_PROMETHEUS


def texts_of(name: str) -> dict[str, str]:
    return {key: value for key, value in CHOSEN[name].items() if isinstance(value, str)}


def test_every_series_of_the_agent_is_on_a_dashboard() -> None:
    used = {series for name in CHOSEN for promql in asked(name) for series in series_of(promql)}
    shown = {re.sub(r"_(bucket|sum|count)$", "", series) for series in used}
    page = (REPOSITORY / "docs" / "reference" / "series.md").read_text()
    of_agent = page[page.index("## The agent") : page.index("## The load tester")]
    there = set(re.findall(r"^\| `(\w+)` \|", of_agent, re.MULTILINE))
    assert there - shown == {
        "flagger_canary_duration_seconds",  # what a tick's checks took: serin_provider_request_seconds is by server
        "flagger_info",  # versions
        "serin_canary_info",  # names the clusters, in a variable
        "serin_revisions_detected_total",  # serin_revision_detected_seconds counts them, too
        "serin_webhook_canaries",
        "serin_webhook_info",
    }


def test_envoys_clusters_are_chosen_by_the_names_that_the_agent_gives_them() -> None:
    names = Names.of(canary())
    variables = {one.name: one for one in DASHBOARDS["serin-canary.json"].variables}
    others = (
        "kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo_9898",
        "x-test-podinfo-canaryupstream-1_test",
    )
    for side in Side:
        series = fill(variables[f"{side}_cluster"].series, texts_of("serin-canary.json"))
        [pattern] = re.findall(r'^envoy_cluster_upstream_rq_total\{envoy_cluster_name=~"([^"]*)"\}$', series)
        known = [name for one in Side for name in names.envoy_clusters(one)]
        assert [name for name in (*known, *others) if re.fullmatch(pattern, name)] == list(names.envoy_clusters(side))


def test_the_sides_are_measured_by_the_checks_own_queries() -> None:
    """A graph asks for what a check of the same window asks, with a variable where that has the cluster's names."""
    names = Names.of(canary())
    checks = {
        "Requests": request_count(names, Side.CANARY, 20).text.replace("increase", "rate"),
        "Latency p99": request_duration(names, Side.CANARY, 20).text,
        "Success rate": request_success_rate(names, Side.CANARY, 20).text,
    }
    cluster = "|".join(names.envoy_clusters(Side.CANARY))
    found = {
        query.panel: fill(query.text, WINDOW.values | {"canary_cluster": cluster})
        for query in DASHBOARDS["serin-canary.json"].queries
        if query.ref == "B" and query.panel in checks
    }
    assert found["Requests"] == checks["Requests"]
    assert found["Latency p99"] == checks["Latency p99"]
    chosen = f'envoy_cluster_upstream_rq{{envoy_cluster_name=~"{cluster}"'
    bad = checks["Success rate"].replace(f"{chosen}}}", f'{chosen},envoy_response_code=~"5.."}}')
    assert bad != checks["Success rate"]
    assert found["Success rate"] == f"100 * (1 - ((sum({bad}) or vector(0)) / (sum({checks['Success rate']}) > 0)))"


@each_dashboard
def test_no_two_panels_overlap_and_none_leaves_a_gap(name: str) -> None:
    cells = Counter(
        (x, y)
        for panel in BODIES[name]["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    )
    assert set(cells.values()) == {1}
    assert len(cells) == 24 * (max(y for _, y in cells) + 1)


@each_dashboard
def test_ids_titles_and_refs_are_unique(name: str) -> None:
    assert set(Counter(panel["id"] for panel in BODIES[name]["panels"]).values()) == {1}
    assert set(Counter(panel["title"] for panel in BODIES[name]["panels"]).values()) == {1}
    assert set(Counter((query.panel, query.ref) for query in DASHBOARDS[name].queries).values()) == {1}


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_has_what_a_reader_needs(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", panel["description"])
    assert len(panel["description"]) <= 220
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert limits == sorted(limits)
    assert "noValue" in defaults
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]
    for target in panel["targets"]:
        assert target["instant"] is not target["range"]
        assert target["range"] is (panel["type"] in {"timeseries", "state-timeline"})
        assert target.get("legendFormat") or panel["type"] == "table" or len(panel["targets"]) == 1


@each_dashboard
def test_the_data_source_is_a_variable(name: str) -> None:
    body = BODIES[name]
    assert body["schemaVersion"] == 39, "Grafana 11's; a newer one brings it up to date"
    first, *others = body["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert all(other["datasource"]["uid"] == "${datasource}" for other in others)
    assert [variable.name for variable in DASHBOARDS[name].variables] == list(CHOSEN[name])


def test_each_dashboard_leads_to_the_other() -> None:
    """The overview has the uid of the one dashboard of 0.2.0 and before, so that bookmarks lead somewhere."""
    overview, one = BODIES["serin-overview.json"], BODIES["serin-canary.json"]
    assert (overview["uid"], one["uid"]) == ("serin-canaries", "serin-canary")
    assert one["links"][0]["url"] == "/d/serin-canaries?${datasource:queryparam}"
    links = re.findall(r'"url": "(/d/[^"]*)"', TEXTS["serin-overview.json"])
    of_time = "&${__url_time_range}"
    assert links == [
        "/d/serin-canary?${datasource:queryparam}&var-namespace=${__data.fields.namespace}&var-canary=${__value.text}"
        + of_time,
        "/d/serin-canary?${datasource:queryparam}&var-namespace=${__field.labels.namespace}&var-canary=${__field.labels.name}"
        + of_time,
    ]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "serin-overview.json",
            {
                "Promoted": "A run of {{namespace}}/{{name}} was promoted.",
                "Rolled back": "A run of {{namespace}}/{{name}} was rolled back.",
            },
        ),
        (
            "serin-canary.json",
            {
                "Run begins": "A new revision was noticed.",
                "Weight": "The canary side gets {{weight}} % of the traffic.",
                "Promoted": "The run was promoted.",
                "Rolled back": "The run was rolled back.",
            },
        ),
    ],
)
def test_what_happens_is_marked_on_the_graphs(name: str, texts: dict[str, str]) -> None:
    notes = [note for note in BODIES[name]["annotations"]["list"] if not note.get("builtIn")]
    assert {note["name"]: note["textFormat"] for note in notes} == texts
    assert "$" not in "".join(texts.values()), "Grafana fills in labels only"
    assert all(note["enable"] and note["expr"] == note["target"]["expr"] for note in notes)
