"""Grafana's panels as the JSON that Grafana reads, each with the looks that ours share. Pure.

Source: Grafana's dashboard JSON model. A test holds what is made to the types of Grafana's foundation SDK.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Json = dict[str, object]

SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
"""The Prometheus that the user chose above."""

GRID_WIDTH: Final = 24

Steps = Sequence[tuple[str, float | None]]
"""Colours, each with the value from which on it is shown; None is where it all begins."""

PLAIN: Final[Steps] = (("text", None),)
ANY_IS_BAD: Final[Steps] = (("green", None), ("red", 1))
ANY_IS_DOUBTFUL: Final[Steps] = (("green", None), ("orange", 1))


@dataclass(frozen=True, slots=True)
class Ask:
    """One query of a panel; the legend may name labels, as `{{name}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel before it has a place; `body` has all that its kind needs."""

    body: Json
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, laid out from left to right; without a title they have none."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How numbers are shown: their unit by Grafana's name, colours and texts by value, and the text for no value."""

    unit: str = "none"
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    steps: Steps = PLAIN
    texts: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """What a value is called, and its colour."""
    nothing: str = "no data"
    overrides: Sequence[Json] = ()


COUNT: Final = Looks(decimals=0)

VERDICT_COLOURS: Final = {"pass": "green", "fail": "red", "noData": "yellow", "error": "purple", "undecided": "blue"}

_LAST: Final[Json] = {"values": False, "calcs": ["lastNotNull"], "fields": ""}


def override(name: str, **properties: object) -> Json:
    """Change the looks of one series or column; `custom__cellOptions` is Grafana's `custom.cellOptions`."""
    changed = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": changed}


def override_by_pattern(pattern: str, **properties: object) -> Json:
    """Change the looks of all series whose names match."""
    return override(pattern, **properties) | {"matcher": {"id": "byRegexp", "options": pattern}}


def limit_looks() -> Json:
    """Return the properties of a series that is a limit: dashed, in red."""
    dashes = {"fill": "dash", "dash": [8, 8]}
    return {"color": fixed("red"), "custom__lineStyle": dashes, "custom__fillOpacity": 0}


def fixed(colour: str) -> Json:
    """Return the value of a property `color`."""
    return {"mode": "fixed", "fixedColor": colour}


def thresholds(steps: Steps) -> Json:
    """Return the value of a property `thresholds`."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}


def mappings(texts: Mapping[int, tuple[str, str]] | Mapping[str, tuple[str, str]]) -> list[Json]:
    """Return the value of a property `mappings`."""
    options = {
        str(value): {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}] if options else []


def link(title: str, url: str) -> Json:
    """Return one link of a property `links`."""
    return {"title": title, "url": url}


def stat(
    title: str,
    description: str,
    *asked: Ask,
    looks: Looks = COUNT,
    width: int = 3,
    height: int = 4,
    is_filled: bool = False,
    shows: str = "auto",
) -> Panel:
    """Show the last number of each query, its name, or both: `value_and_name`."""
    options: Json = {
        "reduceOptions": _LAST,
        "orientation": "auto",
        "textMode": shows,
        "colorMode": "background" if is_filled else "value",
        "graphMode": "none",
        "justifyMode": "auto",
    }
    return _panel("stat", title, description, _now(asked), options, _fields(looks), width, height)


def bars(title: str, description: str, *asked: Ask, looks: Looks = COUNT, width: int = 8, height: int = 8) -> Panel:
    """Show the last number of each query as a bar beside its name."""
    options: Json = {
        "reduceOptions": _LAST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "showUnfilled": True,
        "valueMode": "color",
        "namePlacement": "left",
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 40,
    }
    return _panel("bargauge", title, description, _now(asked), options, _fields(looks), width, height)


def graph(
    title: str,
    description: str,
    *asked: Ask,
    looks: Looks = COUNT,
    width: int = 12,
    height: int = 8,
    is_stepped: bool = False,
    is_stacked: bool = False,
    legend: Sequence[str] = ("lastNotNull", "max"),
) -> Panel:
    """Draw the queries over time."""
    custom: Json = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if is_stepped else "linear",
        "lineWidth": 1 if is_stacked else 2,
        "fillOpacity": 40 if is_stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if is_stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off"},
        "axisPlacement": "auto",
    }
    return _over_time(title, description, asked, looks, custom, (width, height), legend)


def counted(title: str, description: str, *asked: Ask, looks: Looks = COUNT, width: int = 12, height: int = 8) -> Panel:
    """Draw counts of what happened as bars on each other."""
    custom: Json = {
        "drawStyle": "bars",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 60,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal", "group": "A"},
        "thresholdsStyle": {"mode": "off"},
        "axisPlacement": "auto",
    }
    return _over_time(title, description, asked, looks, custom, (width, height), ("max",))


def timeline(
    title: str,
    description: str,
    *asked: Ask,
    looks: Looks,
    links: Sequence[Json] = (),
    width: int = 24,
    height: int = 6,
) -> Panel:
    """Draw in which state each series was, and when."""
    fields = _fields(looks, custom={"fillOpacity": 70, "lineWidth": 0}, links=links)
    options: Json = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.8,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("state-timeline", title, description, _ranges(asked), options, fields, width, height)


def table(
    title: str,
    description: str,
    *asked: Ask,
    transformations: Sequence[Json],
    looks: Looks = COUNT,
    sorted_by: str = "",
    width: int = 24,
    height: int = 9,
) -> Panel:
    """Show the queries as a table, which the transformations make of them."""
    custom: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False}
    options: Json = {"showHeader": True, "cellHeight": "sm"}
    if sorted_by:
        options["sortBy"] = [{"displayName": sorted_by, "desc": False}]
    targets = [target | {"format": "table"} for target in _now(asked)]
    made = _panel("table", title, description, targets, options, _fields(looks, custom=custom), width, height)
    return Panel(made.body | {"transformations": list(transformations)}, width, height)


def repeated(panel: Panel, variable: str, per_row: int) -> Panel:
    """Show a panel once for each value of a variable."""
    more = {"repeat": variable, "repeatDirection": "h", "maxPerRow": per_row}
    return Panel(panel.body | more, GRID_WIDTH, panel.height)


def placed(rows: Iterable[Row]) -> list[Json]:
    """Give every panel its number and its place, row by row."""
    made: list[Json] = []
    x = y = height = 0
    for row in rows:
        x, y, height = 0, y + height, 0
        if row.title:
            place = {"x": 0, "y": y, "w": GRID_WIDTH, "h": 1}
            made.append(
                {
                    "id": len(made) + 1,
                    "type": "row",
                    "title": row.title,
                    "collapsed": False,
                    "gridPos": place,
                    "panels": [],
                }
            )
            y += 1
        for panel in row.panels:
            if x + panel.width > GRID_WIDTH:
                x, y, height = 0, y + height, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            made.append({"id": len(made) + 1} | panel.body | {"gridPos": place})
            x, height = x + panel.width, max(height, panel.height)
    return made


def _over_time(
    title: str,
    description: str,
    asked: Sequence[Ask],
    looks: Looks,
    custom: Json,
    size: tuple[int, int],
    legend: Sequence[str],
) -> Panel:
    options: Json = {
        "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": list(legend)},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    fields = _fields(looks, custom=custom, colour="palette-classic")
    return _panel("timeseries", title, description, _ranges(asked), options, fields, *size)


def _panel(
    kind: str, title: str, description: str, targets: list[Json], options: Json, fields: Json, width: int, height: int
) -> Panel:
    body: Json = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": fields,
        "options": options,
    }
    return Panel(body, width, height)


def _fields(looks: Looks, custom: Json | None = None, colour: str = "thresholds", links: Sequence[Json] = ()) -> Json:
    defaults: Json = {"unit": looks.unit}
    for key, value in (("decimals", looks.decimals), ("min", looks.least), ("max", looks.most)):
        if value is not None:
            defaults[key] = value
    defaults |= {
        "mappings": mappings(looks.texts),
        "thresholds": thresholds(looks.steps),
        "color": {"mode": colour},
        "noValue": looks.nothing,
    }
    if custom is not None:
        defaults["custom"] = custom
    if links:
        defaults["links"] = list(links)
    return {"defaults": defaults, "overrides": list(looks.overrides)}


def _now(asked: Sequence[Ask]) -> list[Json]:
    return [_target(index, ask, is_instant=True) for index, ask in enumerate(asked)]


def _ranges(asked: Sequence[Ask]) -> list[Json]:
    return [_target(index, ask, is_instant=False) for index, ask in enumerate(asked)]


def _target(index: int, ask: Ask, *, is_instant: bool) -> Json:
    made: Json = {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": ask.expression,
        "instant": is_instant,
        "range": not is_instant,
        "format": "time_series",
    }
    return made | ({"legendFormat": ask.legend} if ask.legend else {})
