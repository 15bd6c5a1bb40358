"""Prometheus' HTTP API, as far as it is needed: instant queries for checks, and queries over a time for the page.

The address is a user's, who may not read what the server behind it says: of an answer that is not Prometheus' nothing
is told but its code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import aiohttp
import orjson

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.web.addresses import AddressRefused
from agent.providers.web.answers import AS_IT_IS, AnswerTooLong, is_refused, read_bounded, reason_of
from canary.api.bounds import KIB, MOST_METRIC_ANSWER_BYTES
from canary.api.shown import shown, shown_url

_ONE_SERIES: Final = "one series, for example by sum() around the query"

# What `errorType` may be. Source: Prometheus' HTTP API, `web/api/v1/api.go`.
_ERROR_TYPES: Final = frozenset(
    {"timeout", "canceled", "execution", "bad_data", "internal", "unavailable", "not_found", "not_acceptable"}
)
_MOST_ERROR_CHARS: Final = 200

# Servers that take no POST; each is found out again when more than these are known.
_MOST_BY_GET: Final = 1_000

_METHOD_REFUSED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


_INSTANT: Final = "query"
_RANGE: Final = "query_range"

MOST_SERIES: Final = 20
"""Of an answer over a time: one for each response code, or one in all."""

# The server is a tenant's, who may not hold up the loop that reads what it sends.
_MOST_BYTES: Final = {_INSTANT: MOST_METRIC_ANSWER_BYTES, _RANGE: 64 * KIB}

Points: TypeAlias = tuple[tuple[int, float], ...]
"""Moments in whole seconds since the epoch, each with a finite value, oldest first."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer over a time."""

    labels: Mapping[str, str]
    points: Points


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an answer; a scalar has no labels. NaN and Inf never come out of a query: they are no value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a server wants to be asked: `headers` to add, credentials too, each with all its values.

    `is_verified` False takes any certificate.
    """

    headers: tuple[tuple[str, str], ...] = ()
    is_verified: bool = True


class Prometheus:
    """One server. `address` is its base URL, with or without a path.

    `name` is what errors call it, where whoever reads them may not know its address, nor what it says; without one that
    is its address, less what may be secret in it. `by_get`: the addresses that refuse a POST, as some proxies do, and
    take a GET; shared by all that ask.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        *,
        timeout_s: float,
        access: Access | None = None,
        by_get: set[str] | None = None,
        name: str = "",
    ) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._name = name or shown_url(self._address)
        self._is_known = not name
        self._timeout_s = timeout_s
        self._access = access or Access()
        self._by_get = set() if by_get is None else by_get

    async def query(self, promql: str) -> tuple[Element, ...]:
        """Run an instant query; empty when it has no value (an empty vector, or NaN and Inf as from 0/0 and 1/0).

        Raises:
            ProviderUnavailable: not reached within the timeout, or 5xx.
            ProviderRefused: bad query, or an answer that is not Prometheus' or is too long.
        """
        return tuple(element for element in await self._ask(promql) if math.isfinite(element.value))

    async def value(self, promql: str) -> float | None:
        """Run an instant query for one number; return None when it has no value.

        Raises:
            ProviderUnavailable, ProviderRefused: as `query`; refused is an answer of several series, too: which of
            them speaks of the revision nobody can tell (Flagger takes the last).
        """
        elements = await self._ask(promql)
        if len(elements) > 1:
            raise ProviderRefused(f"{self._name}: the query gives {len(elements)} series; allowed: {_ONE_SERIES}")
        return elements[0].value if elements and math.isfinite(elements[0].value) else None

    async def matrix(self, promql: str, start_s: int, end_s: int, step_s: int) -> tuple[Series, ...]:
        """Run a query for each step of a time; NaN, Inf, and what is of another time are left out.

        Raises:
            ProviderUnavailable, ProviderRefused: as `query`; refused are more series or points than there can be, too.
        """
        asked = {"query": promql, "start": str(start_s), "end": str(end_s), "step": str(step_s)}
        data = await self._data(_RANGE, asked)
        result = data.get("result")
        if data.get("resultType") != "matrix" or not isinstance(result, list):
            raise ProviderRefused(f"{self._name}: not an answer of Prometheus")
        if len(result) > MOST_SERIES:
            raise ProviderRefused(f"{self._name}: the query gives {len(result)} series; allowed: {MOST_SERIES}")
        most = (end_s - start_s) // step_s + 1
        try:
            if any(len(item["values"]) > most for item in result):
                raise ProviderRefused(f"{self._name}: more points than were asked for; allowed: {most} of each series")
            return tuple(Series(item.get("metric") or {}, _points(item["values"], start_s, end_s)) for item in result)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ProviderRefused(f"{self._name}: not an answer of Prometheus") from error

    async def _ask(self, promql: str) -> list[Element]:
        return self._elements(await self._data(_INSTANT, {"query": promql}))

    async def _data(self, path: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        status, text = await self._answer(path, asked)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ProviderUnavailable(f"{self._name}: HTTP {status}")
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise ProviderRefused(f"{self._name}: HTTP {status}; allowed: an answer, for redirects are not followed")
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ProviderRefused(f"{self._name}: HTTP {status}, not JSON") from error
        if not isinstance(body, dict):
            raise ProviderRefused(f"{self._name}: HTTP {status}, not an object")
        if body.get("status") != "success":
            raise ProviderRefused(f"{self._name}: {self._refusal(status, body)}")
        data = body.get("data")
        return data if isinstance(data, dict) else {}

    def _refusal(self, status: int, body: dict[str, Any]) -> str:
        """Return what an error of Prometheus says: it is about the query, which whoever reads it wrote."""
        kind, why = body.get("errorType"), body.get("error")
        if not isinstance(kind, str) or kind not in _ERROR_TYPES:
            return f"HTTP {status}, not an answer of Prometheus"
        return f"{kind}: {shown(why, _MOST_ERROR_CHARS)}" if self._is_known and isinstance(why, str) else kind

    async def _answer(self, path: str, asked: Mapping[str, str]) -> tuple[int, bytes]:
        """Ask by POST, which takes queries of any length; where that is refused by GET, and then so from the start."""
        is_by_get = self._address in self._by_get
        first, second = ("GET", "POST") if is_by_get else ("POST", "GET")
        status, text = await self._send(first, path, asked)
        if status not in _METHOD_REFUSED:
            return status, text
        status, text = await self._send(second, path, asked)
        if len(self._by_get) >= _MOST_BY_GET:
            self._by_get.clear()
        if status not in _METHOD_REFUSED:
            (self._by_get.discard if is_by_get else self._by_get.add)(self._address)
        return status, text

    async def _send(self, method: str, path: str, asked: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            async with self._session.request(
                method,
                f"{self._address}/api/v1/{path}",
                params=asked if method == "GET" else None,
                data=asked if method == "POST" else None,
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                # Names in one spelling: of two spellings aiohttp takes the last value alone.
                headers=[*((name.lower(), value) for name, value in self._access.headers), *AS_IT_IS.items()],
                ssl=self._access.is_verified,
                # A redirect leads to wherever the server says, with this agent's rights on the network.
                allow_redirects=False,
                auto_decompress=False,
            ) as response:
                return response.status, await read_bounded(response, _MOST_BYTES[path])
        except TimeoutError as error:
            raise ProviderUnavailable(f"{self._name}: no answer within {self._timeout_s:g} s") from error
        except AnswerTooLong as error:
            raise ProviderRefused(f"{self._name}: {error}; allowed: {_ONE_SERIES}") from error
        except (aiohttp.ClientError, AddressRefused, ValueError) as error:
            kind = ProviderRefused if is_refused(error) else ProviderUnavailable
            raise kind(f"{self._name}: {reason_of(error)}") from error

    def _elements(self, data: Mapping[str, Any]) -> list[Element]:
        result = data.get("result")
        try:
            match data.get("resultType"):
                case "vector" if isinstance(result, list):
                    return [Element(item.get("metric") or {}, float(item["value"][1])) for item in result]
                case "scalar" if isinstance(result, list):
                    return [Element({}, float(result[1]))]
                case kind:
                    found = kind if kind in ("matrix", "string") else "something else"
                    raise ProviderRefused(f"{self._name}: the query gives a {found}; allowed: a vector or a scalar")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ProviderRefused(f"{self._name}: not an answer of Prometheus") from error


def _points(values: list[Any], start_s: int, end_s: int) -> Points:
    read = ((int(at_s), float(value)) for at_s, value in values)
    return tuple((at_s, value) for at_s, value in read if start_s <= at_s <= end_s and math.isfinite(value))
