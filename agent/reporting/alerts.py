"""Alerting: a transition's alerts, and its messages for event hooks, are sent once, whichever agents die meanwhile.

What is to be sent stands in the status, for each chat that is to get it, until it is known what became of it. Before
anything is posted it is written who posts it. So what a process had not begun is sent by the next one, and what it had
begun is not: nobody can ask a chat whether a message arrived. Then an event says so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from agent.leadership import Deposed
from agent.providers.alerts.destinations import Recipient
from agent.providers.alerts.dispatcher import Parcel
from canary.api.canary import Canary
from canary.run.messages import Alert, Message
from canary.run.state import State
from canary.run.unsent import MOST_UNSENT, Unsent
from kube.errors import Conflict, KubeError
from kube.resource import Object

_log = logging.getLogger(__name__)

Store = Callable[[State], Awaitable[Object]]
"""Writes a state and returns the object as stored; raises KubeError when that is not sure."""

MOST_LATE_S: Final = 3600.0
"""An alert that is later than that is of no use to anybody: it is given up, and an event says so."""

_TRIED_AGAIN_S: Final = 60.0

# Somebody else's write is to be seen first.
_WRITE_ATTEMPTS: Final = 5
_WRITE_PAUSE_S: Final = 0.2

# So long a stop waits for the answers to what is being posted: the next agent waits meanwhile.
_ENDED_WITHIN_S: Final = 1.5


class Outbox(Protocol):
    """Where alerts go: an `AlertDispatcher`, or what stands for it in a test."""

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        """Return who is to get a canary's alert of a severity."""

    def send(self, obj: Object, canary: Canary, alert: Alert, recipient: Recipient, parcel: Parcel) -> bool:
        """Queue an alert; return False where too many others wait."""

    def report_unsent(self, obj: Object, alert: Alert, recipient: Recipient | None, why: str) -> None:
        """Report an alert that is not sent any more."""


class Events(Protocol):
    """Where messages for event hooks go: `EventHooks`, or what stands for it in a test."""

    def has_hooks(self, canary: Canary) -> bool:
        """Return whether anybody is sent this canary's events."""

    def send(self, obj: Object, canary: Canary, messages: Sequence[Message]) -> None:
        """Queue an event for each message."""


class Alerter:
    """Sends what a canary's transitions have for chats and event hooks, once its process is named in the status.

    `process` names this process and no other, a restarted one of the same pod neither. The name is what makes a write
    whose answer was lost harmless: the next look at the status shows whose the alerts are. `write` stores what is
    unsent, and nothing else, and `wake` asks for a tick.
    """

    def __init__(
        self,
        outbox: Outbox,
        events: Events,
        process: str,
        *,
        write: Callable[[], Awaitable[None]],
        wake: Callable[[], None],
        now_s: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._events = events
        self._write = write
        self.process = process
        self.wake = wake
        self.now_s = now_s
        self._done_sequence: int | None = None
        self._entries: list[_Entry] | None = None
        self._is_changed = False
        self._is_gone = False

    @property
    def unsent(self) -> tuple[Unsent, ...]:
        """Return what is to be stored of the alerts: nobody else writes that."""
        return tuple(entry.unsent for entry in self._entries or ())

    def with_unsent(self, state: State) -> State:
        """Return a state that is about to be stored with what is known of its alerts."""
        return state if self._entries is None else replace(state, unsent=self.unsent)

    def note_stored(self, unsent: tuple[Unsent, ...]) -> None:
        """Note what is stored of the alerts."""
        self._is_changed = self._entries is not None and self.unsent != unsent

    async def alert_transition(self, obj: Object, canary: Canary, state: State, store: Store) -> Object:
        """Send the alerts of the stored intent, and what is left of those before; return the object as it is then.

        Raises:
            kube.errors.KubeError: they could not be taken on; another tick will try.
        """
        entries = self._load(obj, canary, state)
        has_events, is_new = self._take_on(obj, canary, state, entries)
        if is_new or self._is_changed:
            alerted_by = self.process if is_new else state.transition.alerted_by
            obj = await store(replace(state, transition=replace(state.transition, alerted_by=alerted_by)))
        self._done_sequence = state.transition.sequence
        if has_events:
            self._events.send(obj, canary, state.transition.messages)
        self._queue(obj, canary, entries)
        return obj

    def _load(self, obj: Object, canary: Canary, state: State) -> "list[_Entry]":
        """Return what is unsent; the first time from the status: what another process had begun is let go."""
        if self._entries is None:
            self._entries = [_Entry(self, unsent) for unsent in state.unsent]
            for entry in [entry for entry in self._entries if entry.unsent.begun_by]:
                why = "the agent that sent it ended before it knew whether it arrived, so it is not sent again"
                self._let_go(obj, canary, entry, why)
        return self._entries

    def _take_on(self, obj: Object, canary: Canary, state: State, entries: "list[_Entry]") -> tuple[bool, bool]:
        """Take on what the transition has, if that is up to this process.

        Return whether events are to be sent, and whether it is to be written that this process does.
        """
        sequence, alerted_by = state.transition.sequence, state.transition.alerted_by
        if self._done_sequence == sequence or alerted_by not in {"", self.process}:
            return False, False
        has_events = bool(state.transition.messages) and self._events.has_hooks(canary)
        found = [
            Unsent(alert, _name_of(recipient))
            for alert in state.alerts
            for recipient in self._outbox.recipients(canary, alert.severity)
        ]
        if alerted_by or not (found or has_events):
            # One write of the status less where nobody is told. Who is added later is not sent what happened before.
            return has_events, False
        known = {_id_of(unsent) for unsent in self.unsent}
        entries += [_Entry(self, unsent) for unsent in found if _id_of(unsent) not in known]
        self._make_room(obj, canary, entries, {unsent.alert.id for unsent in found})
        return has_events, True

    def _make_room(self, obj: Object, canary: Canary, entries: "list[_Entry]", new: set[str]) -> None:
        """Let the oldest alerts go where there are too many: none of the new ones, and none that is being posted."""
        waiting = dict.fromkeys(entry.unsent.alert.id for entry in entries)
        excess = max(len(waiting) - MOST_UNSENT, 0)
        oldest = set([id_ for id_ in waiting if id_ not in new][:excess])
        for entry in [entry for entry in entries if entry.unsent.alert.id in oldest and not entry.is_posting]:
            self._let_go(obj, canary, entry, entry.why or "too many others of this canary wait")

    def _queue(self, obj: Object, canary: Canary, entries: "list[_Entry]") -> None:
        for entry in [entry for entry in entries if not entry.is_queued]:
            alert, recipient = entry.unsent.alert, self._recipient_of(canary, entry.unsent)
            if recipient is None:
                self._let_go(obj, canary, entry, "the canary does not name its chat any more")
            elif self.now_s() - alert.at_s > MOST_LATE_S:
                self._let_go(obj, canary, entry, entry.why or "it could not be sent for an hour")
            elif entry.is_due:
                entry.is_queued = self._outbox.send(obj, canary, alert, recipient, entry)
                if not entry.is_queued:
                    entry.delay("too many others wait")

    def _recipient_of(self, canary: Canary, unsent: Unsent) -> Recipient | None:
        found = self._outbox.recipients(canary, unsent.alert.severity)
        return next((recipient for recipient in found if _name_of(recipient) == unsent.to), None)

    def _let_go(self, obj: Object, canary: Canary, entry: "_Entry", why: str) -> None:
        recipient = self._recipient_of(canary, entry.unsent)
        entry.refuse()
        self.forget(entry)
        self._outbox.report_unsent(obj, entry.unsent.alert, recipient, why)

    def forget(self, entry: "_Entry") -> None:
        """Forget an alert that nobody has to do anything for; what is written next has it no more."""
        if self._entries is not None and entry in self._entries:
            self._entries.remove(entry)
            self._is_changed = True

    async def write(self) -> bool:
        """Write what is unsent where there still is a Canary; return whether it is done. If not, the next tick does."""
        if self._is_gone:
            return True
        self._is_changed = True
        for _ in range(_WRITE_ATTEMPTS):
            try:
                await self._write()
            except Conflict:
                await asyncio.sleep(_WRITE_PAUSE_S)
            except (KubeError, Deposed) as error:
                _log.info("unsent alerts: not written: %s", error)
                break
            else:
                return True
        self.wake()
        return False

    async def close(self, *, is_gone: bool) -> None:
        """End: what is being posted is waited for, for a while, and what became of it is written.

        `is_gone`: there is no Canary any more. No other process will ever see its alerts: they go out as they are.
        """
        entries = list(self._entries or ())
        self._is_gone = is_gone
        if is_gone:
            return
        for entry in entries:
            entry.refuse()
        posting = [asyncio.create_task(entry.ended.wait()) for entry in entries if entry.is_posting]
        if posting:
            _, late = await asyncio.wait(posting, timeout=_ENDED_WITHIN_S)
            for task in late:
                task.cancel()
        if self._is_changed:
            await self.write()


class _Entry:
    """One alert to one chat. Implements `Parcel`."""

    def __init__(self, alerter: Alerter, unsent: Unsent) -> None:
        self._alerter = alerter
        self.unsent = unsent
        self.is_queued = False
        self.is_posting = False
        self.ended = asyncio.Event()
        self.why = ""
        self._due_at_s = 0.0
        self._is_refused = False

    @property
    def is_due(self) -> bool:
        return self._alerter.now_s() >= self._due_at_s

    async def begin(self) -> bool:
        """See `Ticket`."""
        if self._is_refused:
            return False
        self.is_posting = True
        self.ended.clear()
        self.unsent = replace(self.unsent, begun_by=self._alerter.process)
        if await self._alerter.write():
            return True
        self._take_back()
        return False

    async def put_back(self) -> None:
        """See `Ticket`."""
        self._take_back()
        await self._alerter.write()

    def _take_back(self) -> None:
        self.unsent = replace(self.unsent, begun_by="")
        self.is_posting = False
        self.ended.set()

    def refuse(self) -> None:
        """Let nobody begin any more: another process is to, or nobody is."""
        self._is_refused = True

    async def settle(self) -> None:
        """See `Parcel`."""
        self._alerter.forget(self)
        self.is_posting = False
        self.ended.set()
        await self._alerter.write()

    async def keep(self, why: str) -> bool:
        """See `Parcel`."""
        if self._alerter.now_s() + _TRIED_AGAIN_S - self.unsent.alert.at_s > MOST_LATE_S:
            await self.settle()
            return False
        self.is_queued = False
        self.delay(why)
        return True

    def put_off(self, why: str) -> None:
        """See `Parcel`."""
        self.is_queued = False
        self.delay(why)

    def drop(self) -> None:
        """See `Parcel`."""
        self.is_queued = False

    def delay(self, why: str) -> None:
        """Note why it was not posted, and ask for another try in a minute."""
        self.why, self._due_at_s = why, self._alerter.now_s() + _TRIED_AGAIN_S
        asyncio.get_running_loop().call_later(_TRIED_AGAIN_S, self._alerter.wake)


def _id_of(unsent: Unsent) -> tuple[str, str]:
    return unsent.alert.id, unsent.to


def _name_of(recipient: Recipient) -> str:
    return "" if recipient.provider is None else "/".join(recipient.provider)
