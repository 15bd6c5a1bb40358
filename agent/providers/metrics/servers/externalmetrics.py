"""Kubernetes' External Metrics API (`external.metrics.k8s.io`): the one value of a metric in a namespace.

With an address a server of this API is asked itself, with the token of the template's Secret: the agent's own token
goes nowhere but to the API server. Without one the API server is asked, for the template's own namespace only.
Source: `k8s.io/metrics`, external.metrics.k8s.io/v1beta1.
"""

from dataclasses import replace
from typing import Any, Final

import orjson

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.api_server import ask, client_timeout_s
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Connection, Question
from canary.api.external_metric_query import Wanted, read_query
from canary.rules.query_forms import foreign_namespace
from kube.client import Client
from kube.quantity import parse_quantity

TOKEN: Final = "token"  # noqa: S105  the key's name
_MEND: Final = "for example by a labelSelector that selects one"
_NOT_METRICS: Final = "not an answer of the External Metrics API"


class ExternalMetrics:
    """A server of the API: the one at an address, or the API server itself."""

    def __init__(self, exchange: Exchange, client: Client) -> None:
        self._exchange = exchange
        self._client = client

    async def value(self, asked: Question) -> float | None:
        """Ask for the one value of a metric."""
        try:
            wanted = read_query(asked.text)
        except ValueError as error:
            raise self._unfit(str(error)) from error
        body = await (self._ask_address(wanted) if self._exchange.connection.address else self._ask_api_server(wanted))
        try:
            found = [item["value"] for item in body["items"] or ()]
        except (KeyError, TypeError) as error:
            raise self._exchange.refused(_NOT_METRICS) from error
        if len(found) > 1:
            raise self._exchange.several(len(found), _MEND)
        return self._number(found[0]) if found else None

    async def _ask_address(self, wanted: Wanted) -> Any:
        token = self._exchange.connection.credentials.get(TOKEN)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._exchange.ask_json("GET", wanted.path, said=_said, params=wanted.params, headers=headers)

    async def _ask_api_server(self, wanted: Wanted) -> Any:
        connection = self._exchange.connection
        why = foreign_namespace("externalmetrics", wanted.namespace, connection.namespace, connection.address)
        if why:
            raise self._unfit(why)
        client = self._client.once(client_timeout_s(connection))
        call = client.read(wanted.path, wanted.params, token=connection.credentials.get(TOKEN, ""))
        right = f"list of {wanted.metric} in external.metrics.k8s.io, by a Role in namespace {wanted.namespace}"
        return await ask(connection, call, what=f"external metric {wanted.namespace}/{wanted.metric}", right=right)

    def _unfit(self, why: str) -> ProviderRefused:
        """Return the error of a query; those who may not read the template are not told what is in it."""
        return self._exchange.refused(why if self._exchange.connection.is_known else "its query is none that is asked")

    def _number(self, found: object) -> float | None:
        try:
            return parse_quantity(found) if isinstance(found, str) else self._exchange.number(found)
        except ValueError:
            return self._exchange.number(found)


def at_api_server(connection: Connection) -> Connection:
    """Return a connection without an address as one that has a name for what is asked then."""
    is_nameless = connection.is_known and not connection.address
    return replace(connection, name="external metrics of the API server") if is_nameless else connection


def _said(answer: Answer) -> str:
    """Return what the API says of a metric: the message of its Status object."""
    try:
        body = orjson.loads(answer.body)
        is_status = body["kind"] == "Status" and body["apiVersion"] == "v1"
        return str(body["message"]) if is_status else ""
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return ""
