"""Whether something that is looked at again and again has come to rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Growth:
    """The medians of the second and of the last quarter of what was seen."""

    second: float
    last: float

    def is_flat(self, few: float, share: float = 0.05) -> bool:
        """Return whether the last is above the second by no more than a share of it and a few.

        Medians, for a run that happens to be under way at a look is no leak; not the first quarter, in which caches
        fill.
        """
        return self.last <= self.second * (1 + share) + few


def growth(seen: Sequence[float]) -> Growth:
    """Compare the quarters of what was seen.

    Raises:
        ValueError: there are fewer than 8 looks.
    """
    if len(seen) < 8:
        raise ValueError(f"found {len(seen)} looks; allowed: 8 or more, two for each quarter")
    quarter = len(seen) // 4
    return Growth(median(seen[quarter : 2 * quarter]), median(seen[-quarter:]))
