"""Asking Prometheus what a Grafana dashboard would ask it, panel by panel."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.dashboard import Dashboard, DashboardError, Query, Window, fill


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one query: `series` is each element's labels and its values in the order of time.

    NaN is among the values where Prometheus says so: Grafana shows a gap there.
    """

    query: Query
    text: str
    series: tuple[tuple[Mapping[str, str], tuple[float, ...]], ...]

    def numbers(self, **labels: str) -> list[float]:
        """Return every value that Grafana would show of the elements with these labels."""
        return [
            value
            for found, values in self.series
            if labels.items() <= found.items()
            for value in values
            if not math.isnan(value)
        ]


async def ask(
    session: aiohttp.ClientSession, server: str, dashboard: Dashboard, window: Window, chosen: Mapping[str, str]
) -> tuple[Answer, ...]:
    """Ask everything for one choice of variables; those not chosen get the values that Grafana would find for them.

    Raises:
        DashboardError: a variable without values, or a query that Prometheus refuses.
        aiohttp.ClientError, TimeoutError: Prometheus can't be asked.
    """
    values = await _choose(session, server, dashboard, window, chosen)
    return tuple(
        [
            Answer(query, text, await _run(session, server, query, text, window))
            for query in dashboard.queries
            for text in query.filled(values)
        ]
    )


async def _choose(
    session: aiohttp.ClientSession, server: str, dashboard: Dashboard, window: Window, chosen: Mapping[str, str]
) -> dict[str, str | Sequence[str]]:
    """Return every variable with its value; one that a panel repeats over gets a list of all of them."""
    repeated = {query.repeat for query in dashboard.queries}
    values: dict[str, str | Sequence[str]] = dict(window.values)
    for variable in dashboard.variables:
        selector = fill(variable.series, {name: value for name, value in values.items() if isinstance(value, str)})
        asked = {"match[]": selector, "start": str(window.start_s), "end": str(window.end_s)}
        found: list[str] = await _get(session, f"{server}/api/v1/label/{variable.label}/values", asked)
        wanted = chosen.get(variable.name)
        if not found or (wanted is not None and wanted not in found):
            raise DashboardError(f"variable {variable.name!r}: {selector} has {found}, wanted {wanted or 'any'}")
        values[variable.name] = found if variable.name in repeated else variable.chosen(found, wanted)
    return values


async def _run(
    session: aiohttp.ClientSession, server: str, query: Query, text: str, window: Window
) -> tuple[tuple[Mapping[str, str], tuple[float, ...]], ...]:
    if query.is_instant:
        data = await _get(session, f"{server}/api/v1/query", {"query": text, "time": str(window.end_s)})
        return tuple((element["metric"], (float(element["value"][1]),)) for element in data["result"])
    asked = {"query": text, "start": str(window.start_s), "end": str(window.end_s), "step": str(window.step_s)}
    data = await _get(session, f"{server}/api/v1/query_range", asked)
    return tuple(
        (element["metric"], tuple(float(value) for _, value in element["values"])) for element in data["result"]
    )


async def _get(session: aiohttp.ClientSession, url: str, asked: Mapping[str, str]) -> Any:
    async with session.get(url, params=asked) as response:
        body = await response.json()
    if body["status"] != "success":
        raise DashboardError(f"{url} refused {dict(asked)}: {body['error']}")
    return body["data"]
