"""Asking a metric server over HTTP: bounded in time and bytes, with the same words for the same faults of all of them.

The address is a user's, who may not read what the server behind it says: of an answer nothing is told but its code,
unless the module of its type knows it for an answer of that type.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.port import Connection
from agent.providers.web.addresses import AddressRefused
from agent.providers.web.answers import AS_IT_IS, AnswerTooLong, is_refused, read_bounded, reason_of
from canary.api.bounds import MOST_METRIC_ANSWER_BYTES
from canary.api.metric_template import FRAMING_HEADERS
from canary.api.shown import shown
from canary.rules.http_syntax import is_field_value
from canary.rules.urls import has_user

ONE_SERIES: Final = "one series"
FEWER_SAMPLES: Final = "fewer samples, by rarer scrapes, fewer gateways or a shorter analysis.interval"

_ASK_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CREDENTIALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MOST_SAID_CHARS: Final = 200

# The second is Datadog's; with others of that name it is a moment, which has more digits than a wait.
_WAITS: Final = ("Retry-After", "X-RateLimit-Reset")
_MOST_WAIT_CHARS: Final = 6
_AUTHORIZATION: Final = "authorization"

Fields = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `retry_after_s` is the wait that it asked for (0: none)."""

    status: int
    body: bytes
    retry_after_s: float = 0.0

    @property
    def is_accepted(self) -> bool:
        """Return whether it is of the kind that has a value."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def says_nothing(_: Answer) -> str:
    """Return what a type without documented errors tells of one."""
    return ""


class Exchange:
    """Asks one server. What a `said` returns is shown to those of the server's own namespace only."""

    def __init__(self, session: aiohttp.ClientSession, connection: Connection) -> None:
        self._session = session
        self.connection = connection

    def in_name_of(self, whose: str) -> Self:
        """Return it as one that asks in the agent's own name, whose words are for nobody but the operator."""
        return type(self)(self._session, replace(self.connection, whose=whose, is_known=False))

    async def ask_json(
        self,
        method: str,
        path: str,
        *,
        said: Callable[[Answer], str] = says_nothing,
        params: Fields | None = None,
        form: Fields | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request, and return the JSON of the answer.

        Raises:
            ProviderUnavailable, ProviderRefused: as `send` and `check`; refused is what is no JSON, too.
        """
        answer = await self.send(method, path, params=params, form=form, content=content, headers=headers)
        self.check(answer, said)
        return self.read_json(answer)

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        form: Fields | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_whole: Callable[[bytearray], bool] | None = None,
        most_bytes: int = MOST_METRIC_ANSWER_BYTES,
    ) -> Answer:
        """Send a request with the template's headers, and `headers` in place of those of the same names.

        `path` is put behind the address of the connection; one that begins with http:// or https:// stands alone, and
        is under the same rules as any other address. `is_whole` tells the end of a stream that the server may leave
        open behind it.

        Raises:
            ProviderUnavailable: there is no answer, or only a part of one.
            ProviderRefused: the address is none that is asked, or the answer is too long.
        """
        connection = self.connection
        url = path if path.startswith(("http://", "https://")) else f"{connection.address.rstrip('/')}{path}"
        try:
            async with self._session.request(
                method,
                url,
                params=params,
                data=form if content is None else content,
                timeout=aiohttp.ClientTimeout(total=connection.timeout_s),
                headers=self._headers({**(headers or {}), **AS_IT_IS}),
                ssl=connection.is_verified,
                # A redirect leads to wherever the server says, with this agent's rights on the network.
                allow_redirects=False,
                auto_decompress=False,
            ) as response:
                body = await read_bounded(response, most_bytes, is_whole)
                return Answer(response.status, body, _wait_s(response.headers))
        except TimeoutError as error:
            raise ProviderUnavailable(f"{connection.name}: no answer within {connection.timeout_s:g} s") from error
        except AnswerTooLong as error:
            allowed = ONE_SERIES if most_bytes == MOST_METRIC_ANSWER_BYTES else FEWER_SAMPLES
            raise self.refused(f"{error}; allowed: {allowed}") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise self.refused(reason_of(error)) from error
        except (aiohttp.ClientError, AddressRefused, ValueError) as error:
            kind = ProviderRefused if is_refused(error) else ProviderUnavailable
            raise kind(f"{connection.name}: {reason_of(error)}") from error

    def check(self, answer: Answer, said: Callable[[Answer], str] = says_nothing) -> None:
        """Raise unless the answer has what was asked for.

        Raises:
            ProviderUnavailable: the server has a fault, or is asked too often.
            ProviderRefused: any other code.
        """
        if answer.is_accepted:
            return
        code = f"HTTP {answer.status}"
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _ASK_AGAIN:
            wait = f"; it asks to wait for {answer.retry_after_s:g} s" if answer.retry_after_s else ""
            error = ProviderUnavailable(f"{self.connection.name}: {code}{wait}")
            error.retry_after_s = answer.retry_after_s
            raise error
        words = said(answer)
        if answer.status in _CREDENTIALS:
            raise self.credentials_refused(code, words)
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            code = f"{code}; allowed: an answer, for redirects are not followed"
        raise self.refused(f"{code}{self._said(words)}")

    def credentials_refused(self, code: str, words: str = "") -> ProviderRefused:
        """Return the error of a server that does not take the credentials; `words` are its own, for those it is for."""
        return self.refused(f"{code}, {self._whose_credentials()}{self._said(words)}")

    def words(self, text: object) -> str:
        """Return what is shown of an error's own words: some of them, to those of the server's own namespace."""
        return shown(text, _MOST_SAID_CHARS).strip() if self.connection.is_known and isinstance(text, str) else ""

    def is_served_by(self, *domains: str) -> bool:
        """Return whether it is certain that the answers come from a host of one of the domains, and of nobody else."""
        url = urlsplit(self.connection.address)
        host = f".{url.hostname or ''}"
        is_theirs = any(host.endswith(f".{domain}") for domain in domains)
        return is_theirs and url.scheme == "https" and self.connection.is_verified

    def read_json(self, answer: Answer) -> Any:
        """Return the JSON of an answer. NaN and Infinity, which some servers write although JSON has neither, are read.

        Raises:
            ProviderRefused: it is none.
        """
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            pass
        try:
            return json.loads(answer.body)
        except (RecursionError, ValueError) as error:
            raise self.refused(f"HTTP {answer.status}, not JSON") from error

    def number(self, found: object) -> float | None:
        """Return a value of an answer as a number; None for nothing, NaN and Inf. Texts of numbers are numbers.

        Raises:
            ProviderRefused: it is something else.
        """
        match found:
            case None:
                return None
            case int() | float() | str() if not isinstance(found, bool):
                pass
            case _:
                kind = "true or false" if isinstance(found, bool) else "a list or an object"
                raise self.refused(f"the value of the answer is {kind}; allowed: a number")
        try:
            value = float(found)
        except OverflowError:
            return None
        except ValueError as error:
            raise self.refused("the value of the answer is a text; allowed: a number") from error
        return value if math.isfinite(value) else None

    def refused(self, why: str) -> ProviderRefused:
        """Return the error of an answer that can't be used."""
        return ProviderRefused(f"{self.connection.name}: {why}")

    def several(self, count: int, mend: str) -> ProviderRefused:
        """Return the error of an answer of several series; `mend` says how the query would give one."""
        return self.refused(f"the query gives {count} series; allowed: {ONE_SERIES}, {mend}")

    def _headers(self, own: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return each value of each header, with the names in one spelling: of two aiohttp takes the last value.

        One that says where the request ends is left out: an object may be stored that admission refuses today.

        Raises:
            ProviderRefused: one can't be sent.
        """
        replaced = {name.lower(): value for name, value in own.items()}
        given = ((name.lower(), value) for name, value in self.connection.headers)
        sent = ((name, value) for name, value in given if name not in replaced and name not in FRAMING_HEADERS)
        headers = [*sent, *replaced.items()]
        for name, value in headers:
            if not is_field_value(value):
                which = f"header {name}" if self.connection.is_known else "a header"
                raise self.refused(f"the text for {which} can't be sent; allowed: one without line breaks")
            if name == _AUTHORIZATION and has_user(self.connection.address):
                raise self.refused("its address has a user, and there are other credentials; allowed: one of them")
        return headers

    def _said(self, text: str) -> str:
        words = self.words(text)
        return f": {words}" if words else ""

    def _whose_credentials(self) -> str:
        if self.connection.whose:
            return f"it refuses {self.connection.whose}, or that lacks a right, which the operator can mend"
        if not self.connection.is_known:
            return "its credentials are refused, or lack a right"
        if not self.connection.secret:
            return "it asks for credentials; allowed: a secretRef with them"
        return f"it refuses the credentials of {self.connection.secret}, or they lack a right"


def _wait_s(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait; a date, which RFC 9110 allows too, counts as none."""
    waits = (headers.get(name, "") for name in _WAITS)
    return next((float(wait) for wait in waits if wait.isdecimal() and len(wait) <= _MOST_WAIT_CHARS), 0.0)
