"""New Relic's Insights query API, which answers NRQL. Source: New Relic's documentation of it.

New Relic prefers its newer API (NerdGraph), which takes other keys; Flagger's Secrets have the keys of this one.
"""

from typing import Any, Final

import orjson

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question

QUERY_KEY: Final = "newrelic_query_key"
ACCOUNT_ID: Final = "newrelic_account_id"

_ONE_SELECTED: Final = "for example by one function behind SELECT"
_NO_FACET: Final = "for example without FACET in the query"
_NOT_NEW_RELIC: Final = "not an answer of New Relic"
_DOMAINS: Final = ("newrelic.com",)


class NewRelic:
    """One account at New Relic."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        credentials, secret = exchange.connection.credentials, exchange.connection.secret
        self._account = credentials.get(ACCOUNT_ID, "")
        # It becomes a part of the path.
        if not (self._account.isascii() and self._account.isdecimal()):
            raise ProviderRefused(f"{secret} data.{ACCOUNT_ID}: found something else; allowed: the account's number")
        self._key = {"X-Query-Key": credentials.get(QUERY_KEY, ""), "Accept": "application/json"}

    async def value(self, asked: Question) -> float | None:
        """Return the one number of the answer, of the last interval."""
        nrql = f"{asked.text.strip()} SINCE {int(asked.interval_s)} seconds ago"
        path = f"/v1/accounts/{self._account}/query"
        body = await self._exchange.ask_json("GET", path, params={"nrql": nrql}, headers=self._key, said=self._said)
        if not isinstance(body, dict):
            raise self._exchange.refused(_NOT_NEW_RELIC)
        if "timeSeries" in body:
            raise self._exchange.refused("the query gives points over time; allowed: one number, without TIMESERIES")
        facets = body.get("facets")
        if isinstance(facets, list):
            if len(facets) > 1:
                raise self._exchange.several(len(facets), _NO_FACET)
            body = facets[0] if facets else {"results": []}
        return self._number(body)

    def _number(self, holder: Any) -> float | None:
        results = holder.get("results") if isinstance(holder, dict) else None
        if not isinstance(results, list):
            raise self._exchange.refused(_NOT_NEW_RELIC)
        if len(results) > 1:
            raise self._exchange.several(len(results), _ONE_SELECTED)
        found: Any = results[0] if results else {"result": None}
        if not isinstance(found, dict):
            raise self._exchange.refused(_NOT_NEW_RELIC)
        # `result` of an expression, else under the function's name: {"count": 5}, {"percentiles": {"95": 0.2}}.
        found = {"result": found["result"]} if "result" in found else found
        while isinstance(found, dict):
            if not found:
                raise self._exchange.refused(_NOT_NEW_RELIC)
            if len(found) > 1:
                raise self._exchange.several(len(found), _ONE_SELECTED)
            found = next(iter(found.values()))
        return self._exchange.number(found)

    def _said(self, answer: Answer) -> str:
        """Return what an error says, if it is certain that New Relic says it."""
        if not self._exchange.is_served_by(*_DOMAINS):
            return ""
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return ""
        return self._exchange.words(body.get("error")) if isinstance(body, dict) else ""
