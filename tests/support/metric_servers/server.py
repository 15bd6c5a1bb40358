"""What every metric server of a test has: faults, credentials that it takes, and a place on loopback.

Each speaks the documented protocol of its type, and refuses what the real one refuses; a new one is a subclass.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from canary.api.metric_template import MetricProviderType

Number = float | str
"""A value of an answer; a text that is no number is what no server should send."""

HIDDEN = "hunter2"
"""In what a server says beyond its protocol: nobody may be shown it."""

NOW_S = 1_796_000_000.0
INTERVAL_S = 60.0


@dataclass(frozen=True)
class Fault:
    """What a server does instead of answering. `status` 0: nothing at all, for ever; `is_cut`: half of an answer."""

    status: int = 0
    body: str = HIDDEN
    headers: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False


class FakeMetricServer(ABC):
    """A metric server. `series` has the value of each series that its query gives now; `asked` counts requests.

    `address` is the one of its MetricTemplate, empty for the type's own, which is `own_address` where the type makes it
    of other fields; tests lead its host name to loopback, and so they do with `other_hosts`, which it asks besides.
    One that is not `is_addressed` is the API server itself; one without `has_series` never gives more than one value.
    `provider` are further fields of `spec.provider`. `secret` is what a Secret of its must have, and `rotated` what the
    next one has; without any, the type knows no Secret.
    """

    type: ClassVar[MetricProviderType]
    address: ClassVar[str]
    query: ClassVar[str]
    own_address: ClassVar[str] = ""
    other_hosts: ClassVar[tuple[str, ...]] = ()
    is_addressed: ClassVar[bool] = True
    has_series: ClassVar[bool] = True
    provider: ClassVar[Mapping[str, Any]] = {}
    secret: ClassVar[Mapping[str, str]] = {}
    rotated: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.series: Sequence[Number] = (1.0,)
        self.accepted: Mapping[str, str] = self.secret
        self.fault: Fault | None = None
        self.asked: list[web.Request] = []
        self.released = asyncio.Event()

    @abstractmethod
    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        """Return what the real server answers to a request that it does not take, None to one that it takes."""

    @abstractmethod
    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the answer of the real server with `series`."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request)
        if self.fault is None:
            return await self.refuse(request) or await self.answer(request)
        if self.fault.is_cut:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"status":')
            assert request.transport is not None
            request.transport.close()
            return response
        if not self.fault.status:
            await self.released.wait()
            return web.Response()
        headers = {"Content-Type": "application/json", **dict(self.fault.headers)}
        return web.Response(status=self.fault.status, text=self.fault.body, headers=headers)


def json_number(value: Number) -> str:
    """Spell a number for JSON as servers do that write NaN and Infinity into it."""
    if isinstance(value, str):
        return f'"{value}"'
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
