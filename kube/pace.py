"""How much is sent to an API server at once: as much as it answers as fast as it usually does.

A fixed number is too small for a large control plane, and too large for one that hundreds of users write to just now.
"""

from __future__ import annotations

import math
import time
from collections import deque
from statistics import median_low
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FIRST: Final = 8
_AT_LEAST: Final = 2
_AT_MOST: Final = 16

_ANSWERS: Final = 16
"""So many answers are looked at together."""

_GROWS_AGAIN_S: Final = 0.25
_SHRINKS_AGAIN_S: Final = 0.5
"""What was sent before it shrank says nothing of what came of that, and a slow moment is one moment."""

_FORGETS_SLOWNESS_S: Final = 5.0
"""Whoever rests has no answers to learn from: after this time it begins as one that is started does."""

_REFUSED_ONCE_S: Final = 1.0
"""Refusals of the same moment say the same."""

_SLOW_S: Final = 0.1
_SLOW_TIMES: Final = 4.0
"""So many times as long as usual is slow, from `_SLOW_S` on: below that nobody waits."""

_USUAL_FORGOTTEN_S: Final = 600.0

_HANGS_S: Final = 0.15
_HANGS_TIMES: Final = 8.0

_PATIENCE_S: Final = 1.0

_STORM_WRITES: Final = 10
"""So many writes of others within `_STORM_S` are a storm."""

_STORM_S: Final = 1.0
_PATIENCE_IN_STORM_S: Final = 3.0

LONGEST_ALONE_S: Final = 60.0
"""For so long a server is left alone at most: a proxy before it may ask for an hour."""


class Pace:
    """Learns from the answers of one API server. It is given more while they are fast, and less at once when not.

    Fast answers a quarter of a second after the last change add one, slow ones take away a quarter each half second,
    and a refusal for overload (429, 503, 504) half. What is slow is told by the namespaces' own medians, and of these
    again the median: an admission webhook of one namespace that takes its time slows down nobody but those who write
    there. Where this process itself is what is slow, with its own work or for want of a core, it is as at the start.

    While others write much, what can wait a little gives way: all that it does would compete with them.
    """

    def __init__(
        self,
        first: int = _FIRST,
        *,
        at_least: int = _AT_LEAST,
        at_most: int = _AT_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = self._at_once = first
        self._at_least = at_least
        self._at_most = at_most
        self._clock = clock
        self._answers: list[tuple[str, float, float]] = []
        self._typical_s = 0.0
        self._usual_s: float | None = None
        self._looked_at_s = self._changed_at_s = clock()
        self._shrank_at_s = self._slow_at_s = -math.inf
        self._refused_at_s: float | None = None
        self._alone_until_s = clock()
        self._others_at_s: deque[float] = deque(maxlen=_STORM_WRITES)

    @property
    def at_once(self) -> int:
        """Return how many requests may be under way at once; as few as can be while it is to be left alone."""
        return self._at_least if self.alone_s > 0 else self._learned()

    @property
    def alone_s(self) -> float:
        """Return for how many more seconds the server asked to be left alone."""
        return max(self._alone_until_s - self._clock(), 0.0)

    @property
    def gives_way_s(self) -> float:
        """Return for how many more seconds what can wait gives way to others, unless they write again meanwhile."""
        if len(self._others_at_s) < _STORM_WRITES:
            return 0.0
        return max(self._others_at_s[0] + _STORM_S - self._clock(), 0.0)

    @property
    def patience_s(self) -> float:
        """Return for how many seconds what can wait does, before it goes on beside what is more urgent."""
        return _PATIENCE_IN_STORM_S if self.gives_way_s > 0 else _PATIENCE_S

    @property
    def hangs_after_s(self) -> float:
        """Return after how many seconds without an answer a request hangs, as others get theirs much sooner."""
        return max(_HANGS_S, _HANGS_TIMES * self._typical_s)

    def note_answer(self, namespace: str, seconds: float, own_s: float = 0.0) -> None:
        """Note how long an answer took that was about a namespace, empty for none.

        `own_s` of that this process itself was at work, or waited for a core: the answer may have lain there.
        """
        own_s = min(max(own_s, 0.0), seconds)
        if self._is_slow(seconds - own_s):
            self._slow_at_s = self._clock()
        self._answers.append((namespace, seconds, own_s))
        if len(self._answers) >= _ANSWERS:
            self._look()

    def note_others_write(self) -> None:
        """Note that somebody else has written what this process is to follow."""
        self._others_at_s.append(self._clock())

    def note_refusal(self, retry_after_s: float) -> None:
        """Note that the server has too much to do, and for how long it asked to be left alone, 0 where it did not."""
        now_s = self._clock()
        self._alone_until_s = max(self._alone_until_s, now_s + min(retry_after_s, LONGEST_ALONE_S))
        if self._refused_at_s is None or now_s - self._refused_at_s >= _REFUSED_ONCE_S:
            self._refused_at_s = now_s
            self._shrank_at_s = -math.inf
            self._shrink_to(self._learned() // 2)

    def _look(self) -> None:
        now_s, answers = self._clock(), self._answers
        self._answers = []
        self._typical_s = _typical_s((namespace, seconds) for namespace, seconds, _ in answers)
        servers_s = _typical_s((namespace, seconds - own_s) for namespace, seconds, own_s in answers)
        own_s = _typical_s((namespace, own_s) for namespace, _, own_s in answers)
        if own_s < servers_s:
            # Else what is left of the answers says little of the server. What is usual is forgotten slowly: a server
            # that is slow for good has not much else to do.
            forgetting = 1.0 + (now_s - self._looked_at_s) / _USUAL_FORGOTTEN_S
            self._usual_s = servers_s if self._usual_s is None else min(servers_s, self._usual_s * forgetting)
            self._looked_at_s = now_s
        at_once = self._learned()
        if self._is_slow(servers_s):
            self._shrink_to(at_once * 3 // 4)
        elif own_s > _SLOW_S and at_once >= self._first:
            # These keep this process busy. More would wait in it, where none of them goes first.
            self._shrink_to(max(at_once * 3 // 4, self._first))
        elif now_s - self._changed_at_s >= _GROWS_AGAIN_S:
            self._change_to(at_once + 1)

    def _is_slow(self, servers_s: float) -> bool:
        return self._usual_s is not None and servers_s > max(_SLOW_S, _SLOW_TIMES * self._usual_s)

    def _learned(self) -> int:
        slow_at_s = max(self._shrank_at_s, self._slow_at_s, self._alone_until_s)
        is_long_ago = self._clock() - slow_at_s >= _FORGETS_SLOWNESS_S
        return max(self._at_once, self._first) if is_long_ago else self._at_once

    def _shrink_to(self, at_once: int) -> None:
        if self._clock() - self._shrank_at_s >= _SHRINKS_AGAIN_S:
            self._change_to(at_once)
            self._shrank_at_s = self._changed_at_s

    def _change_to(self, at_once: int) -> None:
        self._at_once = min(max(at_once, self._at_least), self._at_most)
        self._changed_at_s = self._clock()


def _typical_s(answers: Iterable[tuple[str, float]]) -> float:
    of: dict[str, list[float]] = {}
    for namespace, seconds in answers:
        of.setdefault(namespace, []).append(seconds)
    return median_low(median_low(seconds) for seconds in of.values())
