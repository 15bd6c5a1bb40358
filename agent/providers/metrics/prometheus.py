"""Prometheus' HTTP API, as far as a check needs it: instant queries."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson

from agent.providers.errors import ProviderRefused, ProviderUnavailable

_LONGEST_ANSWER_BYTES: Final = 1 << 20
_ONE_SERIES: Final = "one series, for example by sum() around the query"

_METHOD_REFUSED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an answer; a scalar has no labels. NaN and Inf never come out of a query: they are no value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a server wants to be asked: `headers` to add (credentials too), `is_verified` False takes any certificate."""

    headers: Mapping[str, str] = field(default_factory=dict)
    is_verified: bool = True


class Prometheus:
    """One server. `address` is its base URL, with or without a path.

    `by_get`: the addresses that refuse a POST, as some proxies do, and take a GET; shared by all that ask.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        *,
        timeout_s: float,
        access: Access | None = None,
        by_get: set[str] | None = None,
    ) -> None:
        self._session = session
        self._address = address.rstrip("/")
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
            raise ProviderRefused(f"{self._address}: the query gives {len(elements)} series; allowed: {_ONE_SERIES}")
        return elements[0].value if elements and math.isfinite(elements[0].value) else None

    async def _ask(self, promql: str) -> list[Element]:
        status, text = await self._answer(promql)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ProviderUnavailable(f"{self._address}: {status} {text[:200]!r}")
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ProviderRefused(f"{self._address}: {status}, not JSON: {text[:200]!r}") from error
        if not isinstance(body, dict):
            raise ProviderRefused(f"{self._address}: {status}, not an object: {text[:200]!r}")
        if body.get("status") != "success":
            raise ProviderRefused(f"{self._address}: {body.get('errorType')}: {body.get('error')}")
        return self._elements(body.get("data") or {})

    async def _answer(self, promql: str) -> tuple[int, bytes]:
        """Ask by POST, which takes queries of any length; where that is refused by GET, and then so from the start."""
        is_by_get = self._address in self._by_get
        first, second = ("GET", "POST") if is_by_get else ("POST", "GET")
        status, text = await self._send(first, promql)
        if status not in _METHOD_REFUSED:
            return status, text
        status, text = await self._send(second, promql)
        if status not in _METHOD_REFUSED:
            (self._by_get.discard if is_by_get else self._by_get.add)(self._address)
        return status, text

    async def _send(self, method: str, promql: str) -> tuple[int, bytes]:
        asked = {"query": promql}
        try:
            async with self._session.request(
                method,
                f"{self._address}/api/v1/query",
                params=asked if method == "GET" else None,
                data=asked if method == "POST" else None,
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers=self._access.headers,
                ssl=self._access.is_verified,
            ) as response:
                return response.status, await self._read(response)
        except TimeoutError as error:
            raise ProviderUnavailable(f"{self._address}: no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ProviderUnavailable(f"{self._address}: {error}") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read an answer, unpacked, to its bound and no further: one of a million series would be all the memory."""
        read = bytearray()
        async for chunk in response.content.iter_any():
            read += chunk
            if len(read) > _LONGEST_ANSWER_BYTES:
                raise ProviderRefused(
                    f"{self._address}: the answer is longer than {_LONGEST_ANSWER_BYTES} bytes; allowed: {_ONE_SERIES}"
                )
        return bytes(read)

    def _elements(self, data: dict[str, Any]) -> list[Element]:
        result = data.get("result")
        try:
            match data.get("resultType"):
                case "vector" if isinstance(result, list):
                    return [Element(item.get("metric") or {}, float(item["value"][1])) for item in result]
                case "scalar" if isinstance(result, list):
                    return [Element({}, float(result[1]))]
                case kind:
                    raise ProviderRefused(f"{self._address}: the query gives a {kind}; allowed: a vector or a scalar")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ProviderRefused(f"{self._address}: not an answer of Prometheus: {str(data)[:200]}") from error
