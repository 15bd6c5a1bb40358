"""Which of our writes Gloo has acknowledged.

The only acknowledgement that Gloo gives is that it empties the proxy's entry in the table's status and fills it again,
some 1.6 s after the write (recorded in tests/contract/gloo). It is awaited for 5 s at the most; that it did not come is
reported once for each write.
"""

from dataclasses import dataclass
from typing import Final

from kube.store import Key
from render.gloo_status import GlooState, gloo_verdict
from render.objects import Object

ACKNOWLEDGED_WITHIN_S: Final = 5.0

# A write that nobody asked about in all this time is forgotten, acknowledged or not.
_ASKED_ABOUT_WITHIN_S: Final = 600.0

# Gloo writes the statuses of table and VirtualServices one after the other: the last may still speak of the past.
_OTHERS_FOLLOW_WITHIN_S: Final = 0.5


@dataclass(slots=True)
class _Write:
    """A write that is not settled until `settles_at_s`. `was_emptied`: half of its acknowledgement was seen.

    `left_port`: the port that the route was led away from by this write; None once the gateway has followed.
    `is_answered`: it was acknowledged or, if not, that was reported.
    """

    settles_at_s: float
    left_port: int | None = None
    was_emptied: bool = False
    is_answered: bool = False

    def is_worth_remembering(self, now_s: float) -> bool:
        """Return whether it is not settled, or its missing acknowledgement is still to be reported."""
        return now_s < self.settles_at_s + (0 if self.is_answered else _ASKED_ABOUT_WITHIN_S)


class Acknowledgements:
    """Remembers the last write of each table. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._writes: dict[Key, _Write] = {}

    def __len__(self) -> int:
        """Return how many writes are remembered."""
        return len(self._writes)

    def expect(self, table: Key, now_s: float, left_port: int | None) -> None:
        """Expect one for a write that is about to be made; those that are settled are forgotten."""
        self._writes = {key: write for key, write in self._writes.items() if write.is_worth_remembering(now_s)}
        self._writes[table] = _Write(now_s + ACKNOWLEDGED_WITHIN_S, left_port)

    def is_pending(self, table: Key, now_s: float) -> bool:
        """Return whether it is still to come, and its time not over."""
        write = self._writes.get(table)
        return write is not None and now_s < write.settles_at_s

    def take_missing(self, table: Key, now_s: float) -> bool:
        """Return whether it did not come in time; True once for each write."""
        write = self._writes.get(table)
        if write is None or write.is_answered or now_s < write.settles_at_s:
            return False
        write.is_answered = True
        return True

    def left_port(self, table: Key, now_s: float) -> int | None:
        """Return the port that the gateway may still send to though the table's last write led away from it."""
        return self._writes[table].left_port if self.is_pending(table, now_s) else None

    def note(self, table: Key, obj: Object | None, now_s: float) -> None:
        """Note how the table stands now, None for gone."""
        write = self._writes.get(table)
        if write is None:
            return
        if obj is None:
            del self._writes[table]
        elif gloo_verdict(obj).state is GlooState.PENDING:
            write.was_emptied = True
        elif write.was_emptied:
            write.was_emptied = False
            write.is_answered = True
            write.left_port = None
            write.settles_at_s = min(write.settles_at_s, now_s + _OTHERS_FOLLOW_WITHIN_S)
