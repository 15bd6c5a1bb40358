"""Delivering one message: again after what is known not to have posted it, and within a bounded time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp
import orjson

from agent.providers.alerts.message import Message
from agent.providers.alerts.port import ChatFormat, Destination
from agent.providers.alerts.registry import CHAT_FORMATS
from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.web.addresses import AddressRefused
from agent.providers.web.answers import AS_IT_IS, is_refused, read_bounded, reason_of
from agent.providers.web.shares import Shares, ShareUsedUp
from agent.providers.web.signature import signature
from canary.api.bounds import MOST_HOOK_ANSWER_BYTES
from kube.backoff import Backoff

_REDIRECT: Final = 300
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500

# All of them happen before the request is sent.
_NOT_REACHED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class NotNow(Exception):  # noqa: N818  reads as what was found
    """Nothing was posted, for somebody else may do it, or it can't be written that it is begun."""


class NoDestination(ProviderUnavailable):
    """An object is missing, or can't be used as written; it is looked up anew, so it can be mended."""


class Ticket(Protocol):
    """What lets a message be posted once, whichever process does it."""

    async def begin(self) -> bool:
        """Return whether it is written that this process posts the message now, and nobody else will."""

    async def put_back(self) -> None:
        """Write that nothing was posted: another attempt is as good, by whichever process."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """POSTs over one session, to the agent's own chat over `own_session`. A namespace has its share of connections.

    Sessions must not keep connections: one that died would lose the message's answer.
    `timeout_s` is for one answer; `attempts` and `deadline_s` end the trying, whichever comes first. `key` signs what
    types that are no chats are sent, with the key of the AlertProvider's namespace.
    """

    session: aiohttp.ClientSession
    own_session: aiohttp.ClientSession | None = None
    key: str = field(default="", repr=False)
    now_s: Callable[[], float] = time.time
    shares: Shares = field(default_factory=Shares)
    attempts: int = 6
    deadline_s: float = 120.0
    timeout_s: float = 15.0
    connect_timeout_s: float = 5.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, max_s=30.0))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def deliver(
        self,
        message: Message,
        find: Callable[[], Awaitable[Destination]],
        ticket: Ticket | None = None,
        *,
        attempts: int | None = None,
    ) -> None:
        """Post a message to the destination that `find` returns, looked up anew for each attempt.

        Where the answer was lost the message may have been posted, and is not sent again. `ticket` is shown before each
        attempt, and told where one certainly posted nothing. `attempts`: if not the usual number.

        Raises:
            NotNow: the ticket is not good for an attempt.
            ProviderUnavailable: still no success after the last attempt, or there is no such destination.
            ProviderRefused: it will never take this message.
            ProviderError: nobody knows.
        """
        give_up_at_s, most = self.clock() + self.deadline_s, attempts or self.attempts
        for attempt in range(1, most + 1):
            try:
                await self._attempt(message, find, ticket)
            except ProviderUnavailable as error:
                if ticket is not None:
                    await ticket.put_back()
                wait_s = max(self.backoff.delay_s(attempt), error.retry_after_s)
                if attempt == most or self.clock() + wait_s > give_up_at_s:
                    raise
            else:
                return
            await self.sleep(wait_s)

    async def _attempt(
        self, message: Message, find: Callable[[], Awaitable[Destination]], ticket: Ticket | None
    ) -> None:
        try:
            destination = await find()
        except ProviderRefused as error:
            # Somebody has to mend an object: that is told, and looked up again.
            raise NoDestination(str(error)) from error
        if ticket is not None and not await ticket.begin():
            raise NotNow
        await self._post(message, destination)

    async def _post(self, message: Message, destination: Destination) -> None:
        try:
            async with self.shares.of(destination.namespace, self.timeout_s):
                await self._exchange(message, destination)
        except ShareUsedUp as error:
            raise ProviderUnavailable(f"{destination.name}: not asked: {error}") from None
        except ProviderError as error:
            shown = type(error)(f"{destination.name}: {destination.without_secrets(str(error))}")
            if isinstance(shown, ProviderUnavailable) and isinstance(error, ProviderUnavailable):
                shown.retry_after_s = error.retry_after_s
            # The cause's own words, which a traceback would show, may hold the address.
            raise shown from None

    async def _exchange(self, message: Message, destination: Destination) -> None:
        chat = CHAT_FORMATS[destination.type]
        try:
            session = self.session if destination.namespace else self.own_session or self.session
            data = orjson.dumps(chat.payload(message, destination))
            async with session.post(
                chat.address(destination),
                data=data,
                headers=self._headers(chat, destination, data),
                proxy=destination.proxy or None,
                timeout=aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=self.connect_timeout_s),
                allow_redirects=False,
                auto_decompress=False,
            ) as response:
                body = await _read_body(response)
        except _NOT_REACHED as error:
            kind = ProviderRefused if is_refused(error) else ProviderUnavailable
            raise kind(f"not reached: {reason_of(error)}") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise ProviderRefused(
                f"its address or proxy is no URL that can be asked: {type(error).__name__}"
            ) from error
        except (TimeoutError, aiohttp.ClientError, AddressRefused) as error:
            if is_refused(error):
                raise ProviderRefused(f"not reached: {reason_of(error)}") from error
            why = f"no answer ({type(error).__name__}): it may have been posted, so it is not sent again"
            raise ProviderError(why) from error
        _check_status(chat, response, body)
        chat.check_answer(body)

    def _headers(self, chat: ChatFormat, destination: Destination, data: bytes) -> dict[str, str]:
        signed = signature(self.key, destination.namespace, data, self.now_s()) if chat.is_signed else {}
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return {**kind, **AS_IT_IS, **chat.headers(destination), **signed}


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return what the chat says; nothing where that is too long or packed: its status says what became of the message.

    Raises:
        aiohttp.ClientError, TimeoutError: it did not arrive.
    """
    try:
        return await read_bounded(response, MOST_HOOK_ANSWER_BYTES)
    except aiohttp.ClientError:
        raise
    except ValueError:
        return b""


def _check_status(chat: ChatFormat, response: aiohttp.ClientResponse, body: bytes) -> None:
    if response.status < _REDIRECT:
        return
    text = f"{response.status} {chat.word(body)}".strip()
    if response.status < _SERVER_ERROR and response.status != _TOO_MANY_REQUESTS:
        raise ProviderRefused(text)
    error = ProviderUnavailable(text)
    # Seconds; a date, which RFC 9110 allows too, counts as none.
    asked = response.headers.get("Retry-After", "")
    error.retry_after_s = max(float(asked) if asked.isdecimal() else 0.0, chat.retry_after_s(body))
    raise error
