"""`serin-overview`: all canaries at a glance, how runs end, and how the agent and all that it talks to are. Pure."""

from typing import Final

from dashboards.board import CANARY_UID, OVERVIEW_UID, Board, Choice, Note
from dashboards.panels import (
    ANY_IS_BAD,
    ANY_IS_DOUBTFUL,
    VERDICT_COLOURS,
    Ask,
    Json,
    Looks,
    Panel,
    Row,
    bars,
    counted,
    fixed,
    link,
    mappings,
    override,
    stat,
    table,
    thresholds,
    timeline,
)
from dashboards.programs import admission, agent, neighbours
from dashboards.queries import (
    OF_NAMESPACE,
    PHASE_TEXTS,
    RATE,
    READY,
    READY_TEXTS,
    SHOWN,
    STATUS_STEPS,
    STATUS_TEXTS,
    STEP,
    grown,
    or_zero,
    quantile,
)

_STATUS: Final = f"flagger_canary_status{{{OF_NAMESPACE}}}"
_PROMOTED: Final = f"flagger_canary_successes_total{{{OF_NAMESPACE}}}"
_ROLLED_BACK: Final = f"flagger_canary_failures_total{{{OF_NAMESPACE}}}"
_CANARY: Final = "namespace, name"

_ENDS: Final = (override("promoted", color=fixed("green")), override("rolled back", color=fixed("orange")))


_VERDICTS: Final = tuple(override(verdict, color=fixed(colour)) for verdict, colour in VERDICT_COLOURS.items())


def _to_canary(namespace: str, name: str) -> str:
    return (
        f"/d/{CANARY_UID}?${{datasource:queryparam}}&var-namespace={namespace}&var-canary={name}&${{__url_time_range}}"
    )


def _now() -> Row:
    return Row(
        "",
        (*_canaries_now(), *_runs_shown(), *_serin_itself()),
    )


def _canaries_now() -> tuple[Panel, ...]:
    """Return how many canaries are at what now."""
    return (
        stat(
            "Canaries",
            "Canaries that the agent watches.",
            Ask(or_zero(f"sum(flagger_canary_total{{{OF_NAMESPACE}}})")),
            width=2,
        ),
        stat(
            "Progressing",
            "Runs that are under way now.",
            Ask(or_zero(f"count({_STATUS} == 0)")),
            looks=Looks(decimals=0, steps=(("text", None), ("blue", 1))),
        ),
        stat(
            "Waiting",
            "Runs that wait for somebody's word before their start or their promotion.",
            Ask(or_zero(f'count(serin_canary_phase{{{OF_NAMESPACE}, phase=~"Waiting|WaitingPromotion"}})')),
            looks=Looks(decimals=0, steps=(("text", None), ("yellow", 1))),
            width=2,
        ),
        stat(
            "Failed",
            "Canaries whose last run was rolled back.",
            Ask(or_zero(f"count({_STATUS} == 2)")),
            looks=Looks(decimals=0, steps=ANY_IS_BAD),
            width=2,
        ),
        stat(
            "Not Ready",
            "Canaries whose condition Ready is False. The table below says why.",
            Ask(or_zero(f"count({READY} == 0)")),
            looks=Looks(decimals=0, steps=ANY_IS_DOUBTFUL),
        ),
    )


def _runs_shown() -> tuple[Panel, ...]:
    """Return how the runs of the time shown ended."""
    return (
        stat(
            "Promoted",
            "Runs that were promoted in the time shown.",
            Ask(or_zero(f"round(sum(increase({_PROMOTED}[{SHOWN}])))")),
            looks=Looks(decimals=0, steps=(("green", None),)),
        ),
        stat(
            "Rolled back",
            "Runs that were rolled back in the time shown.",
            Ask(or_zero(f"round(sum(increase({_ROLLED_BACK}[{SHOWN}])))")),
            looks=Looks(decimals=0, steps=ANY_IS_DOUBTFUL),
        ),
    )


def _serin_itself() -> tuple[Panel, ...]:
    """Return whether Serin's alerts fire, and whether its agents are up."""
    return (
        stat(
            "Alerts firing",
            "Alerts of Serin's PrometheusRule that fire now. 0 as well where the rules are not installed.",
            Ask(or_zero('count(ALERTS{alertname=~"Serin.+", alertstate="firing"})')),
            looks=Looks(decimals=0, steps=ANY_IS_BAD),
        ),
        stat(
            "Agents",
            "Agents that are up. One of them leads, or one for each shard: red is none.",
            Ask(or_zero("sum(serin_agent_leading)"), "leading"),
            Ask(or_zero("count(serin_agent_leading)"), "up"),
            looks=Looks(decimals=0, steps=(("red", None), ("green", 1))),
            shows="value_and_name",
        ),
    )


def _canaries() -> Panel:
    columns = {
        "namespace": "namespace",
        "name": "canary",
        "phase": "phase",
        "Value #B": "weight",
        "Value #C": "failed checks",
        "Value #D": "ready",
        "reason": "why not",
        "Value #E": "promoted",
        "Value #F": "rolled back",
        "Value #G": "last run",
        "outcome": "outcome",
    }
    organized: Json = {
        "excludeByName": {"Time": True, "Value #A": True},
        "indexByName": {name: index for index, name in enumerate(columns)},
        "renameByName": {name: title for name, title in columns.items() if name != title},
    }
    return table(
        "All canaries",
        "One line for each canary. Its name leads to its own dashboard. Promoted and rolled back: in the time shown.",
        Ask(f"max by ({_CANARY}, phase) (serin_canary_phase{{{OF_NAMESPACE}}})"),
        Ask(
            f"max by ({_CANARY}) (label_replace(flagger_canary_weight{{{OF_NAMESPACE}}}, "
            f'"name", "$1", "workload", "(.+)") and on ({_CANARY}) {_STATUS})'
        ),
        Ask(f"max by ({_CANARY}) (serin_canary_failed_checks{{{OF_NAMESPACE}}})"),
        Ask(f"max by ({_CANARY}, reason) ({READY})"),
        Ask(f"round(sum by ({_CANARY}) (increase({_PROMOTED}[{SHOWN}])))"),
        Ask(f"round(sum by ({_CANARY}) (increase({_ROLLED_BACK}[{SHOWN}])))"),
        Ask(f"max by ({_CANARY}, outcome) (serin_canary_last_run_seconds{{{OF_NAMESPACE}}})"),
        transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organized}],
        sorted_by="phase",
        looks=Looks(
            decimals=0,
            nothing="",
            overrides=_column_overrides(),
        ),
    )


def _column_overrides() -> tuple[Json, ...]:
    doubtful = thresholds((("text", None), ("orange", 1)))
    text, filled = {"type": "color-text"}, {"type": "color-background", "mode": "basic"}
    return (
        override(
            "canary",
            links=[link("Show ${__value.text}", _to_canary("${__data.fields.namespace}", "${__value.text}"))],
        ),
        override("phase", mappings=mappings(PHASE_TEXTS), custom__cellOptions=filled),
        override(
            "weight",
            unit="percent",
            min=0,
            max=100,
            custom__cellOptions={"type": "gauge", "mode": "basic"},
            thresholds=thresholds((("blue", None),)),
        ),
        override("failed checks", custom__cellOptions=text, thresholds=doubtful),
        override(
            "ready",
            mappings=mappings(READY_TEXTS),
            custom__cellOptions=text,
            thresholds=thresholds((("orange", None), ("green", 1))),
        ),
        override("rolled back", custom__cellOptions=text, thresholds=doubtful),
        override("last run", unit="s"),
    )


def _runs() -> Row:
    status_link = link(
        "Show ${__field.labels.name}", _to_canary("${__field.labels.namespace}", "${__field.labels.name}")
    )
    return Row(
        "Runs",
        (
            _canaries(),
            timeline(
                "Status over time",
                "When a run of each canary was under way, and how it ended.",
                Ask(f"max by ({_CANARY}) ({_STATUS})", "{{namespace}}/{{name}}"),
                looks=Looks(steps=STATUS_STEPS, texts=STATUS_TEXTS, nothing="no canaries"),
                links=(status_link,),
            ),
            counted(
                "Runs that ended",
                "Runs by how they ended.",
                Ask(or_zero(f"round(sum(increase({_PROMOTED}[{RATE}])))"), "promoted"),
                Ask(or_zero(f"round(sum(increase({_ROLLED_BACK}[{RATE}])))"), "rolled back"),
                looks=Looks(decimals=0, least=0, overrides=_ENDS),
            ),
            counted(
                "Verdicts of checks",
                "What the checks said: pass, fail, noData (nothing to judge by), error (no answer that can be used).",
                Ask(grown("serin_check_verdicts_total", f"{{{OF_NAMESPACE}}}", "verdict", RATE), "{{verdict}}"),
                looks=Looks(decimals=0, least=0, nothing="no checks", overrides=_VERDICTS),
            ),
            bars(
                "Duration of runs",
                "From a run's beginning to its end, by its outcome, in the time shown.",
                Ask(quantile(0.5, "serin_run_duration_seconds", "outcome", SHOWN), "{{outcome}} p50"),
                Ask(quantile(0.99, "serin_run_duration_seconds", "outcome", SHOWN), "{{outcome}} p99"),
                looks=Looks(unit="s", least=0, nothing="no run ended", steps=(("blue", None),)),
            ),
            bars(
                "Noticed after",
                "From the write of a workload to the stored reaction, by what told of it: the webhook's mark "
                "(admission), a watch, or a list after a gap (resync). Up to a second of it is the stamp's rounding.",
                Ask(quantile(0.5, "serin_revision_detected_seconds", "by", SHOWN), "{{by}} p50"),
                Ask(quantile(0.99, "serin_revision_detected_seconds", "by", SHOWN), "{{by}} p99"),
                looks=Looks(unit="s", least=0, nothing="no new revision", steps=(("green", None), ("orange", 5))),
            ),
            bars(
                "Rolled back after",
                "From the decision against a revision with traffic until the gateway is known to send it nothing.",
                Ask(quantile(0.5, "serin_rollback_seconds", "", SHOWN), "p50"),
                Ask(quantile(0.99, "serin_rollback_seconds", "", SHOWN), "p99"),
                looks=Looks(
                    unit="s", least=0, nothing="no rollback", steps=(("green", None), ("orange", 5), ("red", 30))
                ),
            ),
        ),
    )


def _ended(name: str, colour: str, counter: str, text: str) -> Note:
    """Mark the first point at which a canary's counter is higher than at the one before."""
    now, before = (f"sum by ({_CANARY}) ({counter}{offset})" for offset in ("", f" offset {STEP}"))
    return Note(name=name, colour=colour, expression=f"{now} > {before}", text=text)


OVERVIEW: Final = Board(
    uid=OVERVIEW_UID,
    title="Serin overview",
    description="All canaries at a glance, how their runs end, and how the agent and all that it talks to are.",
    choices=(
        Choice(
            name="namespace",
            title="Namespace",
            series="flagger_canary_total",
            label="namespace",
            takes_all=True,
            of_all=".+",
        ),
    ),
    notes=(
        _ended("Promoted", "green", _PROMOTED, "A run of {{namespace}}/{{name}} was promoted."),
        _ended("Rolled back", "red", _ROLLED_BACK, "A run of {{namespace}}/{{name}} was rolled back."),
    ),
    rows=(_now(), _runs(), agent(), neighbours(), admission()),
)
