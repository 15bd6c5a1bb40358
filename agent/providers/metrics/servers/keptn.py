"""Keptn: the value of a KeptnMetric, or the verdict of an Analysis that is made for the question.

Both are objects of the cluster, asked for with the agent's own rights; so a template may name only those of its own
namespace. Source: Keptn's reference of `metrics.keptn.sh`; the query's form is Flagger's.
"""

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Final

from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.metrics.api_server import ask, client_timeout_s
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, Question
from canary.api.keptn_query import Wanted, read_query
from canary.api.shown import shown
from canary.rules.query_forms import foreign_namespace
from kube.client import Client
from kube.resource import Resource

KEPTN_METRICS: Final = Resource("metrics.keptn.sh", "v1beta1", "keptnmetrics", "KeptnMetric")
ANALYSES: Final = Resource("metrics.keptn.sh", "v1beta1", "analyses", "Analysis")

_MOST_NAME_CHARS: Final = 240
POLL_S: Final = 1.0
_CLEAN_UP_S: Final = 5.0
_MOST_SAID_CHARS: Final = 200
_RIGHT: Final = "the rights of manifests/keptn"


_cleaning: Final[set[asyncio.Task[None]]] = set()
"""The deletions under way: asyncio itself keeps no task from being collected."""


class Keptn:
    """The objects of Keptn in the template's namespace."""

    def __init__(self, exchange: Exchange, client: Client) -> None:
        self._exchange = exchange
        self._connection = exchange.connection
        self._client = client.once(client_timeout_s(exchange.connection))

    async def value(self, asked: Question) -> float | None:
        """Return the metric's value, or 1 for an Analysis that passes and 0 for one that does not."""
        try:
            wanted = read_query(asked.text)
        except ValueError as error:
            raise self._unfit(str(error)) from error
        why = foreign_namespace("keptn", wanted.namespace, self._connection.namespace, self._connection.address)
        if why:
            raise self._unfit(why)
        return await (self._analysis(wanted, asked) if wanted.is_analysis else self._metric(wanted, asked))

    async def _metric(self, wanted: Wanted, asked: Question) -> float | None:
        what = f"KeptnMetric {wanted.namespace}/{wanted.name}"
        found = await ask(
            self._connection,
            self._client.get(KEPTN_METRICS, wanted.name, wanted.namespace),
            what=what,
            right=_RIGHT,
        )
        try:
            status = found.get("status") or {}
            updated_s = datetime.fromisoformat(status.get("lastUpdated") or "1970-01-01T00:00:00Z").timestamp()
            failure = status.get("errMsg")
        except (AttributeError, TypeError, ValueError) as error:
            raise self._exchange.refused("not a KeptnMetric") from error
        if failure:
            raise ProviderUnavailable(self._told("Keptn could not measure", failure))
        # What was measured before the revision's first traffic is the run's before.
        return self._exchange.number(status.get("value") or None) if updated_s > asked.since_s else None

    async def _analysis(self, wanted: Wanted, asked: Question) -> float | None:
        name = f"{wanted.name[:_MOST_NAME_CHARS]}-{secrets.token_hex(3)}"
        what = f"AnalysisDefinition {wanted.namespace}/{wanted.name}"
        is_waited_for = True
        try:
            return await ask(self._connection, self._analysed(wanted, asked, name), what=what, right=_RIGHT)
        except asyncio.CancelledError:
            # Another check has decided: what that pulls does not wait for the API server.
            is_waited_for = False
            raise
        finally:
            cleaning = asyncio.create_task(self._clean_up(name, wanted.namespace), name=f"delete Analysis {name}")
            _cleaning.add(cleaning)
            cleaning.add_done_callback(_cleaning.discard)
            if is_waited_for:
                await asyncio.shield(cleaning)

    async def _analysed(self, wanted: Wanted, asked: Question, name: str) -> float | None:
        """Make an Analysis, and wait until Keptn has completed it."""
        timeframe_s = int(min(wanted.timeframe_s, asked.now_s - asked.since_s))
        spec = {
            "analysisDefinition": {"name": wanted.name},
            "timeframe": {"recent": f"{timeframe_s}s"},
            "args": dict(wanted.arguments or {}),
        }
        metadata = {
            "name": name,
            "namespace": wanted.namespace,
            "labels": {"app.kubernetes.io/managed-by": "serin"},
        }
        await self._client.create(ANALYSES, {"metadata": metadata, "spec": spec})
        while True:
            await asyncio.sleep(POLL_S)
            status = (await self._client.get(ANALYSES, name, wanted.namespace)).get("status") or {}
            if status.get("state") == "Completed":
                return 1.0 if status.get("pass") is True else 0.0

    async def _clean_up(self, name: str, namespace: str) -> None:
        """Delete the Analysis, whatever came of it; one that is not there is no matter."""
        quick = replace(self._connection, timeout_s=_CLEAN_UP_S)
        try:
            await ask(quick, self._client.delete(ANALYSES, name, namespace), what="Analysis", right=_RIGHT)
        except ProviderError:
            return

    def _unfit(self, why: str) -> ProviderRefused:
        """Return the error of a query; those who may not read the template are not told what is in it."""
        return self._exchange.refused(why if self._exchange.connection.is_known else "its query is none that is asked")

    def _told(self, what: str, words: object) -> str:
        said = f": {shown(str(words), _MOST_SAID_CHARS)}" if self._connection.is_known else ""
        return f"{self._connection.name}: {what}{said}"


def in_the_cluster(connection: Connection) -> Connection:
    """Return the connection with a name of its own: it has no address."""
    return replace(connection, name="Keptn") if connection.is_known else connection
