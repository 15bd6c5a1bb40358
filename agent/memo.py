"""What was made of objects, kept while they are the same: a tick looks at everything, and most has not changed."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """The last result of each of one canary's computations.

    A computation must depend on its inputs alone. Of these, objects and models count by identity, for they are replaced
    and never changed: what is in a cache, and what was read of it; numbers and texts count by value.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def of(self, what: Hashable, inputs: tuple[object, ...], compute: Callable[[], T]) -> T:
        """Return what `compute` returned of the same inputs the last time, or does now. What it raises is not kept."""
        known = self._known.get(what)
        if known is not None and len(known[0]) == len(inputs) and all(map(_is_same, known[0], inputs)):
            found: T = known[1]
            return found
        made = compute()
        self._known[what] = (inputs, made)
        return made


def _is_same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, str | int | float) and one == other)
