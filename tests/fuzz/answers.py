"""What the agent makes of a metrics server's answer: values, none, or one of the two errors that a check knows."""

import contextlib
import time
from collections.abc import Coroutine, Mapping
from typing import Any, cast

import aiohttp

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.prometheus import Prometheus
from canary.api.bounds import MOST_REVIEW_S

_STATUSES = (200, 400, 503)


class _Canned(Prometheus):
    """One that has its answer already."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(cast("aiohttp.ClientSession", None), "http://p", timeout_s=1)
        self._canned = status, body

    async def _send(self, method: str, path: str, asked: Mapping[str, str]) -> tuple[int, bytes]:
        return self._canned


def check(body: bytes) -> float:
    """Read an answer with each code, and return the seconds of our CPU that the slowest took."""
    slowest_s = 0.0
    for status in _STATUSES:
        started_s = time.process_time()
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            value = _result(_Canned(status, body).value("up"))
            assert value is None or isinstance(value, float)
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            for element in _result(_Canned(status, body).query("up")):
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
