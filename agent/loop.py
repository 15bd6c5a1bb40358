"""The loop of one canary: wake up, tick until there is nothing left to do now, sleep.

A tick is observe, decide, apply. What it stores is the intent; what it does makes the world match that intent; its
news come last. Whatever fails, the next tick starts from the stored intent again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from agent.apply import Applier
from agent.ask import Answered, Asker
from agent.caches import Caches
from agent.canary_patch import has_finalizer
from agent.cooldowns import ActionCooldowns
from agent.detection import DetectedBy, has_detected, written_at_s
from agent.faults import Faults
from agent.flagger import FlaggerWatch
from agent.hook_calls import HookCalls
from agent.managed import ManagedObjects
from agent.metrics import AgentMetrics
from agent.observe import observe
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.routing.port import Routing
from agent.reporting.alerts import Alerter
from agent.reporting.event_hooks import EventHooks
from agent.reporting.events import EventReporter
from agent.resources import CANARIES
from agent.templates import TemplateLost
from canary.api.canary import GLOO, Canary
from canary.api.partial import parse_partial
from canary.api.problems import InvalidObject
from canary.decide import Decision, decide
from canary.decide.takeover import is_foreign
from canary.rules.shape import parse_canary
from canary.run.action import SetFinalizer
from canary.run.messages import Message, warning
from canary.run.observation import Observation
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker, State
from canary.run.status import UnknownPhase, read_state, write_status
from kube.client import Client
from kube.errors import Conflict, KubeError, PermanentError, TransientError
from kube.events import EventRecorder
from kube.resource import Object
from kube.store import Key

_log = logging.getLogger(__name__)

# So many ticks may follow each other at once; more of them mean that somebody undoes what we do.
_BURST: Final = 20
_BREATH_S: Final = 1.0

_RETRY_FIRST_S: Final = 0.2
_RETRY_MAX_S: Final = 30.0
_RETRY_DOUBLINGS: Final = 10

# So many one after the other, over some six seconds; then somebody should know what it is that never comes to pass.
_CONFLICTS_ARE_USUAL: Final = 5

# A failed tick is not tried again earlier, whoever wakes the loop: its own writes do that too.
_FIRM_PAUSE_MAX_S: Final = 5.0

# Traffic is pulled at once: the events of the move before may be late, and after a crash even lost.
_WRITTEN_BEFORE_A_PULL_S: Final = 0.3


class Deposed(Exception):  # noqa: N818  reads as what happened
    """This process may not write: another agent leads, or none does at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServices:
    """What the loops of all canaries share.

    `process` names this process and no other, a restarted one neither. `now_s` gives seconds since the epoch,
    `is_leader` whether this process may write.
    """

    client: Client
    caches: Caches
    parts: ManagedObjects
    routing: Routing
    asker: Asker
    applier: Applier
    recorder: EventRecorder
    alerts: AlertDispatcher
    event_hooks: EventHooks
    flagger: FlaggerWatch
    metrics: AgentMetrics
    faults: Faults
    process: str
    now_s: Callable[[], float]
    is_leader: Callable[[], bool] = lambda: True


class CanaryLoop:
    """Owns one canary. `run` never ends by itself; `wake` may be called at any time, and often."""

    def __init__(self, key: Key, world: AgentServices) -> None:
        self._key = key
        self._world = world
        self._teller = EventReporter(world.recorder, self._send_remark)
        self._alerter = Alerter(world.alerts, world.event_hooks, world.process)
        self._calls = HookCalls()
        self._woken = asyncio.Event()
        self._failures = 0
        self._last_valid: Canary | None = None
        self._set_aside = ActionCooldowns()
        self.is_resynced = True
        """Was the target's last edit told by a list? At the start everything is."""

    def wake(self) -> None:
        """Ask for a tick. What changed is not said: the tick looks for itself."""
        self._woken.set()

    async def run(self) -> None:
        """Tick for ever; cancel it to stop. An action under way is finished or cancelled like any request."""
        try:
            await self._run()
        finally:
            await self._calls.close()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            started_s = time.monotonic()
            sleep_s = await self._tick_until_quiet()
            self._world.metrics.observe_tick(time.monotonic() - started_s)
            if sleep_s == 0:
                # Our own writes wake us too, so this pause must not be cut short by a wake-up.
                await asyncio.sleep(_BREATH_S)
                continue
            if self._failures and sleep_s is not None:
                firm_s = min(sleep_s, _FIRM_PAUSE_MAX_S)
                await asyncio.sleep(firm_s)
                sleep_s -= firm_s
            try:
                async with asyncio.timeout(sleep_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _tick_until_quiet(self) -> float | None:
        """Return the seconds to sleep, None until woken, 0 when there still was something to do after a whole burst."""
        for _ in range(_BURST):
            sleep_s = await self._tick_guarded()
            if sleep_s is None or sleep_s > 0:
                return sleep_s
        return 0

    async def _tick_guarded(self) -> float | None:
        """Tick once; an error is told, counted and waited out, and never ends the loop."""
        try:
            sleep_s = await self._tick()
        except Conflict as error:
            _log.info("another look at %s/%s: %s", *self._key, error)
            if self._failures >= _CONFLICTS_ARE_USUAL:
                self._fail(error, is_told=True)
        except (KubeError, TemplateLost, Deposed) as error:
            is_transient = isinstance(error, (TransientError, Deposed))
            self._fail(error, is_told=not is_transient)
        except Exception as error:  # noqa: BLE001  a fault in one canary's tick must not stop the others
            _log.exception("tick of %s/%s failed", *self._key)
            self._fail(error, is_told=True)
        else:
            self._failures = 0
            return sleep_s
        self._failures += 1
        return min(_RETRY_FIRST_S * 2.0 ** min(self._failures, _RETRY_DOUBLINGS), _RETRY_MAX_S)

    def _fail(self, error: Exception, *, is_told: bool) -> None:
        self._world.metrics.count_error(type(error).__name__)
        _log.warning("tick of %s/%s: %s", *self._key, error)
        obj = self._world.caches.of(CANARIES).get(*self._key)
        if is_told and obj is not None:
            self._teller.remark(obj, (warning(str(error)),))

    async def _tick(self) -> float | None:
        world = self._world
        obj = world.caches.of(CANARIES).get(*self._key)
        if obj is None or ("deletionTimestamp" in obj["metadata"] and not has_finalizer(obj)):
            return None
        name = f"Canary {'/'.join(self._key)}"
        try:
            state = read_state(_deletable(obj))
        except UnknownPhase as error:
            self._teller.remark(obj, (warning(f"{name} {error}"),))
            return None
        try:
            canary = self._last_valid = parse_canary(obj)
        except InvalidObject as error:
            invalid = Blocker("InvalidSpec", str(error))
            # What is under way goes on as it was last meant: a typo must not freeze traffic on a bad canary.
            known = self._last_valid or parse_partial(obj)
            if known is None:
                return await self._stand_still(obj, state, invalid)
            return await self._advance(obj, known, state, invalid)
        if canary.provider != GLOO:
            text = f"{name} spec.provider: found {canary.provider!r}; allowed: {GLOO}, or nothing"
            blocked = Blocker("ProviderNotSupported", text)
            if state.phase is None or is_foreign(state):
                return await self._stand_still(obj, state, blocked)
            # It was Gloo's and ours: a run under way is not left exposed, and its deletion not left hanging.
            return await self._advance(obj, canary, state, blocked)
        return await self._advance(obj, canary, state)

    async def _stand_still(self, obj: Object, state: State, blocked: Blocker) -> float | None:
        """Store why nothing is done, once, and wait for the object to be mended."""
        if state.blocker != blocked:
            now_s = self._world.now_s()
            self._teller.tell_move(obj, state, now_s)
            await self._teller.wait_told()
            stored = state.update_to(replace(state, blocker=blocked), now_s, warning(blocked.message))
            obj = await self._store(obj, stored, target_kind="Deployment")
            self._teller.tell_move(obj, stored, now_s)
        return None

    def _observe(self, canary: Canary, state: State, *blockers: Blocker) -> Observation:
        """Look, and see `blockers` first of all."""
        world, failed = self._world, self._set_aside.parts
        seen = observe(
            canary, world.caches, world.parts, world.routing, world.now_s(), failed, is_foreign=is_foreign(state)
        )
        return replace(
            seen,
            blockers=(*blockers, *seen.blockers),
            cooling_down=self._set_aside.actions,
            refused_traffic=self._set_aside.traffic,
            flagger=world.flagger.at_work(),
            is_spec_lost=bool(blockers) and self._last_valid is None,
        )

    async def _advance(self, obj: Object, canary: Canary, state: State, *blockers: Blocker) -> float | None:
        world = self._world
        self._calls.keep_for(state)
        seen = self._observe(canary, state, *blockers)
        decision = decide(canary, state, seen)
        is_farewell = SetFinalizer(is_set=False) in decision.actions
        if not decision.actions or is_farewell:
            # The world matches the stored intent: now is the time for its news, before anybody is asked anything.
            obj = await self._tell(obj, canary, state)
        if is_farewell:
            # There may be no other tick: what is not an event by then is lost with the object.
            await self._teller.wait_told()
        heard: Collection[str] = ()
        if decision.questions:
            decision, heard = await self._ask(canary, state, seen, decision, blockers)
        world.metrics.observe_state(canary, state)
        if decision.actions or decision.questions:
            await self._apply(canary, decision)
            return 0
        if decision.intent is not None:
            await self._move(obj, canary, state, decision.intent)
        # Only now: had the write failed, the next tick would have asked again, and not called again.
        self._calls.forget(heard)
        warnings = map(warning, (*world.parts.problems(canary), *world.routing.take_warnings(canary)))
        self._teller.remark(obj, (*decision.remarks, *warnings))
        return self._wake_after_s(decision)

    async def _move(self, obj: Object, canary: Canary, before: State, after: State) -> None:
        # The next move replaces the news of this one in the status: until they are events, only it keeps them.
        is_pull = after.traffic.canary_percent < before.traffic.canary_percent
        await self._teller.wait_told(*([_WRITTEN_BEFORE_A_PULL_S] if is_pull else []))
        await self._store(obj, after, target_kind=_target_kind(canary))
        self._count(canary, before, after)

    async def _apply(self, canary: Canary, decision: Decision) -> None:
        """Carry out the actions; what the API server refuses is set aside for a while, the run goes on."""
        for action in decision.actions:
            try:
                async with self._effect():
                    await self._world.applier.apply(canary, action)
            except (PermanentError, TransientError, TemplateLost) as error:
                if not self._set_aside.add(action, error):
                    raise
                self._fail(error, is_told=not isinstance(error, TransientError))

    def _wake_after_s(self, decision: Decision) -> float | None:
        waits = list(self._set_aside.waits_s())
        if decision.wake_after_s is not None:
            waits.append(decision.wake_after_s)
        return min(waits, default=None)

    async def _tell(self, obj: Object, canary: Canary, state: State) -> Object:
        """Tell the news of the stored intent, and give the object as it is stored after that."""
        self._teller.tell_move(obj, state, self._world.now_s())
        store = partial(self._store, obj, target_kind=_target_kind(canary))
        return await self._alerter.alert_move(obj, canary, state, store)

    def _send_remark(self, obj: Object, news: Message) -> None:
        """Remarks go to the event hooks too; those get the news of a move from the alerter."""
        if self._last_valid is not None:
            self._world.event_hooks.send(obj, self._last_valid, [news])

    async def _ask(
        self, canary: Canary, state: State, seen: Observation, decision: Decision, blockers: tuple[Blocker, ...]
    ) -> tuple[Decision, Collection[str]]:
        """Ask, then decide from the answers and from the world as it is by then; and give the calls that were heard.

        Answers may take long. A newer revision does not wait for them: they would be about the older one. Where
        something else is decided than what was asked for, the hooks are still to be heard.
        """
        world, started_s, generation = self._world, time.monotonic(), self._generation()
        asking = asyncio.create_task(
            world.asker.answer(canary, state, seen, decision.questions, self._calls),
            name=f"questions of {'/'.join(self._key)}",
        )
        try:
            while not asking.done():
                await self._until_done_or_woken(asking)
                if asking.done():
                    break
                self._woken.clear()
                if self._generation() != generation:
                    # The next tick reads the spec anew and asks by that; calls that are under way stay so.
                    return decision, ()
                now = self._observe(canary, state, *blockers)
                if _is_more_urgent(seen, now):
                    return decide(canary, state, now), ()
        finally:
            asking.cancel()
        answered, calls = asking.result().seen, asking.result().calls
        results = tuple(result for group in (answered.answers or {}).values() for result in group)
        world.metrics.observe_checks(canary, results, time.monotonic() - started_s)
        now = self._observe(canary, state, *blockers)
        decision = decide(canary, state, replace(now, answers=answered.answers, is_drained=answered.is_drained))
        return decision, () if decision == decide(canary, state, now) else calls

    def _generation(self) -> int | None:
        obj = self._world.caches.of(CANARIES).get(*self._key)
        return None if obj is None else obj["metadata"].get("generation")

    async def _until_done_or_woken(self, asking: asyncio.Task[Answered]) -> None:
        woken = asyncio.create_task(self._woken.wait(), name=f"wake-up of {'/'.join(self._key)}")
        try:
            await asyncio.wait({asking, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _store(self, obj: Object, state: State, *, target_kind: str) -> Object:
        """Write the intent; a Conflict means that this decision was made from an old object."""
        generation = int(obj["metadata"].get("generation", 0))
        status = write_status(state, obj.get("status"), target_kind=target_kind, generation=generation)
        async with self._effect():
            answer = await self._world.client.replace(CANARIES, {**obj, "status": status}, subresource="status")
        self._world.caches.of(CANARIES).remember(answer)
        return answer

    @asynccontextmanager
    async def _effect(self) -> AsyncIterator[None]:
        """Everything that changes the world goes through here: only a leader may, and tests kill around it."""
        if not self._world.is_leader():
            raise Deposed(f"not the leader (any more): {'/'.join(self._key)} is left to the one who is")
        async with self._world.faults.around():
            yield

    def _count(self, canary: Canary, before: State, after: State) -> None:
        if has_detected(before, after):
            unmarked: DetectedBy = "resync" if self.is_resynced else "watch"
            by: DetectedBy = "admission" if after.revisions.change is not None else unmarked
            target = self._world.caches.target(canary)
            written_s = None if target is None else written_at_s(target)
            self._world.metrics.count_detection(by, None if written_s is None else self._world.now_s() - written_s)
        has_ended = before.phase not in IDLE and after.phase in {Phase.SUCCEEDED, Phase.FAILED}
        if has_ended:
            self._world.metrics.count_end(canary, after)


def _is_more_urgent(asked: Observation, now: Observation) -> bool:
    """Did something come up that waits for no answer: another revision or none, a request, the canary's deletion?"""
    if (asked.request, asked.is_deleted, asked.flagger) != (now.request, now.is_deleted, now.flagger):
        return True
    before, after = asked.target, now.target
    return before is None or after is None or before.identity.revision != after.identity.revision


def _deletable(obj: Object) -> Mapping[str, Any]:
    """Return the status; a Canary that is to go goes from a phase that this version does not know, too."""
    status: Mapping[str, Any] = obj.get("status") or {}
    is_known = status.get("phase", "") in {"", *Phase}
    return status if is_known or "deletionTimestamp" not in obj["metadata"] else {**status, "phase": Phase.FAILED}


def _target_kind(canary: Canary) -> str:
    return canary.spec.target_ref.kind or "Deployment"
