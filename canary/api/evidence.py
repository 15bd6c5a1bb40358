"""How a check counts requests until there is evidence, instead of comparing a short window with a threshold.

What the numbers mean is in docs/concepts/judging.md.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from canary.api.bounds import MOST_EVIDENCE_DEADLINE_S
from canary.api.duration import parse_duration_s
from canary.api.scalars import Duration, Number, refusal
from canary.api.schema import ApiModel

AUTO: Final = "auto"
LEAST_BURST: Final = 1

DEFAULT_SLOW_PERCENT: Final = 1.0
"""Of requests that may be slower than `thresholdRange.max`: the builtin check is about the 99th percentile."""


def _burst(value: Any) -> Any:
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    if value != AUTO and not (is_whole and value >= LEAST_BURST):
        raise refusal(f"{AUTO}, or how many failures one cause makes at the most, a whole number from {LEAST_BURST} on")
    return value if value == AUTO else int(value)


class SlowBound(ApiModel):
    """At most `share` percent of the requests may take longer than `over` milliseconds."""

    over: Number
    share: Number = DEFAULT_SLOW_PERCENT


class Evidence(ApiModel):
    """The test of a check. `acceptable`, `unacceptable` and shares are percent of requests; alpha, beta of runs, of 1.

    Without `acceptable` (or `bounds`) the check's threshold is the limit that is tested. With it the threshold is
    judged as ever beside the test.
    """

    against: Literal["limit", "primary", "both"] = "limit"
    alpha: Number = 0.01
    beta: Number = 0.05
    acceptable: Number | None = None
    unacceptable: Number | None = None
    ratio: Number = 2.0
    burst: Annotated[Any, BeforeValidator(_burst)] = AUTO
    deadline: Duration = "1h"
    undecided: Literal["hold", "promote", "rollback"] = "hold"
    warm_up: Duration = "0s"
    advance: Literal["interval", "early"] = "interval"
    bounds: tuple[SlowBound, ...] = ()

    @property
    def pinned_burst(self) -> float | None:
        """Return how many failures one cause makes at the most, None where that is found out from the primary."""
        return None if self.burst == AUTO else float(self.burst)

    @property
    def deadline_s(self) -> float:
        """Return how long a step waits for evidence, within its bound."""
        return min(parse_duration_s(self.deadline or "1h"), float(MOST_EVIDENCE_DEADLINE_S))

    @property
    def warm_up_s(self) -> float:
        """Return for how long after the revision's first traffic nothing is counted, within the same bound."""
        return min(parse_duration_s(self.warm_up or "0s"), float(MOST_EVIDENCE_DEADLINE_S))
