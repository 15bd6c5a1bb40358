"""Cooldowns: actions that failed, and without which a run can go on, are tried again after a while."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.revision_templates import TemplateLost
from canary.run.action import (
    Action,
    ApplyObject,
    ClaimRequest,
    DropRequest,
    Promote,
    RepeatRoute,
    SetFinalizer,
    SetTraffic,
    describe,
)
from canary.run.managed import ManagedObject
from canary.run.traffic import Traffic
from kube.errors import AlreadyExists, KubeError, PermanentError

_REFUSED_AGAIN_S: Final = 30.0

# An object is set right so many times within a minute; then somebody else changes it in turns with us, and gets longer
# and longer to stop. A split of the traffic is never left wrong for long.
_TURNS: Final = 5
_TURNS_WITHIN_S: Final = 60.0
_TURNS_AGAIN_FIRST_S: Final = 1.0
_TURNS_AGAIN_MAX_S: Final = 60.0
_TRAFFIC_AGAIN_MAX_S: Final = 5.0
_PAUSE_MAX_S: Final = 1.0
"""Of a whole tick, for an action without which nothing can go on. Its checks come that much later at the most."""
_TURNS_FORGOTTEN_S: Final = 2 * _TURNS_AGAIN_MAX_S

# Checks go on meanwhile. A webhook in the way that is down, or a slow API server, is soon asked again.
_UNANSWERED_AGAIN_S: Final = 1.0


@dataclass
class _Turns:
    """When an action was carried out lately, and how often it was held back since somebody undid it last."""

    done_at_s: list[float] = field(default_factory=list)
    pauses: int = 0

    def note(self, now_s: float) -> float:
        """Note that it was carried out; return for how long it is to be held back, 0 for not at all."""
        if self.done_at_s and now_s - self.done_at_s[-1] > _TURNS_FORGOTTEN_S:
            self.done_at_s, self.pauses = [], 0
        self.done_at_s = [*self.done_at_s[1 - _TURNS :], now_s]
        is_fight = len(self.done_at_s) == _TURNS and now_s - self.done_at_s[0] <= _TURNS_WITHIN_S
        if not is_fight and not self.pauses:
            return 0.0
        self.pauses += 1
        return min(_TURNS_AGAIN_FIRST_S * 2.0 ** min(self.pauses - 1, 10), _TURNS_AGAIN_MAX_S)


@dataclass
class ActionCooldowns:
    """The actions of one canary that are not tried now. `clock` returns monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _objects_until_s: dict[ManagedObject, float] = field(default_factory=dict)
    _traffic: Traffic | None = None
    _traffic_until_s: float = 0.0
    _actions_until_s: dict[Action, float] = field(default_factory=dict)
    _turns: dict[Action, _Turns] = field(default_factory=dict)
    _errors: dict[str, tuple[str, float]] = field(default_factory=dict)
    _pause_s: float = 0.0

    def add(self, action: Action, error: KubeError | TemplateLost) -> bool:
        """Let an action cool down because of an error; return False where nothing can go on without it.

        What a canary's traffic needs most is that its checks go on, so a route that can't be written holds nothing up;
        other weights than the refused ones are tried at once.
        """
        # What is in the way is mostly on its way out: a primary that was deleted ends its pods first.
        is_refused = isinstance(error, PermanentError | TemplateLost) and not isinstance(error, AlreadyExists)
        wait_s = _REFUSED_AGAIN_S if is_refused else _UNANSWERED_AGAIN_S
        is_held_back = self._hold_back(action, wait_s, is_refused=is_refused)
        if is_held_back:
            self._note_error(action, str(error), wait_s)
        return is_held_back

    def note_done(self, action: Action) -> bool:
        """Note that an action was carried out; return False where it was so again and again, and cools down for that.

        Whoever changes an object in turns with us is not raced: neither of the two would ever win.
        """
        now_s = self.clock()
        self._turns = {
            one: turns for one, turns in self._turns.items() if now_s - turns.done_at_s[-1] <= _TURNS_FORGOTTEN_S
        }
        wait_s = self._turns.setdefault(action, _Turns()).note(now_s)
        if isinstance(action, SetTraffic):
            wait_s = min(wait_s, _TRAFFIC_AGAIN_MAX_S)
        if not wait_s:
            return True
        if not self._hold_back(action, wait_s, is_refused=True):
            self._pause_s = min(wait_s, _PAUSE_MAX_S)
        self._note_error(action, f"{describe(action)} is changed back by somebody else each time", wait_s)
        return False

    def take_pause_s(self) -> float:
        """Return for how long to do nothing at all, once: what was undone can't be held back by itself."""
        pause_s, self._pause_s = self._pause_s, 0.0
        return pause_s

    def _note_error(self, action: Action, text: str, wait_s: float) -> None:
        now_s = self.clock()
        waiting = {about: noted for about, noted in self._errors.items() if now_s < noted[1]}
        self._errors = waiting | {describe(action): (text, now_s + wait_s)}

    @property
    def errors(self) -> tuple[str, ...]:
        """Return why what is not tried now failed."""
        return tuple(text for text, until_s in self._errors.values() if self.clock() < until_s)

    def _hold_back(self, action: Action, wait_s: float, *, is_refused: bool) -> bool:
        again_s = self.clock() + wait_s
        match action:
            case ApplyObject(managed) if is_refused:
                self._objects_until_s[managed] = again_s
                return True
            case SetTraffic(traffic):
                self._traffic = traffic
                self._traffic_until_s = again_s
                return True
            case Promote() | RepeatRoute() | ClaimRequest() | DropRequest() | SetFinalizer():
                self._actions_until_s = dict(self._waiting()) | {action: again_s}
                return True
            case _:
                return False

    @property
    def objects(self) -> frozenset[ManagedObject]:
        """Return the managed objects that are not tried now."""
        return frozenset(managed for managed, until_s in self._objects_until_s.items() if self.clock() < until_s)

    @property
    def traffic(self) -> Traffic | None:
        """Return the split that is not tried now."""
        return self._traffic if self.clock() < self._traffic_until_s else None

    @property
    def actions(self) -> frozenset[Action]:
        """Return those of the other actions that are not tried now."""
        return frozenset(action for action, _ in self._waiting())

    def _waiting(self) -> Iterator[tuple[Action, float]]:
        return ((action, until_s) for action, until_s in self._actions_until_s.items() if self.clock() < until_s)

    def waits_s(self) -> Iterator[float]:
        """Return the seconds until something is tried again, for each thing that cools down."""
        for until_s in (*self._objects_until_s.values(), *self._actions_until_s.values(), self._traffic_until_s):
            if self.clock() < until_s:
                yield until_s - self.clock()
