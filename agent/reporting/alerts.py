"""Alerting: a transition's alerts, and its messages for event hooks, are sent once, whichever agents die meanwhile."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from canary.api.canary import Canary
from canary.run.messages import Alert, Message
from canary.run.state import State
from kube.resource import Object

Store = Callable[[State], Awaitable[Object]]
"""Writes a state and returns the object as stored; raises KubeError when that is not sure."""


class Outbox(Protocol):
    """Where alerts go: an `AlertDispatcher`, or what stands for it in a test."""

    def has_recipients(self, canary: Canary, alerts: Sequence[Alert]) -> bool:
        """Return whether anybody is to get one of these alerts."""

    def send(self, obj: Object, canary: Canary, alerts: Sequence[Alert]) -> None:
        """Queue alerts of a canary."""


class Events(Protocol):
    """Where messages for event hooks go: `EventHooks`, or what stands for it in a test."""

    def has_hooks(self, canary: Canary) -> bool:
        """Return whether anybody is sent this canary's events."""

    def send(self, obj: Object, canary: Canary, messages: Sequence[Message]) -> None:
        """Queue an event for each message."""


class Alerter:
    """Sends what a canary's transitions have for chats and event hooks, once its process is named in the status.

    `process` names this process and no other, a restarted one of the same pod neither. The name is what makes a write
    whose answer was lost harmless: the next look at the status shows whose the alerts are.
    """

    def __init__(self, outbox: Outbox, events: Events, process: str) -> None:
        self._outbox = outbox
        self._events = events
        self._process = process
        self._done_sequence: int | None = None

    async def alert_transition(self, obj: Object, canary: Canary, state: State, store: Store) -> Object:
        """Send the alerts of the stored intent if that is up to this process; return the object as it is stored then.

        Raises:
            kube.errors.KubeError: they could not be taken on; another tick will try.
        """
        if self._done_sequence == state.transition.sequence:
            return obj
        has_events = bool(state.transition.messages) and self._events.has_hooks(canary)
        if not self._outbox.has_recipients(canary, state.alerts) and not has_events:
            # One write of the status less. Who is added later is not sent what happened before.
            self._done_sequence = state.transition.sequence
            return obj
        if not state.transition.alerted_by:
            obj = await store(replace(state, transition=replace(state.transition, alerted_by=self._process)))
        elif state.transition.alerted_by != self._process:
            return obj
        self._done_sequence = state.transition.sequence
        self._outbox.send(obj, canary, state.alerts)
        if has_events:
            self._events.send(obj, canary, state.transition.messages)
        return obj
