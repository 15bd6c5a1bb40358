"""Who may write: the loops of the time in which this process leads, and none that are left over from before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Deposed(Exception):  # noqa: N818  reads as what happened
    """This process may not write: it does not hold the Lease, whoever does."""


class Fence:
    """Stands before every write. It is open while its block lasts and leadership goes on, closed otherwise.

    Whoever leads again opens it again, when the loops of the time before have ended.
    """

    def __init__(self) -> None:
        self._is_leading: Callable[[], bool] = lambda: False

    def is_open(self) -> bool:
        """Return whether this process may write now."""
        return self._is_leading()

    def check(self) -> None:
        """Let a write pass.

        Raises:
            Deposed: the fence is closed.
        """
        if not self.is_open():
            raise Deposed("this agent does not hold the Lease (any more): nothing is written")

    @contextmanager
    def opened(self, is_leading: Callable[[], bool]) -> Iterator[None]:
        """Open it for as long as the block lasts and `is_leading` says so."""
        self._is_leading = is_leading
        try:
            yield
        finally:
            self._is_leading = lambda: False
