"""A Grafana dashboard's variables and queries, read from its JSON and filled in as Grafana does. Pure: nobody is asked.

Source: Grafana's documentation of variables and global variables, and of the Prometheus data source. Only what our own
dashboard uses is understood; anything else is refused by name, so that a slip in the JSON can't pass for an answer.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<bare>[A-Za-z_]\w*))")
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<series>.+),\s*(?P<label>\w+)\)")
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_ALL: Final = {"text": ["All"], "value": ["$__all"]}
_POINTS: Final = 1000


class DashboardError(ValueError):
    """The dashboard has what isn't understood here; the message names it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time shown, in seconds since the epoch, of a Prometheus that scrapes every `scrape_interval_s`."""

    start_s: float
    end_s: float
    scrape_interval_s: int

    @property
    def step_s(self) -> int:
        """Seconds between two points of a graph, `$__interval`: never less than between two scrapes."""
        return max(self.scrape_interval_s, math.ceil((self.end_s - self.start_s) / _POINTS))

    @property
    def values(self) -> dict[str, str]:
        """The variables that Grafana itself sets."""
        rate_s = max(self.step_s + self.scrape_interval_s, 4 * self.scrape_interval_s)
        range_s = math.ceil(self.end_s - self.start_s)
        return {"__interval": f"{self.step_s}s", "__rate_interval": f"{rate_s}s", "__range": f"{range_s}s"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice for the user: the values of `label` in `series`, which may name the variables before it.

    `takes_all`: all values at once are the default, for which `of_all` stands if it is not empty.
    """

    name: str
    series: str
    label: str
    takes_all: bool = False
    of_all: str = ""

    def chosen(self, found: Sequence[str], wanted: str | None) -> str:
        """Return what stands in a query for one value or, where nobody wanted one, for all of them or the first."""
        if not self.takes_all:
            return wanted or found[0]
        if wanted is not None:
            return wanted
        return self.of_all or f"({'|'.join(found)})"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, or of an annotation. `is_instant`: asked for one moment, not over the window.

    `repeat` names the variable for each of whose values the panel is there once; empty: it is there once.
    """

    panel: str
    ref: str
    text: str
    is_instant: bool
    repeat: str

    def filled(self, values: Mapping[str, str | Sequence[str]]) -> Iterator[str]:
        """Return the PromQL that Grafana sends, once for each repetition. Raises DashboardError."""
        singles = {name: value for name, value in values.items() if isinstance(value, str)}
        for value in values.get(self.repeat, ()) if self.repeat else ("",):
            yield fill(self.text, singles | {self.repeat: value})


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What a dashboard asks for; `variables` in the order in which they are chosen."""

    variables: tuple[Variable, ...]
    queries: tuple[Query, ...]


def read_dashboard(text: str) -> Dashboard:
    """Read the JSON; rows that are closed count as well.

    Raises:
        DashboardError: a variable or a data source of another kind.
    """
    body = json.loads(text)
    variables = [_read_variable(item) for item in body["templating"]["list"] if item["type"] != "datasource"]
    panels = [inner for panel in body["panels"] for inner in (panel, *panel.get("panels", ()))]
    queries = [_read_query(panel, target) for panel in panels for target in panel.get("targets", ())]
    notes = [_read_note(note) for note in body["annotations"]["list"] if not note.get("builtIn")]
    return Dashboard(tuple(variables), (*queries, *notes))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in the place of `$name` and `${name}`; `$1` is PromQL's own.

    Raises:
        DashboardError: a name that has no value.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        if name not in values:
            raise DashboardError(f"variable {name!r} has no value in: {text}")
        return values[name]

    return _VARIABLE.sub(value_of, text)


def _read_variable(item: Mapping[str, Any]) -> Variable:
    query = item["query"]["query"] if item["type"] == "query" else ""
    match = _LABEL_VALUES.fullmatch(query)
    if match is None:
        raise DashboardError(f"variable {item['name']!r}: found {query!r}; allowed: label_values(series, label)")
    if item["multi"] != item["includeAll"] or (item["multi"] and item["current"] != _ALL):
        raise DashboardError(f"variable {item['name']!r}: allowed is one value, or all of them at first")
    return Variable(item["name"], match["series"], match["label"], item["multi"], item.get("allValue", ""))


def _read_query(panel: Mapping[str, Any], target: Mapping[str, Any]) -> Query:
    if target["datasource"] != _SOURCE:
        raise DashboardError(f"panel {panel['title']!r}: found data source {target['datasource']}; allowed: {_SOURCE}")
    return Query(panel["title"], target["refId"], target["expr"], bool(target["instant"]), panel.get("repeat", ""))


def _read_note(note: Mapping[str, Any]) -> Query:
    """Read an annotation: older versions of Grafana take the query beside `target`, newer ones the one in it."""
    if note["expr"] != note["target"]["expr"] or note["datasource"] != _SOURCE:
        raise DashboardError(f"annotation {note['name']!r}: its two queries differ, or it asks another data source")
    return Query(f"annotation {note['name']}", "", note["expr"], is_instant=False, repeat="")
