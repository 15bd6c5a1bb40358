"""Answers of services that users name: read to a bound and no further, and told of in words that give nothing away."""

import zlib
from collections.abc import Callable
from typing import Final

import aiohttp

from agent.providers.web.addresses import AddressRefused
from canary.api.shown import shown

AS_IT_IS: Final = {"Accept-Encoding": "identity"}
"""Headers of a request whose answer is wanted unpacked: what is packed can be a thousand times as large."""

HINT_HEADER: Final = "Serin-Hint"
"""What a service wants to be shown of its answer. Only those that are made for Serin send it, so nobody else's answer
can be read by naming its address in a Canary."""

_MOST_HINT_CHARS: Final = 200

_WINDOW: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


# The first that fits: some of them are kinds of others.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorSSLError, "no connection, for its TLS is not what was expected"),
    (aiohttp.ClientConnectorDNSError, "its host name is not known"),
    (aiohttp.ClientHttpProxyError, "its proxy refuses the connection"),
    (aiohttp.ClientConnectorError, "it can't be reached"),
    (aiohttp.InvalidURL, "it is no URL that can be asked"),
    (aiohttp.ServerDisconnectedError, "it ended the connection"),
    (aiohttp.ClientOSError, "it ended the connection"),
    (aiohttp.ClientPayloadError, "its answer broke off"),
)


class AnswerTooLong(ValueError):  # noqa: N818  reads as what was found
    """An answer is longer than its bound, packed or unpacked."""


async def read_bounded(
    response: aiohttp.ClientResponse, most_bytes: int, is_whole: Callable[[bytearray], bool] | None = None
) -> bytes:
    """Return the whole body, unpacked. It must have been asked for with `auto_decompress=False`.

    `is_whole` tells from what is read so far that nothing more is to come, although the stream is left open.

    Raises:
        AnswerTooLong: it is longer than `most_bytes`; no more than that was ever kept.
        ValueError: it is packed in a way that can't be unpacked.
        aiohttp.ClientError, TimeoutError: it did not arrive.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {*_WINDOW, "", "identity"}:
        raise ValueError("the answer is packed; allowed: none, gzip, deflate")
    unpack = zlib.decompressobj(_WINDOW[encoding]) if encoding in _WINDOW else None
    read = bytearray()
    async for chunk in response.content.iter_any():
        try:
            read += chunk if unpack is None else unpack.decompress(chunk, most_bytes + 1 - len(read))
        except zlib.error as error:
            raise ValueError("the answer is packed, and can't be unpacked") from error
        if len(read) > most_bytes or (unpack is not None and unpack.unconsumed_tail):
            raise AnswerTooLong(f"the answer is longer than {most_bytes} bytes")
        if is_whole is not None and is_whole(read):
            break
    return bytes(read)


def hint_of(response: aiohttp.ClientResponse) -> str:
    """Return what the service wants to be shown of its answer, empty where it does not say."""
    return shown(response.headers.get(HINT_HEADER, ""), _MOST_HINT_CHARS).strip()


def reason_of(error: Exception) -> str:
    """Return why there is no answer, in a few words: no address that a name has, and nothing that a server said."""
    refused = _refusal(error)
    if refused is not None or isinstance(error, AnswerTooLong):
        return str(refused or error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        # The words are our own TLS library's.
        return f"its certificate is not valid: {getattr(error.certificate_error, 'verify_message', 'not verified')}"
    why = next((why for kind, why in _REASONS if isinstance(error, kind)), "")
    return why or f"no answer ({type(error).__name__})"


def is_refused(error: BaseException) -> bool:
    """Return whether an address was refused, and asking again is of no use."""
    return _refusal(error) is not None


def _refusal(error: BaseException) -> AddressRefused | None:
    """Find a refused address among the causes of an error: asyncio and aiohttp wrap what a socket's maker raises."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, AddressRefused):
            return one
        waiting += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return None
