"""Cooldowns: actions that failed, and without which a run can go on, are tried again after a while."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.revision_templates import TemplateLost
from canary.run.action import Action, ApplyObject, ClaimRequest, DropRequest, Promote, SetFinalizer, SetTraffic
from canary.run.managed import ManagedObject
from canary.run.traffic import Traffic
from kube.errors import KubeError, PermanentError

_REFUSED_AGAIN_S: Final = 30.0

# Checks go on meanwhile. A webhook in the way that is down, or a slow API server, is soon asked again.
_UNANSWERED_AGAIN_S: Final = 1.0


@dataclass
class ActionCooldowns:
    """The actions of one canary that are not tried now. `clock` returns monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _objects_until_s: dict[ManagedObject, float] = field(default_factory=dict)
    _traffic: Traffic | None = None
    _traffic_until_s: float = 0.0
    _actions_until_s: dict[Action, float] = field(default_factory=dict)

    def add(self, action: Action, error: KubeError | TemplateLost) -> bool:
        """Let an action cool down because of an error; return False where nothing can go on without it.

        What a canary's traffic needs most is that its checks go on, so a route that can't be written holds nothing up;
        other weights than the refused ones are tried at once.
        """
        is_refused = isinstance(error, PermanentError | TemplateLost)
        again_s = self.clock() + (_REFUSED_AGAIN_S if is_refused else _UNANSWERED_AGAIN_S)
        match action:
            case ApplyObject(managed) if is_refused:
                self._objects_until_s[managed] = again_s
                return True
            case SetTraffic(traffic):
                self._traffic = traffic
                self._traffic_until_s = again_s
                return True
            case Promote() | ClaimRequest() | DropRequest() | SetFinalizer():
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
