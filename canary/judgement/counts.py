"""What is counted of a side: requests, and those of them that failed."""

from dataclasses import dataclass
from typing import Final, NamedTuple


class Failures(NamedTuple):
    """Failed requests: `surely` at least so many, `perhaps` so many at most.

    They differ only where a latency limit is no bound of the histogram's buckets.
    """

    surely: float = 0.0
    perhaps: float = 0.0


NO_FAILURES: Final = Failures()


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of one side, and for each bound of the plan those that failed: 5xx answers, or those over a limit."""

    requests: float = 0.0
    failures: tuple[Failures, ...] = (NO_FAILURES,)


@dataclass(frozen=True, slots=True)
class Deltas:
    """What was counted since the last look, each request once.

    `history` has what the primary did before this revision had traffic, in pieces of equal time, oldest first: of it
    only how failures come, alone or in bursts, is learned.
    """

    canary: Tally = Tally()
    primary: Tally = Tally()
    history: tuple[Tally, ...] = ()
