"""How late ticks begin while two hundred canaries fail at once, and the chat they all name answers nothing.

Each canary's alerter and the one dispatcher are the agent's own, as are the POSTs; the status is kept in memory, and
each write of it takes as long as an API server's.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Recipient
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.alerts.port import Destination
from agent.reporting.alerts import Alerter
from benchmarks.quantiles import quantile
from canary.api.canary import Canary
from canary.run.messages import Message, rolling_back
from canary.run.state import State
from kube.resource import Object
from kube.store import Key
from tests.support.canaries import canary, canary_object

_CANARIES = 200
_TICK_S = 0.25
_WRITE_S = 0.005
_MEASURED_S = 5.0


def measure() -> dict[str, float]:
    """Return the tick lag in milliseconds, with a storm of alerts and without."""
    logging.disable(logging.WARNING)  # an alert that is not sent is a line of the log
    try:
        return asyncio.run(_measure())
    finally:
        logging.disable(logging.NOTSET)


async def _measure() -> dict[str, float]:
    calm = await _lags(is_storm=False)
    storm = await _lags(is_storm=True)
    return {
        "canaries": _CANARIES,
        "tick_lag_p99_ms": round(1000 * quantile(storm, 0.99), 1),
        "tick_lag_max_ms": round(1000 * max(storm), 1),
        "tick_lag_p99_without_alerts_ms": round(1000 * quantile(calm, 0.99), 1),
    }


async def _lags(*, is_storm: bool) -> list[float]:
    """Tick all canaries for a while, each with an alert of its own at the first tick if there is a storm."""
    async with _dead_chat() as address, aiohttp.ClientSession() as session:
        delivery = Delivery(session=session, timeout_s=1.0)
        dispatcher = AlertDispatcher(_Directory(address), delivery, _Recorder(), lambda *_: None, drain_s=0)
        async with dispatcher:
            message = rolling_back("podinfo.test", "failed checks threshold reached 5", "success rate 69.17% < 99%")
            told = (message,) if is_storm else ()
            ticking = (_Ticking(number, dispatcher, told).run() for number in range(_CANARIES))
            return [lag_s for lags in await asyncio.gather(*ticking) for lag_s in lags]


class _Ticking:
    """One canary that is due at fixed times, whatever else goes on."""

    def __init__(self, number: int, dispatcher: AlertDispatcher, told: tuple[Message, ...]) -> None:
        self._canary = canary()
        self._obj = canary_object()
        self._offset_s = _TICK_S * number / _CANARIES
        self._now_s = asyncio.get_running_loop().time
        self._state = State().transition_to(State(), self._now_s(), *told)
        self._alerter = Alerter(
            dispatcher, _NoHooks(), "bench", write=self._write, wake=lambda: None, now_s=self._now_s
        )

    async def run(self) -> list[float]:
        due_at_s, lags = self._now_s() + self._offset_s, []
        for _ in range(int(_MEASURED_S / _TICK_S)):
            await asyncio.sleep(max(due_at_s - self._now_s(), 0))
            lags.append(self._now_s() - due_at_s)
            await self._alerter.alert_transition(self._obj, self._canary, self._state, self._store)
            due_at_s += _TICK_S
        return lags

    async def _store(self, state: State) -> Object:
        await asyncio.sleep(_WRITE_S)
        self._state = self._alerter.with_unsent(state)
        self._alerter.note_stored(self._state.unsent)
        return self._obj

    async def _write(self) -> None:
        await self._store(self._state)


@dataclass(frozen=True)
class _Directory:
    """Has one AlertProvider, which every canary names."""

    address: str

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:  # noqa: ARG002  the port's
        return [Recipient(Key("ops", "on-call"), asked_by=f"team-{id(canary) % 20}")]

    def type_of(self, recipient: Recipient) -> str:  # noqa: ARG002  the port's
        return "slack"

    async def find(self, recipient: Recipient) -> Destination:  # noqa: ARG002  the port's
        return Destination(name="AlertProvider ops/on-call", namespace="ops", type="slack", address=self.address)


class _Recorder:
    def record(self, *_: Any, **__: Any) -> asyncio.Event:
        return asyncio.Event()


class _NoHooks:
    def has_hooks(self, _: Canary) -> bool:
        return False

    def send(self, *_: Any) -> None:
        return


@asynccontextmanager
async def _dead_chat() -> AsyncIterator[str]:
    """Take connections, and answer nothing."""
    ended = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        ended.set()
        server.close()
