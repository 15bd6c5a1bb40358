"""Google Cloud Monitoring (Stackdriver): a query in MQL, and the newest point of the one series that it gives.

Source: `projects.timeSeries.query` of the Cloud Monitoring API v3. Google has deprecated MQL and serves it still.
"""

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question

PROJECT: Final = "project"
KEY: Final = "serviceAccountKey"

_MEND: Final = "for example by group_by []"
_NOT_MONITORING: Final = "not an answer of Cloud Monitoring"
_NUMBERS: Final = frozenset({"doubleValue", "int64Value"})
_UNAUTHORIZED: Final = 401

# What `status` of an error may be. Source: google.rpc.Code.
_STATUSES: Final = frozenset(
    {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"}
)


class Stackdriver:
    """One project, with the key of a service account that may read it, or with the agent's own account."""

    def __init__(self, exchange: Exchange, identities: Identities) -> None:
        self._exchange = exchange
        self._identities = identities
        self._project = quote(exchange.connection.credentials[PROJECT], safe=":")
        self._key = exchange.connection.credentials.get(KEY, "")
        identities.check_may_use("stackdriver", exchange.connection)
        if not self._key:
            identities.check_is_for(exchange, "Google service account", "googleapis.com")
            self._exchange = exchange.in_name_of("the agent's own Google service account")

    async def value(self, asked: Question) -> float | None:
        """Run a query for one number. The window is in its text; a point of before the first traffic is none."""
        answer = await self._exchange.send(
            "POST",
            f"/v3/projects/{self._project}/timeSeries:query",
            content=orjson.dumps({"query": asked.text}),
            headers={"Authorization": f"Bearer {await self._token(asked)}", "Content-Type": "application/json"},
        )
        if answer.status == _UNAUTHORIZED:
            # It was withdrawn before its time: the next check has a new one, or is told why there is none.
            self._identities.forget_google(self._key)
        self._exchange.check(answer, _said)
        body = self._exchange.read_json(answer)
        try:
            return self._newest(body, asked.since_s)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self._exchange.refused(_NOT_MONITORING) from error

    async def _token(self, asked: Question) -> str:
        connection = self._exchange.connection
        if not self._key:
            return await self._identities.google_token(connection.timeout_s, asked.now_s)
        where = f"{connection.secret} data.{KEY}" if connection.is_known else connection.name
        return await self._identities.tokens.of(self._exchange, self._key, where, asked.now_s)

    def _newest(self, body: Any, since_s: float) -> float | None:
        if body.get("partialErrors"):
            raise ProviderUnavailable(f"{self._exchange.connection.name}: it could read only a part of the data")
        series = body.get("timeSeriesData") or []
        if len(series) > 1:
            raise self._exchange.several(len(series), _MEND)
        points = [(_epoch_s(point), point["values"]) for entry in series for point in entry.get("pointData") or []]
        at_s, values = max(points, key=lambda point: point[0], default=(since_s, []))
        if len(values) > 1:
            raise self._exchange.refused(f"the query gives {len(values)} values at a time; allowed: one")
        if at_s <= since_s:
            return None
        found = [values[0][kind] for kind in _NUMBERS if kind in values[0]]
        return self._exchange.number(found[0] if found else values[0])


def _epoch_s(point: Any) -> float:
    return datetime.fromisoformat(point["timeInterval"]["endTime"]).timestamp()


def _said(answer: Answer) -> str:
    """Return what Cloud Monitoring says of a query that it does not run."""
    try:
        error = orjson.loads(answer.body)["error"]
        return f"{error['status']}: {error['message']}" if error["status"] in _STATUSES else ""
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return ""
