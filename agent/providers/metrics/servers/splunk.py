"""Splunk Observability Cloud (SignalFx): a SignalFlow program run over the window, and the last value it published.

Flagger asks over a WebSocket. The same computation is to be had over HTTP, as server-sent events: one request with one
answer, which ends with the computation. Source: "SignalFlow API" of Splunk's developer documentation.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import orjson

from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question
from agent.providers.metrics.window import window_of
from canary.api.metric_template import PROVIDER_FIELDS
from canary.api.shown import shown

TOKEN: Final = "sf_token_key"  # noqa: S105  the key's name
_PATH: Final = "/v2/signalflow/execute"
_MEND: Final = "for example by .sum() in the program, with one publish()"
_NOT_SIGNALFLOW: Final = "not an answer of SignalFlow"

_ERROR_TYPE: Final = re.compile(r"[A-Z][A-Z0-9_]{2,79}")
_END: Final = "END_OF_CHANNEL"
_ABORT: Final = "CHANNEL_ABORT"
_LAST: Final = re.compile(rb"%s|%s" % (_END.encode(), _ABORT.encode()))
_MOST_OF_THE_LAST_BYTES: Final = 8192
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_MOST_SAID_CHARS: Final = 200
_SERVERS_FAULT: Final = 500


class _Event(NamedTuple):
    """One of the stream: its kind, such as `data` or `control-message`, and what it says."""

    kind: str
    data: Any


class Splunk:
    """One realm; the connection's address is `https://api.REALM.signalfx.com`, or that of its stream."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._url = stream_url(exchange.connection.address)

    async def value(self, asked: Question) -> float | None:
        """Run the program over the window, and return the newest value that it published."""
        start_s, end_s = window_of(asked)
        answer = await self._exchange.send(
            "POST",
            self._url,
            params={"start": str(int(start_s * 1000)), "stop": str(int(end_s * 1000)), "immediate": "true"},
            content=asked.text.encode(),
            headers={
                "X-SF-Token": self._exchange.connection.credentials[TOKEN],
                "Content-Type": "text/plain",
                "Accept": "text/event-stream",
            },
            is_whole=_is_whole,
        )
        self._exchange.check(answer, _said)
        try:
            return self._newest(
                [
                    _Event(kind, self._exchange.read_json(Answer(answer.status, data)))
                    for kind, data in _events(answer.body)
                ]
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._exchange.refused(_NOT_SIGNALFLOW) from error

    def _newest(self, events: list[_Event]) -> float | None:
        """Return the newest value of the one series that there may be."""
        self._check_end(events)
        points = [
            (int(event.data["logicalTimestampMs"]), str(point["tsId"]), point["value"])
            for event in events
            if event.kind == "data"
            for point in event.data["data"]
            if point["value"] is not None
        ]
        series = {name for _, name, _ in points}
        if len(series) > 1:
            raise self._exchange.several(len(series), _MEND)
        newest = max(points, key=lambda point: point[0], default=None)
        return None if newest is None else self._exchange.number(newest[2])

    def _check_end(self, events: list[_Event]) -> None:
        """Raise unless the computation came to its end."""
        if not events:
            raise self._exchange.refused(_NOT_SIGNALFLOW)
        failed = next((event.data for event in events if event.kind == "error"), None)
        if failed is not None:
            raise self._failure(failed)
        told = {event.data["event"]: event.data for event in events if event.kind == "control-message"}
        if _ABORT in told:
            raise ProviderUnavailable(self._told("the computation was ended before its time", told[_ABORT]))
        if _END not in told:
            raise ProviderUnavailable(f"{self._exchange.connection.name}: its answer broke off")

    def _failure(self, data: dict[str, Any]) -> ProviderError:
        code = data.get("error") or data.get("code")
        is_its_own = isinstance(code, int) and code >= _SERVERS_FAULT
        kind = ProviderUnavailable if is_its_own else ProviderRefused
        return kind(self._told("the program failed", data))

    def _told(self, what: str, data: dict[str, Any]) -> str:
        name, words = self._exchange.connection.name, ""
        if self._exchange.connection.is_known:
            words = _words(data) or str((data.get("abortInfo") or {}).get("sf_job_abortReason") or "")
        return f"{name}: {what}: {shown(words, _MOST_SAID_CHARS)}" if words else f"{name}: {what}"


def stream_url(address: str) -> str:
    """Return where programs are run: at `stream.` where the address is that of the `api.`."""
    parts = urlsplit(PROVIDER_FIELDS["splunk"].by_http(address))
    host = f"stream.{parts.netloc.removeprefix('api.')}" if parts.netloc.startswith("api.") else parts.netloc
    return urlunsplit((parts.scheme, host, f"{parts.path.rstrip('/')}{_PATH}", "", ""))


def _is_whole(body: bytearray) -> bool:
    """Return whether the event that ends the computation is read, with the blank line behind it."""
    end = body[-_MOST_OF_THE_LAST_BYTES:]
    return end.endswith((b"\n\n", b"\r\n\r\n")) and _LAST.search(end) is not None


def _events(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Read server-sent events, each with its kind and its data; one that breaks off before its blank line is none."""
    kind, data = "", list[bytes]()
    for line in _LINE_END.split(body)[:-1]:
        name, _, text = line.partition(b":")
        text = text.removeprefix(b" ")
        if line == b"":
            if data:
                yield kind, b"\n".join(data)
            kind, data = "", []
        elif name == b"event":
            kind = text.decode(errors="replace")
        elif name == b"data":
            data.append(text)


def _said(answer: Answer) -> str:
    """Return what SignalFlow says of a program that it does not run."""
    try:
        return _words(orjson.loads(answer.body))
    except (AttributeError, orjson.JSONDecodeError):
        return ""


def _words(data: dict[str, Any]) -> str:
    kind, words = data.get("errorType"), data.get("message")
    is_its_own = isinstance(kind, str) and _ERROR_TYPE.fullmatch(kind) and isinstance(words, str)
    return f"{kind}: {words}" if is_its_own else ""
