"""What a look comes to: one answer, and the numbers that people see of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_LEAST_SHOWN: Final = 0.01
_MOST_SHOWN: Final = 1e6
_MOST_LOG: Final = 700.0  # e to the power of 709 is the largest float


class Answer(StrEnum):
    """What the counts say of the revision. Only one of them holds at a time."""

    HARM = "harm"
    WELL = "well"
    UNDECIDED = "undecided"
    COMMON_CAUSE = "common-cause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Failed requests of a side. `failing` is what they do, for texts."""

    failures: float
    requests: float
    failing: str = "fails"

    @property
    def share(self) -> float | None:
        """Return the share that failed, None without requests."""
        return self.failures / self.requests if self.requests > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look at a check.

    `log_e_harm` and `log_e_well` are natural logarithms of e-values; at `harm_at` it is rolled back, at `well_at` it
    may take the step that was asked for. `well_below` is the share of failures that the well e-value speaks against.
    `bar` is where the evidence stands between well (-1) and harm (1), on a logarithmic scale. `phi` is how many
    failures count as one. After the deadline `is_overdue`; what follows then is the plan's.
    """

    answer: Answer
    canary: Rate
    primary: Rate
    limit: float
    well_below: float
    log_e_harm: float
    log_e_well: float
    harm_at: float
    well_at: float
    bar: float
    phi: float
    is_overdue: bool

    @property
    def e_harm(self) -> float:
        """Return the e-value against "it is good"; of a larger one than floats have, the largest."""
        return math.exp(min(self.log_e_harm, _MOST_LOG))

    @property
    def e_well(self) -> float:
        """Return the e-value against "it is bad"."""
        return math.exp(min(self.log_e_well, _MOST_LOG))

    @property
    def text(self) -> str:
        """Return the sentence for events: what was counted, the e-value, and what it is held against."""
        counted = "canary has no request"
        if self.canary.share is not None:
            counted = f"canary {self.canary.failing} {_percent(self.canary.share)} of {_count(self.canary)} requests"
        if self.primary.share is not None:
            counted += f", primary {_percent(self.primary.share)} of {_count(self.primary)}"
        bursts = f", {_number(self.phi)} failures count as one" if self.phi > 1 else ""
        match self.answer:
            case Answer.HARM:
                return f"{counted}: e-value {_number(self.e_harm)}, rolled back at {_number(self.harm_at)}{bursts}"
            case Answer.COMMON_CAUSE:
                return f"{counted}: both are over {_percent(self.limit)}, held for a common cause{bursts}"
            case Answer.WELL:
                against = f"against {_percent(self.well_below)}, well at {_number(self.well_at)}"
                return f"{counted}: e-value {_number(self.e_well)} {against}{bursts}"
            case Answer.UNDECIDED:
                harm = f"e-value {of_enough(self.e_harm, self.harm_at, _number)} for harm"
                well = f"{of_enough(self.e_well, self.well_at, _number)} for well"
                return f"{counted}: {harm}, {well}{bursts}"


def of_enough(e_value: float, enough: float, shown: Callable[[float], str]) -> str:
    """Return `19.9 of 20`: what is not enough yet must not be rounded to what is."""
    found, asked = shown(e_value), shown(enough)
    if e_value < enough and found == asked:
        found = f"{math.floor(10 * e_value) / 10:,.1f}"
    return f"{found} of {asked}"


def _count(rate: Rate) -> str:
    return f"{rate.requests:,.0f}"


def _percent(share: float) -> str:
    """Return `2.1 %`, `12 %`, `0.03 %`."""
    return f"{_two_digits(100 * share)} %"


def _number(value: float) -> str:
    """Return `5,400`, `31`, `0.12`, and no end of digits for a huge one."""
    if value > _MOST_SHOWN:
        return f"over {_MOST_SHOWN:,.0f}"
    return "under 0.01" if value < _LEAST_SHOWN else _two_digits(value)


def _two_digits(value: float) -> str:
    """Return a number with the two digits that tell something."""
    if value <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.0f}" if digits <= 0 else f"{value:.{digits}f}".rstrip("0").rstrip(".")
