"""One tick of one canary: observe once, decide, ask if asked to, decide with the answers, apply.

What a tick stores is the intent; what it applies makes the world match that intent; its messages come last.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from agent.ask import ask_while_current
from agent.configs import refuse_unread_start, tracking_problems
from agent.cooldowns import ActionCooldowns
from agent.hook_calls import HookCalls
from agent.leadership import Deposed
from agent.providers.metrics.needed_secrets import look_again_after_s, look_at_secrets
from agent.reporting.alerts import Alerter
from agent.reporting.events import EventReporter
from agent.resources import CANARIES
from agent.revision_detection import DetectedBy, has_detected, written_at_s
from agent.revision_templates import TemplateLost
from agent.series.runs import RunTimes
from agent.services import AgentServices
from agent.status_read_back import StatusReadBack
from agent.stored import SpecReader, StoredCanary, is_gone, read_stored
from agent.trouble_watch import TroubleWatch
from agent.turns import Turn, Urgency, is_pull, urgency_of
from canary.api.canary import Canary
from canary.api.names import DEFAULT_TARGET_KIND
from canary.api.parts import mapping_of
from canary.decide import Decision, decide, find_trouble
from canary.judgement.spec import with_evidence
from canary.run.action import Action, SetFinalizer, describe
from canary.run.messages import Message, undone_again, warning
from canary.run.observation import Observation, Question
from canary.run.phase import IDLE, Phase
from canary.run.state import Blocker, State
from canary.run.status import UnknownPhase, write_status
from canary.run.trouble import RETRYING, Trouble, is_other_reason
from canary.run.unsent import write_unsent
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.errors import KubeError, PermanentError, TransientError
from kube.packing import version_of
from kube.resource import Object
from kube.store import Key

_log = logging.getLogger(__name__)

# Traffic is pulled at once: the events of the transition before may be late, and after a crash even lost.
_WRITTEN_BEFORE_A_PULL_S: Final = 0.3


class CanaryTicker:
    """Ticks one canary. `woken` is set when something that concerns the canary changed."""

    def __init__(self, key: Key, services: AgentServices, woken: asyncio.Event) -> None:
        self._key = key
        self._services = services
        self._woken = woken
        self._reporter = EventReporter(services.recorder, self._send_remark)
        self._alerter = Alerter(
            services.alerts,
            services.event_hooks,
            services.process,
            write=self._store_unsent,
            wake=woken.set,
            now_s=services.now_s,
        )
        self._writing = asyncio.Lock()
        self._followers: dict[str, Object] = {}
        """What `_store_unsent` made of the Canary that a tick has read, by its resourceVersion."""
        self._calls = HookCalls()
        self._cooldowns = ActionCooldowns()
        self._read_back = StatusReadBack()
        self._trouble = TroubleWatch()
        self._last_valid: Canary | None = None
        self._specs = SpecReader()
        self._known: StoredCanary | None = None
        """The version that was read last, while a run is on."""
        self._run_times = RunTimes(services.metrics.runs)
        self._is_pulling: bool | None = None
        """Whether the last decision was to take traffic off the canary side; at the start nobody knows."""
        self.turn = Turn(services.turns, key.namespace)
        """Taken by whoever calls `tick`, which gives it back and takes it again around its questions."""
        self.is_resynced = True
        """Whether the target's last edit became known by a list. At the start everything does."""
        self.is_target_edited = False
        """Whether the target was edited since the last tick."""

    async def close(self) -> None:
        """End the hook calls under way, and let the next agent have the alerts that are not sent."""
        await self._calls.close()
        obj = self._stored()
        await self._alerter.close(is_gone=obj is None or is_gone(obj))

    def urgency(self) -> Urgency:
        """Return how urgent the next tick is, from the Canary as it is stored."""
        obj, is_edited = self._stored(), self.is_target_edited
        look = partial(self._is_exposed, obj)
        status = mapping_of(obj, "status")
        return urgency_of(status, is_pulling=self._is_pulling, is_target_edited=is_edited, is_exposed=look)

    def _is_exposed(self, obj: Object | None) -> bool:
        try:
            canary = None if obj is None else self._read(obj).canary
        except Exception:  # noqa: BLE001  the tick will tell what is wrong with it
            return True
        return canary is not None and self._services.observer.is_exposed(canary)

    def count_failure(self, error: Exception, *, is_reported: bool) -> None:
        """Count and log an error; report it as a remark on the Canary as it is stored by now, if `is_reported`."""
        self._services.metrics.count_error(type(error).__name__)
        _log.warning("tick of %s/%s: %s", *self._key, error)
        obj = self._stored()
        if is_reported and obj is not None:
            self._reporter.report_failure(obj, warning(str(error)))

    async def tick(self) -> float | None:
        """Do what is to be done now; return the seconds until the next tick, None until something changes.

        Raises:
            kube.errors.KubeError, TemplateLost, Deposed: something was not done; another tick will try.
        """
        obj = self._stored()
        if obj is None or is_gone(obj):
            return None
        self._followers.clear()
        self.is_target_edited = False
        try:
            stored = self._read(obj)
        except UnknownPhase as error:
            self._reporter.report_remarks(obj, (warning(f"Canary {'/'.join(self._key)} {error}"),))
            return None
        self._last_valid = stored.last_valid
        if stored.canary is None:
            await self._stand_still(stored)
            return None
        sleep_s = await self._advance(stored, stored.canary)
        if sleep_s is None and stored.state.phase in IDLE:
            # It may rest for months.
            self._known = None
            self._services.caches.forget_memo(self._key)
        return sleep_s

    def _read(self, obj: Object) -> StoredCanary:
        """Read the Canary as it is stored, once for each version of it."""
        if self._known is None or self._known.obj is not obj:
            self._known = read_stored(obj, self._last_valid, self._specs)
        return self._known

    async def _stand_still(self, stored: StoredCanary) -> None:
        """Store why nothing is done, once, and wait for the object to be mended."""
        obj, state, blocker = stored.obj, stored.state, stored.blocker
        if blocker is None or state.blocker == blocker:
            return
        now_s = self._services.now_s()
        self._reporter.report_transition(obj, state, now_s)
        await self._wait_written()
        blocked = state.update_to(replace(state, blocker=blocker), now_s, warning(blocker.message))
        obj = await self._store(obj, blocked, target_kind=DEFAULT_TARGET_KIND)
        self._reporter.report_transition(obj, blocked, now_s)

    async def _advance(self, stored: StoredCanary, canary: Canary) -> float | None:
        services, state, obj = self._services, stored.state, stored.obj
        if services.judges_by_evidence:
            canary = services.caches.memo(canary).of("evidence", (canary,), partial(with_evidence, canary))
        self._calls.keep_for(state)
        await services.caches.refresh(canary)
        if stored.is_before_first_step or look_again_after_s(canary, services.caches) is not None:
            # Later the checks themselves tell, and nothing that takes a request stands before a rollback.
            await look_at_secrets(canary, services.caches)
        observation = self._observe(canary, stored)
        decision = decide(canary, state, observation)
        self._is_pulling = is_pull(state, decision, observation)
        if not self._is_pulling:
            refuse_unread_start(canary, services.caches)
        is_farewell = SetFinalizer(is_set=False) in decision.actions
        if not decision.actions or is_farewell:
            # The world matches the stored intent: now is the time for its messages, before anybody is asked anything.
            obj = await self._report(obj, canary, state)
        if is_farewell:
            # There may be no other tick: what is not an event by then is lost with the object.
            await self._wait_written()
        answered: Collection[str] = ()
        if decision.questions:
            decision, answered = await self._ask(canary, stored, observation, decision)
            self._is_pulling = is_pull(state, decision, observation)
        if decision.actions or decision.questions:
            await self._apply(canary, decision)
            return 0
        if decision.intent is not None:
            await self._store_intent(obj, canary, state, decision.intent)
        # Only now: had the write failed, the next tick would have asked again, and not called again.
        self._calls.forget(answered)
        is_news = decision.intent is None and self._note_trouble(canary, state, observation, decision)
        problems = (*services.managed.problems(canary), *tracking_problems(canary, services.caches))
        self._reporter.report_remarks(obj, (*decision.remarks, *map(warning, problems)))
        return 0 if is_news else self._wake_after_s(canary, decision)

    def _note_trouble(self, canary: Canary, state: State, observation: Observation, decision: Decision) -> bool:
        """Note what is wrong while the canary waits; return whether that is news to be stored by another tick."""
        self._trouble.note(find_trouble(canary, state, observation, decision))
        lasting, known = self._trouble.lasting(state.not_ready), observation.lasting
        return is_other_reason(lasting, known)

    def note_failing(self, error: Exception) -> None:
        """Note that nothing more is known of the canary than why its ticks fail."""
        self._trouble.note((Trouble(Blocker(RETRYING, str(error))),))

    def _observe(self, canary: Canary, stored: StoredCanary) -> Observation:
        unstored, lasting = self._read_back.blocker, self._trouble.lasting(stored.state.not_ready)
        observe = self._services.observer.observe
        return observe(canary, stored, self._cooldowns, unstored=unstored, lasting=lasting)

    async def _ask(
        self, canary: Canary, stored: StoredCanary, observation: Observation, decision: Decision
    ) -> tuple[Decision, Collection[str]]:
        """Ask, then decide from the answers and from what is observed by then.

        Return the decision, and the keys of the hook calls that it has used the answers of. Where the answers change
        nothing, because something else comes first, none has been used: the hooks' answers are still needed.
        """
        services, state, started_at_s = self._services, stored.state, time.monotonic()
        if not services.is_leader(self._key.namespace):
            # Hooks change the world, too: gates are asked, and load is begun.
            raise Deposed("this agent does not hold the Lease (any more): nobody is asked")
        self.turn.give_back()
        answering = services.asker.answer(canary, state, observation, decision.questions, self._calls)
        outcome = await ask_while_current(
            answering,
            self._woken,
            asked_about=observation,
            generation=self._generation,
            observe=partial(self._observe, canary, stored),
        )
        await self.turn.take(Urgency.PULL if outcome.has_failed else self.urgency())
        if outcome.is_spec_edited:
            # The next tick reads the spec anew and asks by that; calls that are under way stay so.
            return decision, ()
        without_answers = decide(canary, state, outcome.observation)
        if outcome.answered is None:
            return without_answers, ()
        answers, calls = outcome.answered.observation, outcome.answered.calls
        checks = (answers.answers or {}).get(Question.CHECKS, ())
        took_s = time.monotonic() - started_at_s
        now = replace(outcome.observation, answers=answers.answers, is_drained=answers.is_drained)
        decision = decide(canary, state, now)
        services.metrics.canaries.count_checks(canary, decision.judged or checks, took_s)
        return decision, () if decision == without_answers else calls

    def _stored(self) -> Object | None:
        return self._services.caches.of(CANARIES).get(*self._key)

    def _generation(self) -> int | None:
        obj = self._stored()
        return None if obj is None else obj["metadata"].get("generation")

    async def _store_intent(self, obj: Object, canary: Canary, before: State, after: State) -> None:
        # The next transition replaces this one's messages in the status: until they are events, only it keeps them.
        is_pull = after.traffic.canary_percent < before.traffic.canary_percent
        if is_pull:
            await self._reporter.wait_written(_WRITTEN_BEFORE_A_PULL_S)
        else:
            await self._wait_written()
        with self._services.runs.beginning(self._key, before, after):
            await self._store(obj, after, target_kind=canary.target_kind)
        self._count(canary, before, after)

    async def _wait_written(self) -> None:
        """Wait for the events of the last transition; others have their turns meanwhile."""
        if self._reporter.is_written:
            return
        self.turn.give_back()
        await self._reporter.wait_written()
        await self.turn.take(self.urgency())

    async def _apply(self, canary: Canary, decision: Decision) -> None:
        """Carry out the actions; what the API server refuses cools down for a while, the run goes on."""
        for action in decision.actions:
            try:
                async with self._effect():
                    await self._services.applier.apply(canary, action)
                if not self._cooldowns.note_done(action):
                    self._report_undone(canary, action)
                    await self._pause(self._cooldowns.take_pause_s())
            except (PermanentError, TransientError, TemplateLost) as error:
                if not self._cooldowns.add(action, error):
                    raise
                self.count_failure(error, is_reported=not isinstance(error, TransientError))

    async def _pause(self, pause_s: float) -> None:
        """Do nothing for a while, whatever wakes the loop: its own write does that, and what undoes it."""
        if pause_s:
            self.turn.give_back()
            await asyncio.sleep(pause_s)
            await self.turn.take(self.urgency())

    def _report_undone(self, canary: Canary, action: Action) -> None:
        obj = self._stored()
        if obj is not None:
            self._reporter.report_remarks(obj, (undone_again(f"{canary.name}.{canary.namespace}", describe(action)),))

    def _wake_after_s(self, canary: Canary, decision: Decision) -> float | None:
        reads_s = self._services.caches.read_again_after_s(canary)
        held_s = (*self._cooldowns.waits_s(), *self._read_back.waits_s(), *self._trouble.waits_s())
        looks_s = (self._services.routing.look_again_after_s(canary), look_again_after_s(canary, self._services.caches))
        waits_s = (*held_s, decision.wake_after_s, reads_s, *looks_s)
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    async def _report(self, obj: Object, canary: Canary, state: State) -> Object:
        """Report the messages of the stored intent, and return the object as it is stored after that."""
        try:
            self._reporter.report_transition(obj, state, self._services.now_s())
            store = partial(self._store, obj, target_kind=canary.target_kind)
            return await self._alerter.alert_transition(obj, canary, state, store)
        except (KubeError, Deposed):
            raise
        except Exception as error:  # noqa: BLE001  no run and no check waits for what can't be reported
            _log.exception("transition of %s/%s: not reported", *self._key)
            self._services.metrics.count_error(type(error).__name__)
            return obj

    def _send_remark(self, obj: Object, message: Message) -> None:
        """Send a remark to the event hooks, too; they get the messages of a transition from the alerter."""
        if self._last_valid is not None:
            self._services.event_hooks.send(obj, self._last_valid, [message])

    async def _store(self, obj: Object, state: State, *, target_kind: str) -> Object:
        """Write the intent, and read back what is stored of it.

        Raises:
            kube.errors.Conflict: this decision was made from an old object.
            kube.errors.Lost: it was written, and is not stored.
        """
        async with self._writing:
            obj = self._followers.get(version_of(obj), obj)
            generation = int(obj["metadata"].get("generation", 0))
            state = self._alerter.with_unsent(state)
            status = write_status(state, obj.get("status"), target_kind=target_kind, generation=generation)
            answer = await self._replace_status(obj, status)
            self._alerter.note_stored(state.unsent)
        self._read_back.check(CANARIES, answer, status)
        return answer

    async def _store_unsent(self) -> None:
        """Write what is unsent of the alerts; a tick under way may store its intent all the same.

        Raises:
            kube.errors.KubeError, Deposed: it was not written, or nobody knows.
        """
        async with self._writing:
            obj, unsent = self._stored(), self._alerter.unsent
            if obj is None:
                return
            ours = dict(mapping_of(mapping_of(obj, "status"), SERIN_STATUS))
            ours.pop(StatusKey.UNSENT_ALERTS, None)
            ours |= {StatusKey.UNSENT_ALERTS: write_unsent(unsent)} if unsent else {}
            answer = await self._replace_status(obj, {**mapping_of(obj, "status"), SERIN_STATUS: ours})
            before = version_of(obj)
            earlier = [version for version, found in self._followers.items() if version_of(found) == before]
            self._followers |= dict.fromkeys((*earlier, before), answer)
            self._alerter.note_stored(unsent)

    async def _replace_status(self, obj: Object, status: Mapping[str, Any]) -> Object:
        async with self._effect():
            answer = await self._services.client.replace(CANARIES, {**obj, "status": status}, subresource="status")
        self._services.caches.of(CANARIES).remember(answer)
        return answer

    @asynccontextmanager
    async def _effect(self) -> AsyncIterator[None]:
        """Let through what changes the world, all of it: only a leader may, and tests kill around it.

        Raises:
            Deposed: this process does not lead.
        """
        if not self._services.is_leader(self._key.namespace):
            raise Deposed("this agent does not hold the Lease (any more): nothing is changed")
        async with self._services.faults.around():
            yield
        self.turn.note_progress()

    def _count(self, canary: Canary, before: State, after: State) -> None:
        services = self._services
        self._run_times.note(before, after)
        if has_detected(before, after):
            unmarked: DetectedBy = "resync" if self.is_resynced else "watch"
            by: DetectedBy = "admission" if after.revisions.change is not None else unmarked
            target = services.caches.target(canary)
            # One that waited for its turn was noticed before that.
            written_s = None if target is None or before.queue is not None else written_at_s(target)
            services.metrics.runs.count_detection(by, None if written_s is None else services.now_s() - written_s)
        has_ended = before.phase not in IDLE and after.phase in {Phase.SUCCEEDED, Phase.FAILED}
        if has_ended:
            services.metrics.canaries.count_end(canary, after)
