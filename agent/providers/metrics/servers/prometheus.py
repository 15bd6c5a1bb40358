"""Prometheus' HTTP API, as far as it is needed: instant queries for checks, and queries over a time for the page.

Whoever names the address may not read what the server behind it says: of an answer that is not Prometheus' nothing is
told but its code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson

from agent.providers.metrics.authorization import authorization
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question
from canary.api.bounds import MOST_METRIC_ANSWER_BYTES
from canary.api.prometheus_answer import NOT_PROMETHEUS, Element, NotAnAnswer, read_elements
from canary.judgement.series import RawSeries

_MEND: Final = "for example by sum() around the query"

# What `errorType` may be. Source: Prometheus' HTTP API, `web/api/v1/api.go`.
_ERROR_TYPES: Final = frozenset(
    {"timeout", "canceled", "execution", "bad_data", "internal", "unavailable", "not_found", "not_acceptable"}
)

# Servers that take no POST; each is found out again when more than these are known.
_MOST_BY_GET: Final = 1_000

_METHOD_REFUSED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


_INSTANT: Final = "query"
_RANGE: Final = "query_range"

MOST_SERIES: Final = 20
"""Of an answer over a time: one for each response code, or one in all."""


Points: TypeAlias = tuple[tuple[int, float], ...]
"""Moments in whole seconds since the epoch, each with a finite value, oldest first."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer over a time."""

    labels: Mapping[str, str]
    points: Points


class Prometheus:
    """One server. The connection's address is its base URL, with or without a path.

    `by_get`: the addresses that refuse a POST, as some proxies do, and take a GET; shared by all that ask.
    """

    def __init__(self, exchange: Exchange, by_get: set[str] | None = None) -> None:
        self._exchange = exchange
        self._address = exchange.connection.address
        self._by_get = set() if by_get is None else by_get
        self._authorization = authorization(exchange.connection.credentials)

    async def query(self, promql: str) -> tuple[Element, ...]:
        """Run an instant query; empty when it has no value (an empty vector, or NaN and Inf as from 0/0 and 1/0).

        Raises:
            ProviderUnavailable: not reached within the timeout, or 5xx.
            ProviderRefused: bad query, or an answer that is not Prometheus' or is too long.
        """
        return tuple(element for element in await self._ask(promql) if math.isfinite(element.value))

    async def value(self, asked: Question) -> float | None:
        """Run an instant query for one number. The window, and where it begins, is in its text."""
        elements = await self._ask(asked.text)
        if len(elements) > 1:
            raise self._exchange.several(len(elements), _MEND)
        return elements[0].value if elements and math.isfinite(elements[0].value) else None

    async def raw(self, promql: str, most_bytes: int) -> tuple[RawSeries, ...]:
        """Run an instant query with a range selector: the samples of each series, at the times of their scrapes.

        The answer is at most `most_bytes` long.

        Raises:
            ProviderUnavailable, ProviderRefused: as `query`.
        """
        data = await self._data(_INSTANT, {"query": promql}, most_bytes)
        result = data.get("result")
        if data.get("resultType") != "matrix" or not isinstance(result, list):
            raise self._exchange.refused(NOT_PROMETHEUS)
        try:
            return tuple(
                RawSeries(
                    item.get("metric") or {}, tuple((float(at_s), float(value)) for at_s, value in item["values"])
                )
                for item in result
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._exchange.refused(NOT_PROMETHEUS) from error

    async def matrix(self, promql: str, start_s: int, end_s: int, step_s: int) -> tuple[Series, ...]:
        """Run a query for each step of a time; NaN, Inf, and what is of another time are left out.

        Raises:
            ProviderUnavailable, ProviderRefused: as `query`; refused are more series or points than there can be, too.
        """
        asked = {"query": promql, "start": str(start_s), "end": str(end_s), "step": str(step_s)}
        data = await self._data(_RANGE, asked)
        result = data.get("result")
        if data.get("resultType") != "matrix" or not isinstance(result, list):
            raise self._exchange.refused(NOT_PROMETHEUS)
        if len(result) > MOST_SERIES:
            raise self._exchange.refused(f"the query gives {len(result)} series; allowed: {MOST_SERIES}")
        most = (end_s - start_s) // step_s + 1
        try:
            if any(len(item["values"]) > most for item in result):
                raise self._exchange.refused(f"more points than were asked for; allowed: {most} of each series")
            return tuple(Series(item.get("metric") or {}, _points(item["values"], start_s, end_s)) for item in result)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._exchange.refused(NOT_PROMETHEUS) from error

    async def _ask(self, promql: str) -> list[Element]:
        return self._elements(await self._data(_INSTANT, {"query": promql}))

    async def _data(
        self, path: str, asked: Mapping[str, str], most_bytes: int = MOST_METRIC_ANSWER_BYTES
    ) -> Mapping[str, Any]:
        answer = await self._answer(path, asked, most_bytes)
        self._exchange.check(answer, _said)
        body = self._exchange.read_json(answer)
        if not isinstance(body, dict) or body.get("status") != "success":
            raise self._exchange.refused(NOT_PROMETHEUS)
        data = body.get("data")
        return data if isinstance(data, dict) else {}

    async def _answer(self, path: str, asked: Mapping[str, str], most_bytes: int) -> Answer:
        """Ask by POST, which takes queries of any length; where that is refused by GET, and then so from the start."""
        is_by_get = self._address in self._by_get
        first, second = ("GET", "POST") if is_by_get else ("POST", "GET")
        answer = await self._send(first, path, asked, most_bytes)
        if answer.status not in _METHOD_REFUSED:
            return answer
        answer = await self._send(second, path, asked, most_bytes)
        if len(self._by_get) >= _MOST_BY_GET:
            self._by_get.clear()
        if answer.status not in _METHOD_REFUSED:
            (self._by_get.discard if is_by_get else self._by_get.add)(self._address)
        return answer

    async def _send(self, method: str, path: str, asked: Mapping[str, str], most_bytes: int) -> Answer:
        return await self._exchange.send(
            method,
            f"/api/v1/{path}",
            params=asked if method == "GET" else None,
            form=asked if method == "POST" else None,
            headers=self._authorization,
            most_bytes=most_bytes,
        )

    def _elements(self, data: Mapping[str, Any]) -> list[Element]:
        try:
            return read_elements(data)
        except NotAnAnswer as error:
            raise self._exchange.refused(str(error)) from error


def _points(values: list[Any], start_s: int, end_s: int) -> Points:
    read = ((int(at_s), float(value)) for at_s, value in values)
    return tuple((at_s, value) for at_s, value in read if start_s <= at_s <= end_s and math.isfinite(value))


def _said(answer: Answer) -> str:
    """Return what an error of Prometheus says: it is about the query, which whoever reads it wrote."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ""
    kind, why = (body.get("errorType"), body.get("error")) if isinstance(body, dict) else (None, None)
    is_known = isinstance(kind, str) and kind in _ERROR_TYPES
    return f"{kind}: {why}" if is_known and isinstance(why, str) else ""
