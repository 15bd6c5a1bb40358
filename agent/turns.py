"""Turns: so many canaries are ticked at once, and whose traffic is at stake comes first.

Hundreds of changes at once would otherwise be hundreds of requests at once. The API server, the users' own requests and
this agent's Lease would all wait for them, and decisions would be old when they are written. How many are let in at
once follows from how fast the API server answers.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

from canary.api.parts import text_of
from canary.run.action import SetTraffic
from canary.run.decision import Decision
from canary.run.observation import Observation
from canary.run.phase import IDLE, Phase
from canary.run.state import State
from kube.pace import Pace
from kube.slots import Slot, Slots
from kube.store import Key

# Each has one request under way, and there are connections for so many beside the watches.
_AT_MOST: Final = 64


# A storm changes many targets once; who changes the same ones again and again is none.
_EDIT_COUNTS_EACH_S: Final = 60.0


class Urgency(IntEnum):
    """Who goes first. Of two that are equal, who is of the namespace that had fewer turns, then who waited longer."""

    PULL = 0
    """Its traffic is to be pulled off the canary side."""
    EXPOSED = 1
    """Its canary side has traffic; or its target was edited: one write says so, and the rest of its run comes after.

    It goes on while the API server asks to be left alone, or a bad revision would be served for as long: its checks ask
    others, and only they tell that its traffic is to be pulled.
    """
    RUNNING = 2
    RESTING = 3
    """No run is on, or its objects are made for the first time."""


# The phases in which an agent may have died between the intent that pulls the traffic and the route.
_PULLING: Final = frozenset({Phase.FAILED, Phase.TERMINATING})


def urgency_of(
    status: Mapping[str, Any], *, is_pulling: bool | None, is_target_edited: bool, is_exposed: Callable[[], bool]
) -> Urgency:
    """Return how urgent the next tick is, by the Canary's stored status.

    `is_pulling`: whether the last decision was to take traffic off the canary side; None where none was made yet.
    `is_exposed` looks whether the route leads any there. It is called only where that decides: a fleet has hundreds
    that failed long ago, and the ticks of all of them are not to go before those of the others at an agent's start.
    """
    phase = text_of(status, "phase")
    if is_pulling or (is_pulling is None and phase in _PULLING and is_exposed()):
        return Urgency.PULL
    if status.get("canaryWeight"):
        return Urgency.EXPOSED
    if phase in IDLE:
        return Urgency.EXPOSED if is_target_edited else Urgency.RESTING
    return Urgency.RESTING if phase in {"", Phase.INITIALIZING} else Urgency.RUNNING


def is_pull(state: State, decision: Decision, observation: Observation) -> bool:
    """Return whether traffic is to be taken off the canary side: now, or as stored, or as is to be stored first."""
    exposed_percent = 0 if observation.route is None else observation.route.traffic.canary_percent
    wanted = [action.traffic for action in decision.actions if isinstance(action, SetTraffic)]
    # What is stored stays to be done where its write failed, and is not tried again at once.
    wanted.append((decision.intent or state).traffic)
    return any(traffic.canary_percent < exposed_percent for traffic in wanted)


class Turns:
    """The turns of one agent, by the pace of its API server; see `kube.slots` for who is next and for who hangs."""

    def __init__(
        self,
        pace: Pace | None = None,
        own_s: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pace = pace or Pace()
        self._clock = clock
        self._edits: OrderedDict[Key, float] = OrderedDict()
        self.slots = Slots(self._pace, at_most=_AT_MOST, goes_on=Urgency.EXPOSED, own_s=own_s)

    @property
    def waiting(self) -> int:
        """Return how many wait for a turn."""
        return self.slots.waiting

    def note_users_edit(self, target: Key) -> None:
        """Note that users changed a target: while many do, no more is done for each than to tell that it is known.

        Each target counts once a minute. Else two controllers that undo each other's template for ever, or a tenant
        with ten canaries, would make everybody's runs wait.
        """
        now_s = self._clock()
        while self._edits and now_s - next(iter(self._edits.values())) >= _EDIT_COUNTS_EACH_S:
            self._edits.popitem(last=False)
        if target not in self._edits:
            self._edits[target] = now_s
            self._pace.note_others_write()


class Turn:
    """The turn of one canary: what takes as long as others take to answer is waited for without it."""

    def __init__(self, turns: Turns, namespace: str = "") -> None:
        self._slots = turns.slots
        self._namespace = namespace
        self._slot: Slot | None = None
        self._has_hung = False

    async def take(self, urgency: Urgency) -> None:
        """Wait for it, unless it is on."""
        if self._slot is None:
            self._slot = await self._slots.take(self._namespace, urgency, is_suspect=self._has_hung)

    def give_back(self) -> None:
        """Let others in, if it is on."""
        if self._slot is not None:
            self._has_hung = self._slot.has_hung
            self._slots.give_back(self._slot)
            self._slot = None

    def note_progress(self) -> None:
        """Note that a request was answered: the turn does not hang."""
        if self._slot is not None:
            self._slots.note_progress(self._slot)

    async def make_way(self, urgency: Urgency) -> None:
        """Let those go first that are more urgent, if any waits, and users who write much; then go on.

        One that was late goes on at once, unless traffic is to be pulled: it has waited for them before.
        """
        if self._slot is not None and self._slot.is_late:
            urgency = min(urgency, Urgency.EXPOSED)
        most_urgent = self._slots.most_urgent
        if self._slots.gives_way(urgency) or (most_urgent is not None and most_urgent < urgency):
            self.give_back()
            await self.take(urgency)
