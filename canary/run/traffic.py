"""The split of the traffic: one shape for what is intended, observed, rendered and written."""

from dataclasses import dataclass
from typing import Final

TOTAL_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Traffic:
    """How the requests are split.

    `canary_percent` of the requests go to the canary side, the others to the primary. `mirror_percent` are copied to
    the canary side as well. `cookie` (`name=value`, or empty) keeps those who send it on the canary side. With
    match conditions the percentage is that of the requests that match, unless it `includes_unmatched`; without, it is
    always that of all requests.
    """

    canary_percent: int = 0
    mirror_percent: int = 0
    cookie: str = ""
    includes_unmatched: bool = False

    @property
    def primary_percent(self) -> int:
        """Return the primary's share of the requests that the split is about."""
        return TOTAL_PERCENT - self.canary_percent

    @property
    def is_exposing(self) -> bool:
        """Return whether requests, or copies of them, are meant for the canary side."""
        return self.canary_percent > 0 or self.mirror_percent > 0


ALL_TO_PRIMARY: Final = Traffic()
