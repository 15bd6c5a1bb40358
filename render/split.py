"""How a route splits its requests between the two sides."""

from typing import Final, NamedTuple

from canary.run.steps import TOTAL_WEIGHT


class Split(NamedTuple):
    """Weights are shares: ours are percent, those of a table that others wrote may have another sum.

    `mirror_percent` of the requests are copied to the canary side; `cookie` (`name=value`) keeps its senders there.
    In an A/B test the weights are those of the requests that match, unless it `is_for_everyone`.
    """

    primary: int
    canary: int
    mirror_percent: int = 0
    cookie: str = ""
    is_for_everyone: bool = False


ALL_TO_PRIMARY: Final = Split(TOTAL_WEIGHT, 0)
