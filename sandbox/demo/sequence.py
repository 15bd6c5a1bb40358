"""Holding a sequence of texts to an expected one, in which some may be left out or come again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Times(Enum):
    """How often a line is expected where it stands."""

    ONCE = "once"
    MAYBE = "at most once"
    ANY = "any number of times"


@dataclass(frozen=True)
class Line:
    """An expected text, in which `…` stands for anything; `guide` has the guide's own lines for it."""

    text: str
    guide: tuple[str, ...] = ()
    times: Times = Times.ONCE

    def fits(self, seen: str) -> bool:
        """Is `seen` such a text?"""
        pattern = ".+".join(re.escape(part) for part in self.text.split("…"))
        return re.fullmatch(pattern, seen, re.DOTALL) is not None

    def __str__(self) -> str:
        return self.text if self.times is Times.ONCE else f"{self.text} ({self.times.value})"


def first_difference(expected: Sequence[Line], seen: Sequence[str]) -> str | None:
    """The first place where `seen` leaves the expected sequence, as a sentence; None when it follows to the end."""
    positions = _skip_optional(expected, {0})
    for number, text in enumerate(seen, start=1):
        after = _after(expected, positions, text)
        if not after:
            return f"line {number} is {text!r}; expected there: {_allowed(expected, positions)}"
        positions = after
    if len(expected) in positions:
        return None
    return f"the lines end after {len(seen)}; expected next: {_allowed(expected, positions)}"


def _after(expected: Sequence[Line], positions: set[int], text: str) -> set[int]:
    """The positions in `expected` that may come next once `text` was seen at one of `positions`."""
    fitting = {at for at in positions if at < len(expected) and expected[at].fits(text)}
    return _skip_optional(expected, {at + (expected[at].times is not Times.ANY) for at in fitting})


def _skip_optional(expected: Sequence[Line], positions: set[int]) -> set[int]:
    reached = set(positions)
    for at, line in enumerate(expected):
        if at in reached and line.times is not Times.ONCE:
            reached.add(at + 1)
    return reached


def _allowed(expected: Sequence[Line], positions: set[int]) -> str:
    words = [repr(expected[at].text) if at < len(expected) else "nothing more" for at in sorted(positions)]
    return " or ".join(words)
