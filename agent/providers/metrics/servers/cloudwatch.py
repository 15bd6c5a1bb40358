"""Amazon CloudWatch: metric data queries as JSON, as Flagger takes them, and the newest value of the one result.

Source: the API reference of `GetMetricData`, and botocore's description of its JSON protocol (2010-08-01).
"""

import re
from dataclasses import replace
from typing import Any, Final

import orjson

from agent.providers.cloud.aws import AWS_DOMAINS, keys_of, service_url
from agent.providers.cloud.aws_signature import AwsKeys, Unsigned, signed_headers
from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Connection, Question
from agent.providers.metrics.window import window_of
from canary.api.metric_template import REGION
from canary.api.shown import shown_url
from canary.rules.query_forms import read_metric_data_queries

_SERVICE: Final = "monitoring"
_HEADERS: Final = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
}
_MOST_POINTS: Final = 20
_MEND: Final = 'for example by "ReturnData": false in all but one of them'
_NOT_CLOUDWATCH: Final = "not an answer of CloudWatch"

# Names of errors, less their ending. Source: "Common Errors" of the API reference, and of AWS' signing.
_CREDENTIALS: Final = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    }
)
_ASK_AGAIN: Final = frozenset(
    {"InternalFailure", "InternalServiceError", "RequestLimitExceeded", "ServiceUnavailable", "Throttled", "Throttling"}
)
_QUERY: Final = frozenset(
    {
        "InvalidNextToken",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MissingParameter",
        "MissingRequiredParameter",
        "Validation",
        "ValidationError",
    }
)
_ENDING: Final = re.compile(r"(Exception|Fault)$")


class CloudWatch:
    """One region, with the keys of the template's Secret, or with the agent's own."""

    def __init__(self, exchange: Exchange, identities: Identities) -> None:
        self._exchange = exchange
        self._identities = identities
        self._is_own = not exchange.connection.credentials
        identities.check_may_use("cloudwatch", exchange.connection)
        if self._is_own:
            if not is_operators(exchange.connection, identities):
                identities.check_is_for(exchange, "AWS identity", *AWS_DOMAINS)
            self._exchange = exchange.in_name_of("the agent's own AWS identity")

    async def value(self, asked: Question) -> float | None:
        """Ask for metric data over the window."""
        start_s, end_s = window_of(asked)
        content = orjson.dumps(
            {
                "MetricDataQueries": self._queries(asked.text),
                "StartTime": int(start_s),
                "EndTime": int(end_s),
                "ScanBy": "TimestampDescending",
                "MaxDatapoints": _MOST_POINTS,
            }
        )
        body = await self._ask(content, asked)
        try:
            return self._newest(body["MetricDataResults"])
        except (AttributeError, KeyError, TypeError) as error:
            raise self._exchange.refused(_NOT_CLOUDWATCH) from error

    def _queries(self, text: str) -> list[Any]:
        try:
            return read_metric_data_queries(text)
        except ValueError as error:
            raise self._exchange.refused(str(error)) from error

    async def _ask(self, content: bytes, asked: Question) -> Any:
        connection = self._exchange.connection
        request = Unsigned(method="POST", url=f"{connection.address}/", headers=_HEADERS, body=content)
        headers = signed_headers(
            request, await self._keys(asked), region=connection.region, service=_SERVICE, now_s=asked.now_s
        )
        answer = await self._exchange.send("POST", "/", content=content, headers=headers)
        kind = "" if answer.is_accepted else _kind(answer)
        if kind in _CREDENTIALS:
            raise self._credentials_refused(answer, kind)
        if kind in _ASK_AGAIN:
            raise ProviderUnavailable(f"{connection.name}: {kind}")
        self._exchange.check(answer, _said)
        return self._exchange.read_json(answer)

    async def _keys(self, asked: Question) -> AwsKeys:
        connection = self._exchange.connection
        if not self._is_own:
            return keys_of(connection.credentials)
        return await self._identities.aws_keys(connection.region, connection.timeout_s, asked.now_s)

    def _credentials_refused(self, answer: Answer, kind: str) -> ProviderRefused:
        if self._is_own:
            self._identities.forget_aws()
        return self._exchange.credentials_refused(f"HTTP {answer.status} {kind}", _words(answer))

    def _newest(self, results: list[Any]) -> float | None:
        """Return the first value of the only result: they come newest first."""
        states = [result.get("StatusCode") for result in results]
        if "Forbidden" in states:
            raise self._exchange.credentials_refused("Forbidden", "")
        if "InternalError" in states:
            raise ProviderUnavailable(f"{self._exchange.connection.name}: InternalError")
        if len(results) > 1:
            raise self._exchange.several(len(results), _MEND)
        values = [value for result in results for value in result["Values"]]
        return self._exchange.number(values[0]) if values else None


def is_operators(connection: Connection, identities: Identities) -> bool:
    """Return whether the address is the one that the operator's own variables name."""
    is_address = connection.address == service_url(_SERVICE, connection.region, identities.environment)
    return is_address and connection.is_verified


def at_endpoint(connection: Connection, identities: Identities) -> Connection:
    """Return the connection to a region's endpoint, unless the template names an address.

    Raises:
        ProviderRefused: the region is none.
    """
    if not REGION.fullmatch(connection.region):
        raise ProviderRefused(
            f"{connection.name}: spec.provider.region: found {connection.region!r}; allowed: such as eu-west-1"
        )
    address = connection.address or service_url(_SERVICE, connection.region, identities.environment)
    return replace(connection, address=address, name=shown_url(address) if connection.is_known else connection.name)


def _kind(answer: Answer) -> str:
    """Return the name of an error without its namespace and its ending; empty where there is none."""
    try:
        name = orjson.loads(answer.body)["__type"]
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return ""
    return _ENDING.sub("", name.rpartition("#")[2]) if isinstance(name, str) else ""


def _words(answer: Answer) -> str:
    try:
        body = orjson.loads(answer.body)
        words = body.get("message") or body.get("Message")
    except (AttributeError, orjson.JSONDecodeError):
        return ""
    return words if isinstance(words, str) else ""


def _said(answer: Answer) -> str:
    """Return what CloudWatch says of a query that it does not take."""
    kind = _kind(answer)
    return f"{kind}: {_words(answer)}" if kind in _QUERY else ""
