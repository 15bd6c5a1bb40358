"""The loop of one canary: wake up, tick until there is nothing left to do now, sleep.

A tick is `agent.tick`. Whatever fails in one, the next tick starts from the stored intent again.
"""

import asyncio
import logging
import time
from typing import Final

from agent.leadership import Deposed
from agent.revision_templates import TemplateLost
from agent.services import AgentServices
from agent.tick import CanaryTicker
from agent.turns import Urgency
from kube.errors import Conflict, KubeError, TransientError, Unread
from kube.store import Key

_log = logging.getLogger(__name__)

# So many ticks may follow each other at once; more of them mean that somebody undoes what we do.
_BURST: Final = 20
_BREATH_S: Final = 1.0

_RETRY_FIRST_S: Final = 0.2
_RETRY_MAX_S: Final = 30.0
_RETRY_DOUBLINGS: Final = 10
# Whoever waits for a rollback waits no longer for the next try, whatever the API server asked for.
_RETRY_PULL_MAX_S: Final = 2.0

# So many one after the other, over some six seconds; then somebody should know what it is that never comes to pass.
_CONFLICTS_ARE_USUAL: Final = 5

# A failed tick is not tried again earlier, whoever wakes the loop: its own writes do that too.
_FIRM_PAUSE_MAX_S: Final = 5.0


class CanaryLoop:
    """Owns one canary. `run` never ends on its own; `wake` may be called at any time, and often."""

    def __init__(self, key: Key, services: AgentServices) -> None:
        self._key = key
        self._services = services
        self._woken = asyncio.Event()
        self._ticker = CanaryTicker(key, services, self._woken)
        self._failures = 0
        self._due_at_s: float | None = time.monotonic()
        """Since when the next tick is due, None while it is not."""

    def wake(self) -> None:
        """Ask for a tick. What changed is not said: the tick looks for itself."""
        if self._due_at_s is None:
            self._due_at_s = time.monotonic()
        self._woken.set()

    def note_target_edit(self, *, is_resynced: bool) -> None:
        """Note an edit of the target, and whether it became known by a list, after a gap, or by a watch event."""
        self._ticker.is_resynced = is_resynced
        self._ticker.is_target_edited = True

    async def run(self) -> None:
        """Tick for ever; cancel it to stop. An action under way is finished or cancelled like any request."""
        try:
            while True:
                await self._sleep(await self._take_turn())
        finally:
            self._ticker.turn.give_back()
            await self._ticker.close()

    async def _take_turn(self) -> float | None:
        """Tick in a turn of its own; return how long to sleep, see `_tick_until_quiet`. No fault comes out of it."""
        started_at_s = time.monotonic()
        try:
            await self._ticker.turn.take(self._ticker.urgency())
            if self._due_at_s is not None:
                self._services.metrics.observe_tick_lag(time.monotonic() - self._due_at_s)
            sleep_s = await self._tick_until_quiet()
        except Exception as error:  # noqa: BLE001  the end of this loop would be the end of the agent
            _log.exception("loop of %s/%s failed", *self._key)
            self._services.metrics.count_error(type(error).__name__)
            sleep_s = 0
        self._ticker.turn.give_back()
        self._services.metrics.observe_tick(time.monotonic() - started_at_s)
        return sleep_s

    async def _sleep(self, sleep_s: float | None) -> None:
        if sleep_s == 0:
            # Our own writes wake us too, so this pause must not be cut short by a wake-up.
            await self._pause(_BREATH_S, is_due_after=True)
            return
        # What woke it in its tick, and was not dealt with there, is due now that the tick is over.
        self._due_at_s = time.monotonic() if self._woken.is_set() else None
        if self._failures and sleep_s is not None:
            firm_s = min(sleep_s, _FIRM_PAUSE_MAX_S)
            await self._pause(firm_s, is_due_after=False)
            sleep_s -= firm_s
        over_at_s = time.monotonic() + (sleep_s or 0.0)
        try:
            async with asyncio.timeout(sleep_s):
                await self._woken.wait()
        except TimeoutError:
            self._due_at_s = self._due_at_s or over_at_s

    async def _pause(self, pause_s: float, *, is_due_after: bool) -> None:
        """Wait, whoever wakes: no tick is due before the end, and then one is if somebody woke, or in any case."""
        over_at_s = time.monotonic() + pause_s
        await asyncio.sleep(pause_s)
        self._due_at_s = over_at_s if is_due_after or self._woken.is_set() else None

    async def _tick_until_quiet(self) -> float | None:
        """Return the seconds to sleep, None until woken, 0 when there still was something to do after a whole burst."""
        sleep_s: float | None = 0
        for _ in range(_BURST):
            # Whatever woke it by now, while it waited for its turn or by what the tick before wrote, is one wake-up.
            self._woken.clear()
            sleep_s = await self._tick_guarded()
            if sleep_s != 0:
                break
            await self._ticker.turn.make_way(self._ticker.urgency())
        return sleep_s

    async def _tick_guarded(self) -> float | None:
        """Tick once; an error is reported, counted and waited out, and never ends the loop."""
        asked_s = 0.0
        try:
            sleep_s = await self._tick_whole()
        except Conflict as error:
            _log.info("another look at %s/%s: %s", *self._key, error)
            if self._failures >= _CONFLICTS_ARE_USUAL:
                self._ticker.count_failure(error, is_reported=True)
        except Deposed as error:
            self._ticker.count_failure(error, is_reported=False)
        except (KubeError, TemplateLost) as error:
            self._ticker.count_failure(error, is_reported=not isinstance(error, TransientError))
            self._ticker.note_failing(error)
            asked_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        except Exception as error:  # noqa: BLE001  a fault in one canary's tick must not stop the others
            _log.exception("tick of %s/%s failed", *self._key)
            self._ticker.count_failure(error, is_reported=True)
            self._ticker.note_failing(error)
        else:
            self._failures = 0
            return sleep_s
        self._failures += 1
        delay_s = min(_RETRY_FIRST_S * 2.0 ** min(self._failures, _RETRY_DOUBLINGS), _RETRY_MAX_S)
        if self._ticker.urgency() is Urgency.PULL:
            return min(delay_s, _RETRY_PULL_MAX_S)
        return max(delay_s, min(asked_s, _RETRY_MAX_S))

    async def _tick_whole(self) -> float | None:
        """Tick; what a tick asks for that nobody used so far is read for the next one, which is due now."""
        try:
            return await self._ticker.tick()
        except Unread as unread:
            await self._services.caches.read(unread)
            return 0
