"""Datadog's metrics query (v1). Source: Datadog's API reference, "Query timeseries points"."""

from typing import Any, Final

import orjson

from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question
from agent.providers.metrics.window import window_of

API_KEY: Final = "datadog_api_key"
APPLICATION_KEY: Final = "datadog_application_key"

_MEND: Final = "for example without by {...} in the query"
_NOT_DATADOG: Final = "not an answer of Datadog"
_DOMAINS: Final = ("datadoghq.com", "datadoghq.eu", "ddog-gov.com")


class Datadog:
    """One site of Datadog, with an API key and an application key."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        credentials = exchange.connection.credentials
        self._keys = {
            "DD-API-KEY": credentials.get(API_KEY, ""),
            "DD-APPLICATION-KEY": credentials.get(APPLICATION_KEY, ""),
        }

    async def value(self, asked: Question) -> float | None:
        """Return the newest point that is whole, of the last ten intervals and the revision's own time."""
        from_s, to_s = window_of(asked)
        body = await self._exchange.ask_json(
            "GET",
            "/api/v1/query",
            params={"query": asked.text, "from": str(int(from_s)), "to": str(int(to_s))},
            headers=self._keys,
            said=self._said,
        )
        series = body.get("series") if isinstance(body, dict) else None
        if isinstance(body, dict) and body.get("status") == "error":
            words = self._words(body.get("error"))
            raise self._exchange.refused(f"it refuses the query{f': {words}' if words else ''}")
        if not isinstance(series, list):
            raise self._exchange.refused(_NOT_DATADOG)
        if len(series) > 1:
            raise self._exchange.several(len(series), _MEND)
        return self._newest(series[0], asked) if series else None

    def _newest(self, series: Any, asked: Question) -> float | None:
        """Return the newest point whose bucket has ended; that of the one under way is of some of the requests only."""
        try:
            length_s = float(series.get("interval") or 0)
            points = [(float(at_ms) / 1000, found) for at_ms, found in series["pointlist"]]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._exchange.refused(_NOT_DATADOG) from error
        whole = [found for at_s, found in points if asked.since_s <= at_s and at_s + length_s <= asked.now_s]
        return self._exchange.number(next((found for found in reversed(whole) if found is not None), None))

    def _said(self, answer: Answer) -> str:
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return ""
        errors = body.get("errors") if isinstance(body, dict) else None
        return self._words(errors[0]) if isinstance(errors, list) and errors else ""

    def _words(self, text: object) -> str:
        """Return what an error says, if it is certain that Datadog says it."""
        return self._exchange.words(text) if self._exchange.is_served_by(*_DOMAINS) else ""
