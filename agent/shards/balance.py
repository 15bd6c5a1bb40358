"""How many shards each agent leads. Pure: what an agent knows of the others is who holds which Lease."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

_FREE_IS_LEFT_S: Final = 0.5
_MOST_COUNTED: Final = 2


def patience_s(led: int) -> float:
    """Return how long an agent that leads so many shards leaves a free one to those that lead fewer: 1 s at most."""
    return _FREE_IS_LEFT_S * min(led, _MOST_COUNTED)


def to_hand_back(holders: Sequence[str | None], me: str, *, is_somebody_waiting: bool) -> int | None:
    """Return the shard that `me` is to hand back, so that another agent leads one more; None for none.

    `holders` are those of all shards: empty where nobody holds one, None where that is not known. While there is any
    such, nothing is handed back: the next one is taken first. Of those with most shards it is one that hands back, the
    same in the eyes of all. `is_somebody_waiting`: another agent leads no shard at all.
    """
    if not all(holders):
        return None
    counts = Counter(holders)
    least = 0 if is_somebody_waiting else min(counts.values())
    most, who = max((count, str(holder)) for holder, count in counts.items())
    if who != me or most < least + 2:
        return None
    return max(shard for shard, holder in enumerate(holders) if holder == me)
