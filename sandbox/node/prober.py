"""A probe again and again: its delays and thresholds, and what its results mean."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox.node.probes import Outcome

_FIRST_RETRY_S = 0.05


@dataclass
class Threshold:
    """Turns outcomes into results: a result only changes after enough equal outcomes in a row."""

    success: int
    failure: int
    _last: bool | None = None
    _run: int = 0

    def count(self, *, is_good: bool) -> bool | None:
        """Return the result that stands after this outcome, None while there are too few."""
        self._run = self._run + 1 if is_good == self._last else 1
        self._last = is_good
        return is_good if self._run >= (self.success if is_good else self.failure) else None


@dataclass(frozen=True)
class Prober:
    """One probe of one running container.

    `check` does it once with a time limit; `on_result` is told each result, `on_failure` each bad outcome's message. An
    outcome that is not known counts neither way, as for a kubelet.
    """

    probe: dict[str, Any]
    check: Callable[[dict[str, Any], float], Awaitable[Outcome]]
    on_result: Callable[[bool], Awaitable[None]]
    on_failure: Callable[[str], None]

    async def run(self, *, is_eager: bool = False, until_success: bool = False) -> None:
        """Probe for ever, or `until_success`.

        `is_eager`: during the first period a bad outcome is tried again soon and not counted: a kubelet puts its first
        probe somewhere in that period, and a process needs some time to listen.
        """
        period_s = float(self.probe.get("periodSeconds", 10))
        threshold = Threshold(self.probe.get("successThreshold", 1), self.probe.get("failureThreshold", 3))
        await asyncio.sleep(self.probe.get("initialDelaySeconds", 0))
        outcome = await (self._check_eagerly(period_s) if is_eager else self._check())
        while True:
            if not outcome.is_good:
                self.on_failure(outcome.message)
            result = threshold.count(is_good=outcome.is_good) if outcome.is_known else None
            if result is not None:
                await self.on_result(result)
                if result and until_success:
                    return
            await asyncio.sleep(period_s)
            outcome = await self._check()

    async def _check_eagerly(self, period_s: float) -> Outcome:
        loop = asyncio.get_running_loop()
        end_s, pause_s = loop.time() + period_s, _FIRST_RETRY_S
        while True:
            outcome = await self._check()
            if outcome.is_good or loop.time() + pause_s >= end_s:
                return outcome
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 1.0)

    async def _check(self) -> Outcome:
        return await self.check(self.probe, float(self.probe.get("timeoutSeconds", 1)))
