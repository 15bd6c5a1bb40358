"""For how long has a canary been in trouble? Known to this process: another one begins to count anew."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from canary.run.state import Blocker
from canary.run.trouble import Trouble


@dataclass
class TroubleWatch:
    """What is wrong with one canary, and since when. `clock` returns monotonic seconds.

    A trouble is the same for as long as its reason is, whatever its sentence says.
    """

    clock: Callable[[], float] = time.monotonic
    _is_noted: bool = False
    _troubles: tuple[Trouble, ...] = ()
    _since_s: dict[str, float] = field(default_factory=dict)

    def note(self, troubles: tuple[Trouble, ...]) -> None:
        """Note what is wrong now, the gravest first."""
        now_s = self.clock()
        self._since_s = {one.why.reason: self._since_s.get(one.why.reason, now_s) for one in troubles}
        self._is_noted, self._troubles = True, troubles

    def lasting(self, stored: Blocker | None) -> Blocker | None:
        """Return the gravest of what has been wrong for longer than it may be.

        What is `stored` as such stays so until nothing at all is wrong any more, or something else for too long.
        """
        if not self._is_noted:
            return stored
        found = next((trouble.why for trouble in self._troubles if self._left_s(trouble) <= 0), None)
        return found or (stored if self._troubles else None)

    def waits_s(self) -> Iterator[float]:
        """Return the seconds until something has been wrong for too long, for each that is not yet."""
        return (left_s for trouble in self._troubles if (left_s := self._left_s(trouble)) > 0)

    def _left_s(self, trouble: Trouble) -> float:
        return self._since_s[trouble.why.reason] + trouble.tolerated_s - self.clock()
