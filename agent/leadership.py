"""Who may write: the loops of the time in which this process leads, and none that are left over from before."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agent.shards.assignment import shard_of


class Deposed(Exception):  # noqa: N818  reads as what happened
    """This process may not write: it does not hold the Lease, whoever does."""


class Fence:
    """Stands before every write. It is open for a shard while its block lasts and leadership goes on, else closed.

    Whoever leads again opens it again, when the loops of the time before have ended. `leading` is of the shards for
    which it is open from the beginning.
    """

    def __init__(self, shards: int = 1, leading: Mapping[int, Callable[[], bool]] | None = None) -> None:
        self.shards = shards
        self._leading = dict(leading or {})

    def is_open(self, namespace: str = "") -> bool:
        """Return whether this process may write in a namespace now; without one, whether in any at all."""
        return self.leads(shard_of(namespace, self.shards)) if namespace else bool(self.led())

    def led(self) -> list[int]:
        """Return the shards that this process leads."""
        return [shard for shard in range(self.shards) if self.leads(shard)]

    def leads(self, shard: int) -> bool:
        """Return whether this process leads a shard."""
        is_leading = self._leading.get(shard)
        return is_leading is not None and is_leading()

    def check(self, namespace: str = "") -> None:
        """Let a write in a namespace pass; without one, let it pass where this process leads at all.

        Raises:
            Deposed: the fence is closed.
        """
        if not self.is_open(namespace):
            raise Deposed("this agent does not hold the Lease (any more): nothing is written")

    @contextmanager
    def opened(self, is_leading: Callable[[], bool], shard: int = 0) -> Iterator[None]:
        """Open it for a shard, for as long as the block lasts and `is_leading` says so."""
        self._leading[shard] = is_leading
        try:
            yield
        finally:
            del self._leading[shard]
