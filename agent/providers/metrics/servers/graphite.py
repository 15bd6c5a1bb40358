"""Graphite's render API. Source: Graphite 1.1's documentation, `render_api.rst`."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from agent.providers.metrics.authorization import authorization
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Question

_MEND: Final = "for example by sumSeries() around the target"
_NOT_GRAPHITE: Final = "not an answer of Graphite"
_SPACES: Final = re.compile(r"\s+")


class Graphite:
    """One server. A query is the parameters of a request, as with Flagger: `target=...&from=-5min`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        credentials = exchange.connection.credentials
        self._authorization = authorization({key: credentials[key] for key in credentials if key != "token"})

    async def value(self, asked: Question) -> float | None:
        """Return the newest point that has a value, of those since the revision's first traffic."""
        text = _SPACES.sub(" ", asked.text.strip())
        params = [(name, value) for name, value in parse_qsl(text, keep_blank_values=True) if name != "format"]
        found = await self._exchange.ask_json(
            "GET", "/render", params=[*params, ("format", "json")], headers=self._authorization
        )
        if not isinstance(found, list):
            raise self._exchange.refused(_NOT_GRAPHITE)
        if len(found) > 1:
            raise self._exchange.several(len(found), _MEND)
        return self._newest(found[0], asked.since_s) if found else None

    def _newest(self, series: Any, since_s: float) -> float | None:
        try:
            points = [(found, float(at_s)) for found, at_s in series["datapoints"]]
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise self._exchange.refused(_NOT_GRAPHITE) from error
        # The last points have no value yet: they wait in a cache, or for the next flush.
        newest = next((found for found, at_s in reversed(points) if found is not None and at_s >= since_s), None)
        return self._exchange.number(newest)
