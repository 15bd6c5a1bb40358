"""Alerting: each move's alerts go out once, whatever happens to the agents around it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from canary.model.canary import Canary
from canary.news import Alert
from canary.state import State
from kube.resource import Object

Store = Callable[[State], Awaitable[Object]]
"""Writes a state and gives the object as stored; a KubeError when that is not sure."""


class Outbox(Protocol):
    """Where alerts go: an `AlertDispatcher`, or what stands for it in a test."""

    def send(self, obj: Object, canary: Canary, alerts: Sequence[Alert]) -> None:
        """Queue alerts of a canary."""


class Alerter:
    """Sends the alerts of one canary, after its process has its name on them in the status.

    `process` names this process and no other, a restarted one of the same pod neither. The name is what makes a write
    whose answer was lost harmless: the next look at the status tells whose the alerts are.
    """

    def __init__(self, outbox: Outbox, process: str) -> None:
        self._outbox = outbox
        self._process = process
        self._sent_sequence: int | None = None

    async def alert_move(self, obj: Object, canary: Canary, state: State, store: Store) -> Object:
        """Send the alerts of the stored intent if that is up to this process; gives the object as it is stored then.

        Raises:
            kube.errors.KubeError: they could not be taken on; another tick will try.
        """
        if not state.alerts or self._sent_sequence == state.sequence:
            return obj
        if not state.alerted_by:
            obj = await store(replace(state, alerted_by=self._process))
        elif state.alerted_by != self._process:
            return obj
        self._sent_sequence = state.sequence
        self._outbox.send(obj, canary, state.alerts)
        return obj
