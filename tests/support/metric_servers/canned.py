"""An exchange that has its answer already, and notes what was sent: no server, no event loop's time."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from agent.providers.metrics.exchange import Answer, Exchange, Fields
from agent.providers.metrics.port import Connection, Question

ASKED = Question(text="up", interval_s=60, now_s=10_000.0)


@dataclass(frozen=True)
class Sent:
    """A request; `fields` are its parameters or those of its form."""

    method: str
    path: str
    fields: Fields
    content: bytes
    headers: Mapping[str, str]


class Canned(Exchange):
    """Answers everything with the same."""

    def __init__(self, body: str | bytes, status: int = 200, address: str = "http://p", **connection: Any) -> None:
        super().__init__(
            cast("aiohttp.ClientSession", None), Connection(name=address, address=address, timeout_s=1, **connection)
        )
        self._canned = Answer(status, body.encode() if isinstance(body, str) else body)
        self.sent: list[Sent] = []

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
        most_bytes: int = 0,
    ) -> Answer:
        self.sent.append(Sent(method, path, params or form or {}, content or b"", headers or {}))
        return self._canned


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")
