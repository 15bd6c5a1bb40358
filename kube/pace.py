"""How much is sent to an API server at once: as much as it answers as fast as it usually does.

A fixed number is too small for a large control plane, and too large for one that hundreds of users write to just now.
"""

from __future__ import annotations

import time
from statistics import median_low
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST: Final = 8
_AT_LEAST: Final = 2
_AT_MOST: Final = 16

_ANSWERS: Final = 16
"""So many answers are looked at together."""

_GROWS_AGAIN_S: Final = 0.5
_REFUSED_ONCE_S: Final = 1.0
"""Refusals of the same moment say the same."""

_SLOW_S: Final = 0.1
_SLOW_TIMES: Final = 4.0
"""So many times as long as usual is slow, from `_SLOW_S` on: below that nobody waits."""

_USUAL_FORGOTTEN_S: Final = 600.0

_HANGS_S: Final = 0.15
_HANGS_TIMES: Final = 8.0

LONGEST_ALONE_S: Final = 60.0
"""For so long a server is left alone at most: a proxy before it may ask for an hour."""


class Pace:
    """Learns from the answers of one API server. It is given more while they are fast, and less at once when not.

    One answer more than half a second after the last change adds one, slow answers take away a quarter, and a refusal
    for overload (429, 503, 504) half. What is slow is told by the namespaces' own medians, and of these again the
    median: an admission webhook of one namespace that takes its time slows down nobody but those who write there.
    """

    def __init__(
        self,
        first: int = _FIRST,
        *,
        at_least: int = _AT_LEAST,
        at_most: int = _AT_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once = first
        self._at_least = at_least
        self._at_most = at_most
        self._clock = clock
        self._answers: list[tuple[str, float]] = []
        self._typical_s = 0.0
        self._usual_s: float | None = None
        self._looked_at_s = self._changed_at_s = clock()
        self._refused_at_s: float | None = None
        self._alone_until_s = clock()

    @property
    def at_once(self) -> int:
        """Return how many requests may be under way at once; as few as can be while it is to be left alone."""
        return self._at_least if self.alone_s > 0 else self._at_once

    @property
    def alone_s(self) -> float:
        """Return for how many more seconds the server asked to be left alone."""
        return max(self._alone_until_s - self._clock(), 0.0)

    @property
    def hangs_after_s(self) -> float:
        """Return after how many seconds without an answer a request hangs, as others get theirs much sooner."""
        return max(_HANGS_S, _HANGS_TIMES * self._typical_s)

    def note_answer(self, namespace: str, seconds: float) -> None:
        """Note how long an answer took that was about a namespace, empty for none."""
        self._answers.append((namespace, seconds))
        if len(self._answers) >= _ANSWERS:
            self._look()

    def note_refusal(self, retry_after_s: float) -> None:
        """Note that the server has too much to do, and for how long it asked to be left alone, 0 where it did not."""
        now_s = self._clock()
        self._alone_until_s = max(self._alone_until_s, now_s + min(retry_after_s, LONGEST_ALONE_S))
        if self._refused_at_s is None or now_s - self._refused_at_s >= _REFUSED_ONCE_S:
            self._refused_at_s = now_s
            self._change_to(self._at_once // 2)

    def _look(self) -> None:
        now_s, of = self._clock(), dict[str, list[float]]()
        for namespace, seconds in self._answers:
            of.setdefault(namespace, []).append(seconds)
        self._answers.clear()
        self._typical_s = typical_s = median_low(median_low(seconds) for seconds in of.values())
        # What is usual is forgotten slowly: a server that is slow for good has not much else to do.
        forgetting = 1.0 + (now_s - self._looked_at_s) / _USUAL_FORGOTTEN_S
        self._usual_s = typical_s if self._usual_s is None else min(typical_s, self._usual_s * forgetting)
        self._looked_at_s = now_s
        if typical_s > max(_SLOW_S, _SLOW_TIMES * self._usual_s):
            self._change_to(self._at_once * 3 // 4)
        elif now_s - self._changed_at_s >= _GROWS_AGAIN_S:
            self._change_to(self._at_once + 1)

    def _change_to(self, at_once: int) -> None:
        self._at_once = min(max(at_once, self._at_least), self._at_most)
        self._changed_at_s = self._clock()
