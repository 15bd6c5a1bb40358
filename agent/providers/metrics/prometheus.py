"""Prometheus' HTTP API, as far as a check needs it: instant queries."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from agent.providers.errors import ProviderRefused, ProviderUnavailable

_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an answer; a scalar has no labels. NaN never comes out of a query: it is no value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a server wants to be asked: `headers` to add (credentials too), `is_verified` False takes any certificate."""

    headers: Mapping[str, str] = field(default_factory=dict)
    is_verified: bool = True


class Prometheus:
    """One server. `address` is its base URL, with or without a path."""

    def __init__(
        self, session: aiohttp.ClientSession, address: str, *, timeout_s: float, access: Access | None = None
    ) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._timeout_s = timeout_s
        self._access = access or Access()

    async def query(self, promql: str) -> tuple[Element, ...]:
        """Run an instant query; empty when it has no value (an empty vector, or NaN as from 0/0).

        Raises:
            ProviderUnavailable: not reached within the timeout, or 5xx.
            ProviderRefused: bad query, or an answer that is not Prometheus'.
        """
        body = await self._post(promql)
        if body.get("status") != "success":
            raise ProviderRefused(f"{self._address}: {body.get('errorType')}: {body.get('error')}")
        return tuple(element for element in self._elements(body.get("data") or {}) if not math.isnan(element.value))

    async def value(self, promql: str) -> float | None:
        """Run an instant query for one number; return None when it has no value. Errors as `query`.

        Of several elements the first counts, as with Flagger.
        """
        elements = await self.query(promql)
        return elements[0].value if elements else None

    async def _post(self, promql: str) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with self._session.post(
                f"{self._address}/api/v1/query",
                data={"query": promql},
                timeout=timeout,
                headers=self._access.headers,
                ssl=self._access.is_verified,
            ) as response:
                text = await response.read()
        except TimeoutError as error:
            raise ProviderUnavailable(f"{self._address}: no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise ProviderUnavailable(f"{self._address}: {error}") from error
        if response.status >= _SERVER_ERROR:
            raise ProviderUnavailable(f"{self._address}: {response.status} {text[:200]!r}")
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ProviderRefused(f"{self._address}: {response.status}, not JSON: {text[:200]!r}") from error
        if not isinstance(body, dict):
            raise ProviderRefused(f"{self._address}: {response.status}, not an object: {text[:200]!r}")
        return body

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
