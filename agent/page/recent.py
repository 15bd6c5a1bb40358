"""What this agent saw of each canary lately: its weight over time, and its messages. Kept small, for it is always kept.

A replica that does not lead sees the same, for all of it comes from `.status`: no right to read Events is needed.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from agent.page.rows import MOST_TEXT_CHARS, number_of
from canary.api.parts import items_of, mapping_of, text_of
from canary.api.shown import shown
from canary.run.moments import read_known_time
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import Object
from kube.store import Change, Key

MOST_POINTS: Final = 200
"""Of a canary's weights: 5 bytes each, 1 MB for a thousand canaries. An analysis has some tens of steps."""

MOST_MESSAGES: Final = 20
"""Of a canary: some 2 KB, packed."""

# The oldest go together, for to drop one by one moves all others each time.
_DROPPED_AT_ONCE: Final = 50
_MOST_WEIGHT: Final = 255
_NONE: Final = b"[]"


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a transition; `at` is seconds since the epoch."""

    at: int
    warning: bool
    text: str


class _History:
    """Of one canary: when its weight changed to what, and what was said."""

    __slots__ = ("_messages", "sequence", "times", "weights")

    def __init__(self) -> None:
        self.times = array("I")
        self.weights = array("B")
        self.sequence = -1
        self._messages = _NONE

    @property
    def messages(self) -> list[tuple[int, bool, str]]:
        """Return (seconds since the epoch, whether it warns, text) of each, newest last."""
        found: list[tuple[int, bool, str]] = orjson.loads(self._messages)
        return found

    def add_messages(self, added: list[tuple[int, bool, str]]) -> None:
        if added:
            # Packed, they take a third of the memory. A copy, for what is written is kept in a buffer that is larger.
            self._messages = bytes(memoryview(orjson.dumps([*self.messages, *added][-MOST_MESSAGES:])))

    def add_weight(self, at_s: int, percent: int) -> None:
        if self.weights and self.weights[-1] == percent:
            return
        if len(self.weights) >= MOST_POINTS:
            del self.times[:_DROPPED_AT_ONCE], self.weights[:_DROPPED_AT_ONCE]
        self.times.append(at_s)
        self.weights.append(percent)


class Recent:
    """What was seen of all canaries since this agent began, fed by the watch."""

    def __init__(self) -> None:
        self._histories: dict[Key, _History] = {}

    def note(self, change: Change) -> None:
        """Take a change of a Canary. Total: a status that somebody wrote by hand adds nothing."""
        if change.new is None:
            self._histories.pop(change.key, None)
            return
        is_another = change.old is not None and _uid(change.old) != _uid(change.new)
        if is_another:
            self._histories.pop(change.key, None)
        status = mapping_of(change.new, "status")
        ours = mapping_of(status, SERIN_STATUS)
        at_s = _moment_s(text_of(ours, StatusKey.STORED_AT) or text_of(status, "lastTransitionTime"))
        if at_s is None:
            return
        history = self._histories.setdefault(change.key, _History())
        history.add_weight(at_s, min(max(number_of(status, "canaryWeight"), 0), _MOST_WEIGHT))
        sequence = number_of(ours, StatusKey.SEQUENCE)
        if sequence == history.sequence:
            return
        history.sequence = sequence
        history.add_messages(
            [
                (at_s, text_of(message, "type") == "Warning", shown(text_of(message, "text"), MOST_TEXT_CHARS))
                for message in items_of(ours, StatusKey.MESSAGES)[:MOST_MESSAGES]
            ]
        )

    def weights(self, key: Key) -> list[tuple[int, int]]:
        """Return (seconds since the epoch, percent) of each change of a canary's weight, oldest first."""
        history = self._histories.get(key)
        return [] if history is None else list(zip(history.times, history.weights, strict=True))

    def messages(self, key: Key) -> Iterator[Said]:
        """Yield a canary's messages, newest first."""
        history = self._histories.get(key)
        for at_s, is_warning, text in reversed(history.messages) if history else ():
            yield Said(at_s, is_warning, text)


def _uid(obj: Object) -> str:
    return text_of(obj["metadata"], "uid")


def _moment_s(text: str) -> int | None:
    moment_s = read_known_time(text)
    return int(moment_s) if moment_s is not None and moment_s < 2**32 else None
