"""How the two sides of a canary answered lately: Prometheus is asked while somebody looks at it, and only then."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.providers.errors import ProviderError
from agent.providers.metrics.servers.prometheus import Points, Series
from agent.providers.metrics.sources import BuiltinSource
from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.api.shown import shown
from kube.store import Key
from render.builtin_metrics import CODE_LABEL, request_duration, request_success_rate, success_counts

SPAN_S: Final = 1_800
STEP_S: Final = 30

WINDOW_S: Final = 60
"""Of one point: two scrapes at the add-on's 15 s, as many as a count needs."""

VALID_S: Final = 10.0
"""So long an answer is given to all who look."""

_MOST_KEPT: Final = 64
_MOST_AT_ONCE: Final = 32
_MOST_OF_NAMESPACE: Final = 4
_MOST_ERROR_CHARS: Final = 300


class Busy(Exception):  # noqa: N818  reads as what was found
    """As many canaries are asked about as may be at once, of all or of one namespace."""


@dataclass(frozen=True, slots=True)
class SideTraffic:
    """Points of (seconds since the epoch, value): good answers in percent, and the 99th percentile in milliseconds."""

    success: Points
    duration: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Both sides from `start` to `end`, in seconds since the epoch. `error` says why there is nothing."""

    start: int
    end: int
    window: int
    primary: SideTraffic
    canary: SideTraffic
    error: str = ""


class TrafficReader:
    """Asks for one canary at a time, for all who look at it. `source` gives the server of its builtin checks."""

    def __init__(
        self,
        source: Callable[[Canary], BuiltinSource],
        *,
        now_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._now_s = now_s
        self._clock = clock
        self._kept: dict[Key, tuple[float, asyncio.Task[Traffic]]] = {}

    async def read(self, canary: Canary) -> Traffic:
        """Return what Prometheus has, or why it has nothing.

        Raises:
            Busy: others are waited for, and nothing is known.
        """
        key, now_s = Key(canary.namespace, canary.name), self._clock()
        self._kept = {
            kept: (until_s, task) for kept, (until_s, task) in self._kept.items() if not task.done() or now_s < until_s
        }
        found = self._kept.get(key)
        if found is None:
            asked = [kept.namespace for kept, (_, task) in self._kept.items() if not task.done()]
            if len(asked) >= _MOST_AT_ONCE or asked.count(key.namespace) >= _MOST_OF_NAMESPACE:
                raise Busy
            while len(self._kept) >= _MOST_KEPT:
                done = next(kept for kept, (_, task) in self._kept.items() if task.done())
                del self._kept[done]
            found = (now_s + VALID_S, asyncio.create_task(self._ask(canary), name=f"traffic of {'/'.join(key)}"))
            self._kept[key] = found
        return await asyncio.shield(found[1])

    async def close(self) -> None:
        """End all questions."""
        tasks = [task for _, task in self._kept.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, canary: Canary) -> Traffic:
        end = int(self._now_s()) // STEP_S * STEP_S
        start = end - SPAN_S
        nothing = SideTraffic((), ())
        try:
            primary, side = await asyncio.gather(
                self._ask_side(canary, Side.PRIMARY, start, end), self._ask_side(canary, Side.CANARY, start, end)
            )
        except ProviderError as error:
            text = shown(str(error), _MOST_ERROR_CHARS)
            return Traffic(start=start, end=end, window=WINDOW_S, primary=nothing, canary=nothing, error=text)
        return Traffic(start=start, end=end, window=WINDOW_S, primary=primary, canary=side)

    async def _ask_side(self, canary: Canary, side: Side, start: int, end: int) -> SideTraffic:
        names, (server, gateways) = Names.of(canary), self._source(canary)
        rate = request_success_rate(names, side, WINDOW_S, gateways).text
        duration = request_duration(names, side, WINDOW_S, gateways).text
        by_code = await server.matrix(rate, start, end, STEP_S)
        durations = await server.matrix(duration, start, end, STEP_S)
        return SideTraffic(_success(by_code), durations[0].points if durations else ())


def _success(by_code: tuple[Series, ...]) -> Points:
    """Sum up the counts of each moment."""
    moments: dict[int, dict[str, float]] = {}
    for series in by_code:
        for at_s, value in series.points:
            counts = moments.setdefault(at_s, {})
            code = series.labels.get(CODE_LABEL, "")
            counts[code] = counts.get(code, 0.0) + value
    rates = ((at_s, success_counts(counts).rate_percent) for at_s, counts in sorted(moments.items()))
    return tuple((at_s, rate) for at_s, rate in rates if rate is not None)
