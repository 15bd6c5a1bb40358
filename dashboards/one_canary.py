"""`serin-canary`: one canary with both its sides, its checks beside their bounds, and its events. Pure."""

from typing import Final

from canary.api.names import Side
from dashboards.board import CANARY_UID, OVERVIEW_UID, Board, Choice, Note
from dashboards.envoy import CLUSTERS, REQUESTS, clusters, latency_ms, requests_per_second, success_percent
from dashboards.panels import (
    PLAIN,
    VERDICT_COLOURS,
    Ask,
    Json,
    Looks,
    Panel,
    Row,
    counted,
    fixed,
    graph,
    limit_looks,
    override,
    override_by_pattern,
    repeated,
    stat,
    table,
    thresholds,
)
from dashboards.queries import RATE, READY_TEXTS, SHOWN, STATUS_STEPS, STATUS_TEXTS, STEP, or_none

_OURS: Final = 'namespace="$namespace", name="$canary"'
_STATUS: Final = f"max(flagger_canary_status{{{_OURS}}})"
_PROMOTED: Final = f"flagger_canary_successes_total{{{_OURS}}}"
_ROLLED_BACK: Final = f"flagger_canary_failures_total{{{_OURS}}}"
_PRIMARY_WEIGHT: Final = 'max(flagger_canary_weight{namespace="$namespace", workload="$canary-primary"})'
_CANARY_WEIGHT: Final = 'max(flagger_canary_weight{namespace="$namespace", workload="$canary"})'
_SIDES: Final = (override("primary", color=fixed("blue")), override("canary", color=fixed("orange")))
_VERDICTS: Final = tuple(
    override_by_pattern(f".* {verdict}", color=fixed(colour)) for verdict, colour in VERDICT_COLOURS.items()
)


def _now() -> Row:
    return Row(
        "",
        (*_states(), *_runs(), _weight()),
    )


def _states() -> tuple[Panel, ...]:
    """Return what the canary is at."""
    return (
        stat(
            "Phase",
            "What the canary is at; the colour is what became of its last run.",
            Ask(f"max by (phase) (serin_canary_phase{{{_OURS}}}) * on () group_left () {_STATUS}", "{{phase}}"),
            looks=Looks(decimals=0, steps=STATUS_STEPS, texts=STATUS_TEXTS, nothing="no such canary"),
            width=4,
            is_filled=True,
            shows="name",
        ),
        stat(
            "Ready",
            "Whether traffic is served as meant, and the next change could be rolled out; if not, the reason.",
            Ask(
                f"label_replace(max by (reason) (serin_canary_ready{{{_OURS}}}), "
                '"reason", "all is well", "reason", "")',
                "{{reason}}",
            ),
            looks=Looks(
                decimals=0, steps=(("orange", None), ("green", 1)), texts=READY_TEXTS, nothing="no such canary"
            ),
            width=5,
            shows="value_and_name",
        ),
        stat(
            "Failed checks",
            "Failed checks of the last run, and how many of them roll it back.",
            Ask(f"max(serin_canary_failed_checks{{{_OURS}}})", "failed"),
            Ask(f"max(serin_canary_failed_checks_threshold{{{_OURS}}})", "rolls back at"),
            looks=Looks(
                decimals=0,
                nothing="no such canary",
                overrides=(
                    override(
                        "failed",
                        thresholds=thresholds((("green", None), ("orange", 1))),
                    ),
                ),
            ),
            width=5,
            shows="value_and_name",
        ),
    )


def _runs() -> tuple[Panel, ...]:
    """Return how its runs ended."""
    return (
        stat(
            "Last run",
            "How long the last run took, and how it ended.",
            Ask(f"max by (outcome) (serin_canary_last_run_seconds{{{_OURS}}})", "{{outcome}}"),
            looks=Looks(unit="s", nothing="no run yet"),
            width=4,
            shows="value_and_name",
        ),
        stat(
            "Promoted",
            "Runs that were promoted in the time shown.",
            Ask(f"round(sum(increase({_PROMOTED}[{SHOWN}])))"),
            looks=Looks(decimals=0, steps=(("green", None),), nothing="no such canary"),
        ),
        stat(
            "Rolled back",
            "Runs that were rolled back in the time shown.",
            Ask(f"round(sum(increase({_ROLLED_BACK}[{SHOWN}])))"),
            looks=Looks(decimals=0, steps=(("green", None), ("orange", 1)), nothing="no such canary"),
        ),
    )


def _weight() -> Panel:
    """Return how the traffic is split."""
    return graph(
        "Weight",
        "The share of the traffic that the agent means each side to get.",
        Ask(_PRIMARY_WEIGHT, "primary"),
        Ask(_CANARY_WEIGHT, "canary"),
        looks=Looks(unit="percent", least=0, most=100, overrides=_SIDES, nothing="no such canary"),
        width=24,
        height=7,
        is_stepped=True,
        is_stacked=True,
    )


def _sides() -> Row:
    milliseconds = Looks(unit="ms", least=0, overrides=_SIDES, nothing="no requests")
    return Row(
        "Primary against canary",
        (
            graph(
                "Success rate",
                "Answers other than 5xx, counted as the check does. A side without requests shows nothing.",
                Ask(success_percent(Side.PRIMARY), "primary"),
                Ask(success_percent(Side.CANARY), "canary"),
                looks=Looks(unit="percent", most=100, decimals=2, overrides=_SIDES, nothing="no requests"),
                legend=("lastNotNull", "min"),
            ),
            graph(
                "Requests",
                "Requests that Envoy sends to each side.",
                Ask(requests_per_second(Side.PRIMARY), "primary"),
                Ask(requests_per_second(Side.CANARY), "canary"),
                looks=Looks(unit="reqps", least=0, overrides=_SIDES, nothing="Prometheus does not scrape Envoy"),
            ),
            graph(
                "Latency p99",
                "Of 100 requests one takes longer: what the check request-duration judges.",
                Ask(latency_ms(Side.PRIMARY, 0.99), "primary"),
                Ask(latency_ms(Side.CANARY, 0.99), "canary"),
                looks=milliseconds,
            ),
            graph(
                "Latency p50",
                "Half of the requests take longer.",
                Ask(latency_ms(Side.PRIMARY, 0.5), "primary"),
                Ask(latency_ms(Side.CANARY, 0.5), "canary"),
                looks=milliseconds,
            ),
        ),
    )


def _values() -> Panel:
    organized: Json = {
        "excludeByName": {},
        "indexByName": {"metric\\bound": 0, "last value": 1, "min": 2, "max": 3},
        "renameByName": {"metric\\bound": "check"},
    }
    matrix: Json = {"columnField": "bound", "rowField": "metric", "valueField": "Value", "emptyValue": "null"}
    return table(
        "Checks and their bounds",
        "The last value of each check beside its bounds, which are good values too. request-duration is in seconds.",
        Ask(
            f"label_replace(max by (metric) (flagger_canary_metric_analysis{{{_OURS}}}), "
            f'"bound", "last value", "", "") or max by (metric, bound) (serin_canary_metric_threshold{{{_OURS}}})'
        ),
        transformations=[{"id": "groupingToMatrix", "options": matrix}, {"id": "organize", "options": organized}],
        looks=Looks(decimals=3, steps=PLAIN, nothing=""),
        width=8,
        height=8,
    )


def _checks() -> Row:
    verdicts = f"serin_check_verdicts_total{{{_OURS}}}"
    one = graph(
        "Check: $metric",
        "The values that the check got, and the bounds of good ones.",
        Ask(f'max(flagger_canary_metric_analysis{{{_OURS}, metric="$metric"}})', "value"),
        Ask(f'max by (bound) (serin_canary_metric_threshold{{{_OURS}, metric="$metric"}})', "{{bound}}"),
        looks=Looks(
            unit="short",
            nothing="never measured",
            overrides=(
                override("value", color=fixed("purple")),
                override_by_pattern("^(min|max)$", **limit_looks()),
            ),
        ),
        height=7,
        is_stepped=True,
        legend=("lastNotNull",),
    )
    return Row(
        "Checks",
        (
            _values(),
            counted(
                "Verdicts",
                "What each check said: pass, fail, noData (nothing to judge by), error (no answer that can be used), "
                "undecided (not evidence enough yet).",
                Ask(f"round(sum by (metric, verdict) (increase({verdicts}[{RATE}])))", "{{metric}} {{verdict}}"),
                looks=Looks(decimals=0, least=0, nothing="no checks", overrides=_VERDICTS),
                width=8,
            ),
            graph(
                "Failed checks over time",
                "A run is rolled back when the failed checks reach the dashed line.",
                Ask(f"max(serin_canary_failed_checks{{{_OURS}}})", "failed"),
                Ask(f"max(serin_canary_failed_checks_threshold{{{_OURS}}})", "rolls back at"),
                looks=Looks(
                    decimals=0,
                    least=0,
                    overrides=(
                        override("failed", color=fixed("orange")),
                        override("rolls back at", **limit_looks()),
                    ),
                ),
                width=8,
                is_stepped=True,
            ),
            graph(
                "Evidence",
                "Where each check stands that is judged by evidence: at -1 it is known to be well, at 1 it is known to "
                "be harm and rolled back, in between the weight stays.",
                Ask(or_none(f"max by (metric) (serin_check_evidence{{{_OURS}}})", "metric"), "{{metric}}"),
                looks=Looks(decimals=2, least=-1, most=1, steps=(("green", None), ("yellow", -0.99), ("red", 1))),
                width=24,
                height=6,
                is_stepped=True,
            ),
            repeated(one, "metric", per_row=2),
        ),
    )


def _notes() -> tuple[Note, ...]:
    """Return what happened, each at the first point that shows it."""
    running = f"({_STATUS} == bool 0)"
    before = f"(max(flagger_canary_status{{{_OURS}}} offset {STEP}) == bool 0)"
    weights = 'flagger_canary_weight{namespace="$namespace", workload="$canary"}'
    return (
        Note(name="Run begins", colour="blue", expression=f"{running} > {before}", text="A new revision was noticed."),
        Note(
            name="Weight",
            colour="light-orange",
            expression=(
                f'count_values("weight", max({weights})) unless count_values("weight", max({weights} offset {STEP}))'
            ),
            text="The canary side gets {{weight}} % of the traffic.",
        ),
        Note(
            name="Promoted",
            colour="green",
            expression=f"sum({_PROMOTED}) > sum({_PROMOTED} offset {STEP})",
            text="The run was promoted.",
        ),
        Note(
            name="Rolled back",
            colour="red",
            expression=f"sum({_ROLLED_BACK}) > sum({_ROLLED_BACK} offset {STEP})",
            text="The run was rolled back.",
        ),
    )


def _cluster(side: Side) -> Choice:
    return Choice(
        name=CLUSTERS[side],
        title=f"Envoy's cluster of the {side} side",
        series=f'{REQUESTS}{{envoy_cluster_name=~"{clusters(side)}"}}',
        label="envoy_cluster_name",
        is_hidden=True,
        takes_all=True,
    )


ONE_CANARY: Final = Board(
    uid=CANARY_UID,
    title="Serin canary",
    description="One canary: the weights, primary against canary, its checks beside their bounds, and what happened.",
    choices=(
        Choice(name="namespace", title="Namespace", series="flagger_canary_status", label="namespace"),
        Choice(name="canary", title="Canary", series='flagger_canary_status{namespace="$namespace"}', label="name"),
        Choice(name="apex", title="Apex", series=f"serin_canary_info{{{_OURS}}}", label="apex", is_hidden=True),
        _cluster(Side.PRIMARY),
        _cluster(Side.CANARY),
        Choice(
            name="metric",
            title="Check",
            series=f"serin_canary_metric_threshold{{{_OURS}}}",
            label="metric",
            is_hidden=True,
            takes_all=True,
        ),
    ),
    rows=(_now(), _sides(), _checks()),
    notes=_notes(),
    links=(
        {
            "type": "link",
            "title": "All canaries",
            "icon": "dashboard",
            "tooltip": "Serin overview",
            "url": f"/d/{OVERVIEW_UID}?${{datasource:queryparam}}",
            "tags": [],
            "asDropdown": False,
            "targetBlank": False,
            "includeVars": False,
            "keepTime": True,
        },
    ),
)
