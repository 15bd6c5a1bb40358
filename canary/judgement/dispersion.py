"""How failures come: alone, or in bursts of one cause.

phi is the variance of failures over their mean, at least 1: for causes that come by chance and make B failures each it
is E[B^2] / E[B], so 9 for bursts of a mean of 5. It is estimated by Pearson's statistic over the degrees of freedom,
sum of (k - np)^2 / np over J - 1, which takes more or fewer requests in a tick for what they are.

Source: McCullagh and Nelder, "Generalized Linear Models" (1989), section 4.5.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from canary.judgement.evalues import above

_TICKS: Final = (1, 6)
"""Bursts may last: they are looked for in single ticks and in six of them. Our choice."""

_LEAST_BINS: Final = 8
"""Of fewer nothing is learned. Our choice."""

_MOST_BINS: Final = 720
"""Then the older half of what is known counts half: two hours at 10 s. Our choice."""

_SHOWN_BY: Final = 3.0
"""Standard deviations by which it must exceed what failures that come alone make of it; else phi is 1. Our choice."""


_OUTAGE_TICKS: Final = 3
"""So many ticks in a row, each of them bad beyond doubt, are no bursts. Our choice."""

_OUTAGE_TIMES: Final = 4.0
_OUTAGE_LEAST: Final = 0.01
"""A tick is bad if its rate is over the least, and so many times what is usual. Our choice."""

_OUTAGE_LOG_E: Final = math.log(100)


class Bins(NamedTuple):
    """Sums over bins of so many ticks, and the bin that is not full yet.

    `squares` is the sum of k^2 / n. The variance of Pearson's statistic with failures that come alone is about
    2 (J - 1) + J^2 / K (Haldane 1937): few failures make it uncertain.
    """

    bins: float = 0.0
    requests: float = 0.0
    failures: float = 0.0
    squares: float = 0.0
    open_ticks: float = 0
    open_requests: float = 0.0
    open_failures: float = 0.0

    def with_tick(self, failures: float, requests: float, ticks: int) -> "Bins":
        """Return them with the counts of one more tick, where a bin has so many `ticks`."""
        count, failed, asked = self.open_ticks + 1, self.open_failures + failures, self.open_requests + requests
        if count < ticks:
            return Bins(self.bins, self.requests, self.failures, self.squares, count, asked, failed)
        share = 0.5 if self.bins >= _MOST_BINS else 1.0
        return Bins(
            self.bins * share + 1,
            self.requests * share + asked,
            self.failures * share + failed,
            self.squares * share + failed * failed / asked,
        )

    @property
    def phi(self) -> float:
        """Return what is shown, 1 where nothing is.

        It is taken one standard deviation higher, for of K failures only some K / phi causes tell of it.
        """
        if self.bins < _LEAST_BINS or self.failures <= 0:
            return 1.0
        free = self.bins - 1
        found = (self.squares * self.requests / self.failures - self.failures) / free
        spread = math.sqrt(2 / free + (self.bins / free) ** 2 / self.failures)
        if found <= 1 + _SHOWN_BY * spread:
            return 1.0
        return found * (1 + math.sqrt(found / self.failures))


Ticks: TypeAlias = list[tuple[float, float]]
"""Failures and requests of each."""


def without_outages(ticks: Ticks) -> Ticks:
    """Return ticks without those in which the service was down: their failures are no bursts of one cause.

    A judge that took them for such would wait for as many failures of the canary.
    """
    shares = sorted(failures / requests for failures, requests in ticks if requests > 0)
    limit = max(_OUTAGE_LEAST, _OUTAGE_TIMES * shares[len(shares) // 2]) if shares else 1.0
    if limit >= 1 / 2:
        return ticks
    kept: Ticks = []
    bad: Ticks = []
    for failures, requests in [*ticks, (0.0, 0.0)]:
        if requests > 0 and above(failures, requests, limit) >= _OUTAGE_LOG_E:
            bad.append((failures, requests))
            continue
        kept += bad if len(bad) < _OUTAGE_TICKS else []
        kept.append((failures, requests))
        bad = []
    return kept[:-1]


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What is known of a side's bursts. It may be carried from one run to the next: it is about the service."""

    scales: tuple[Bins, ...] = (Bins(),) * len(_TICKS)

    def __post_init__(self) -> None:
        if len(self.scales) != len(_TICKS):
            raise ValueError(f"bins of {len(self.scales)} sizes; allowed: {len(_TICKS)}")

    def learn(self, ticks: Iterable[tuple[float, float]]) -> "Dispersion":
        """Return it with the failures and requests of more ticks; one without requests tells nothing."""
        scales = self.scales
        for failures, requests in ticks:
            if requests > 0:
                scales = tuple(
                    known.with_tick(failures, requests, size) for known, size in zip(scales, _TICKS, strict=True)
                )
        return Dispersion(scales)

    @property
    def phi(self) -> float:
        """Return how many failures a cause makes, as far as it is shown; 1 where they come alone, or few have come."""
        return max([known.phi for known in self.scales])
