"""A whole dashboard: its variables, its annotations, and what the two of ours have in common. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboards.panels import SOURCE, Json, Row, placed

# Grafana 11's version of the model; a newer Grafana brings it up to date by itself.
_SCHEMA_VERSION: Final = 39

OVERVIEW_UID: Final = "serin-canaries"
"""Of the one dashboard that there was before: its bookmarks lead to the overview."""

CANARY_UID: Final = "serin-canary"

DATA_SOURCE: Final[Json] = {
    "type": "datasource",
    "name": "datasource",
    "label": "Prometheus",
    "hide": 0,
    "query": "prometheus",
    "refresh": 1,
    "regex": "",
    "multi": False,
    "includeAll": False,
    "skipUrlSync": False,
    "options": [],
    "current": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A variable: the values of a label in a series, which may name the variables before it.

    `of_all`: what stands for all values at once, where all may be chosen.
    """

    name: str
    title: str
    series: str
    label: str
    is_hidden: bool = False
    takes_all: bool = False
    of_all: str = ""

    def json(self) -> Json:
        """Return it as Grafana reads it."""
        query = f"label_values({self.series}, {self.label})"
        made: Json = {
            "type": "query",
            "name": self.name,
            "label": self.title,
            "hide": 2 if self.is_hidden else 0,
            "datasource": SOURCE,
            "definition": query,
            "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "multi": self.takes_all,
            "includeAll": self.takes_all,
            "skipUrlSync": self.is_hidden,
            "options": [],
            "current": {"text": ["All"], "value": ["$__all"]} if self.takes_all else {},
        }
        return made | ({"allValue": self.of_all} if self.of_all else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Marks on all graphs: one wherever the query, asked for one point after the other, gives more than 0."""

    name: str
    colour: str
    expression: str
    text: str

    def json(self) -> Json:
        """Return it as Grafana reads it: by `target`, older ones by what stands beside it."""
        target: Json = {"refId": "Anno", "datasource": SOURCE, "expr": self.expression, "range": True, "instant": False}
        return {
            "name": self.name,
            "datasource": SOURCE,
            "enable": True,
            "hide": False,
            "iconColor": self.colour,
            "expr": self.expression,
            "target": target,
            "titleFormat": self.name,
            "textFormat": self.text,
        }


_BUILT_IN: Final[Json] = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    choices: Sequence[Choice]
    rows: Sequence[Row]
    notes: Sequence[Note] = ()
    links: Sequence[Json] = ()

    def json(self) -> Json:
        """Return it as Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["serin", "progressive-delivery"],
            "schemaVersion": _SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "timezone": "",
            "time": {"from": "now-30m", "to": "now"},
            "timepicker": {},
            "refresh": "10s",
            "links": list(self.links),
            "annotations": {"list": [_BUILT_IN, *(note.json() for note in self.notes)]},
            "templating": {"list": [DATA_SOURCE, *(choice.json() for choice in self.choices)]},
            "panels": placed(self.rows),
        }
