"""The queue of runs: where a canary stands whose new revision waits until others' runs have ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from canary.run.counts import read_count
from canary.run.moments import read_time, write_time

# Of a thousand that wait each would be written whenever one run begins.
_MOVED_PARTS: Final = 4
_GROWN_TIMES: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a canary stands: `bound` is what it waits for, such as `--max-runs is 20`."""

    position: int
    of: int
    bound: str


@dataclass(frozen=True, slots=True)
class Queued:
    """What is stored of a canary that waits: where it stood when that was last written, and since when it waits."""

    position: int
    of: int
    since_s: float

    def has_moved(self, place: Place) -> bool:
        """Return whether it stands elsewhere by a quarter, or the queue is half or twice as long: worth a write."""
        moved = abs(place.position - self.position)
        has_other_length = max(place.of, self.of) >= _GROWN_TIMES * min(place.of, self.of)
        return has_other_length or (moved > 0 and moved * _MOVED_PARTS >= self.position)

    @classmethod
    def read(cls, found: Mapping[str, Any] | None) -> Self | None:
        """Read what `write` wrote, None where nothing is stored.

        Raises:
            AttributeError, KeyError, OverflowError, TypeError, ValueError: somebody's hand wrote something else.
        """
        if found is None:
            return None
        since_s = read_time(found["since"])
        if since_s is None:
            raise ValueError("since: found nothing; allowed: a moment")
        return cls(read_count(found["position"]), read_count(found["of"]), since_s)

    def write(self) -> dict[str, Any]:
        """Return it as `status.serin.queue`."""
        return {"position": self.position, "of": self.of, "since": write_time(self.since_s)}
