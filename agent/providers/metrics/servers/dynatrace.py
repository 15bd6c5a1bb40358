"""Dynatrace's Metrics API v2: one data point of a metric selector over the whole window, as Flagger asks for it.

Source: "Metrics API - GET metric data points" of Dynatrace's documentation.
"""

from typing import Any, Final

import orjson

from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question
from agent.providers.metrics.window import window_of

TOKEN: Final = "dynatrace_token"  # noqa: S105  the key's name
_PATH: Final = "/api/v2/metrics/query"
_MEND: Final = "for example by :splitBy() or :merge() in the metric selector"
_NOT_DYNATRACE: Final = "not an answer of Dynatrace's Metrics API"


class Dynatrace:
    """One environment; the connection's address is its URL, with or without a path."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def value(self, asked: Question) -> float | None:
        """Ask for the one point that a selector comes to over the window."""
        start_s, end_s = window_of(asked)
        body = await self._exchange.ask_json(
            "GET",
            _PATH,
            said=_said,
            params={
                "metricSelector": asked.text.strip(),
                "resolution": "Inf",
                "from": str(int(start_s * 1000)),
                "to": str(int(end_s * 1000)),
            },
            headers={"Authorization": f"Api-Token {self._exchange.connection.credentials[TOKEN]}"},
        )
        try:
            series = [entry for result in body["result"] for entry in result["data"]]
            values = [value for entry in series for value in entry["values"]]
        except (KeyError, TypeError) as error:
            raise self._exchange.refused(_NOT_DYNATRACE) from error
        if len(series) > 1:
            raise self._exchange.several(len(series), _MEND)
        if len(values) > 1:
            raise self._exchange.refused(
                f"the selector gives {len(values)} points; allowed: one, for example by :fold()"
            )
        return self._exchange.number(values[0]) if values else None


def _said(answer: Answer) -> str:
    """Return what Dynatrace says of a selector that it does not take."""
    try:
        error: Any = orjson.loads(answer.body)["error"]
        words = [error["message"], *(violation["message"] for violation in error.get("constraintViolations") or ())]
        return ": ".join(str(word) for word in words) if isinstance(error["code"], int) else ""
    except (AttributeError, KeyError, TypeError, orjson.JSONDecodeError):
        return ""
