"""What the agent makes of a metrics server's answer: values, none, or one of the two errors that a check knows."""

import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import aiohttp

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange, Fields
from agent.providers.metrics.port import Connection, Question
from agent.providers.metrics.servers.prometheus import Prometheus
from canary.api.bounds import MOST_METRIC_ANSWER_BYTES, MOST_REVIEW_S

_STATUSES = (200, 400, 503)
_ASKED = Question(text="up", interval_s=60, now_s=0)


class _Canned(Exchange):
    """One that has its answer already."""

    def __init__(self, status: int, body: bytes) -> None:
        connection = Connection(name="http://p", address="http://p", timeout_s=1)
        super().__init__(cast("aiohttp.ClientSession", None), connection)
        self._canned = Answer(status, body)

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        form: Fields | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_METRIC_ANSWER_BYTES,
        is_whole: Callable[[bytes], bool] | None = None,
    ) -> Answer:
        return self._canned


def check(body: bytes) -> float:
    """Read an answer with each code, and return the seconds of our CPU that the slowest took."""
    slowest_s = 0.0
    for status in _STATUSES:
        started_s = time.process_time()
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            value = _result(Prometheus(_Canned(status, body)).value(_ASKED))
            assert value is None or isinstance(value, float)
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            for element in _result(Prometheus(_Canned(status, body)).query("up")):
                assert isinstance(element.value, float)
        slowest_s = max(slowest_s, time.process_time() - started_s)
    assert slowest_s < MOST_REVIEW_S, f"{slowest_s:.1f} s"
    return slowest_s


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")
