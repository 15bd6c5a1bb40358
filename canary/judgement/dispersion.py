"""How failures come: alone, or in bursts of one cause.

phi is the variance of failures over their mean, at least 1: for causes that come by chance and make B failures each it
is E[B^2] / E[B], so 9 for bursts of a mean of 5. It is estimated by Pearson's statistic over the degrees of freedom,
sum of (k - np)^2 / np over J - 1, which takes more or fewer requests in a tick for what they are.

Source: McCullagh and Nelder, "Generalized Linear Models" (1989), section 4.5.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
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

MOST_LEARNED_BURST: Final = 64.0
"""An hour in which the primary was down is one burst of thousands. To wait for as many failures of the canary would be
to see nothing for hours, and just when a mended release goes out. Who has larger bursts says so (`burst`). Our choice.
"""

_OUTAGE_TICKS: Final = 3
"""So many ticks in a row, each of them bad beyond doubt, with more failures than a burst may have, are an outage. Where
requests are rare a burst of twenty may last as long. Our choice."""

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
    usual = shares[len(shares) // 2] if shares else 1.0
    kept: Ticks = []
    bad: Ticks = []
    for failures, requests in [*ticks, (0.0, 0.0)]:
        if requests > 0 and _is_bad(failures, requests, usual):
            bad.append((failures, requests))
            continue
        kept += [] if _is_outage(len(bad), sum([failed for failed, _ in bad])) else bad
        kept.append((failures, requests))
        bad = []
    return kept[:-1]


def _is_outage(ticks: int, failures: float) -> bool:
    return ticks >= _OUTAGE_TICKS and failures > MOST_LEARNED_BURST


def _is_bad(failures: float, requests: float, usual: float) -> bool:
    limit = max(_OUTAGE_LEAST, _OUTAGE_TIMES * usual)
    return limit < 1 / 2 and above(failures, requests, limit) >= _OUTAGE_LOG_E


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What is known of a side's bursts. It may be carried from one run to the next: it is about the service."""

    scales: tuple[Bins, ...] = (Bins(),) * len(_TICKS)

    @property
    def requests(self) -> float:
        """Return how many requests it was learned of."""
        return self.scales[0].requests

    def is_bad(self, failures: float, requests: float) -> bool:
        """Return whether so many failures of one more tick are too many, by what is usual so far."""
        known = self.scales[0]
        if known.bins < _LEAST_BINS or known.requests <= 0 or requests <= 0:
            return False
        return _is_bad(failures, requests, known.failures / known.requests)

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


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of the primary's bursts, in this run and for the next ones.

    An outage in mid-run holds this run as bursts do: a limit alone can't tell it from what the release does. It says
    nothing of the next ones. `calm` is what was known before the looks that may be one, `bad` of them in a row so far
    with `failed` requests, and what was learned of other looks since it was one.
    """

    now: Dispersion = Dispersion()
    calm: Dispersion | None = None
    bad: int = 0
    failed: float = 0.0

    def learn(self, history: Ticks, tick: tuple[float, float]) -> "Learned":
        """Return it with the ticks before the release, and that of a look."""
        now = self.now.learn(without_outages(history))
        if not tick[1]:
            return replace(self, now=now)
        calm = now if self.calm is None else self.calm
        is_bad, now = calm.is_bad(*tick), now.learn([tick])
        if self._was_outage:
            return replace(self, now=now, calm=calm if is_bad else calm.learn([tick]))
        return Learned(now, calm, self.bad + 1, self.failed + tick[0]) if is_bad else Learned(now)

    @property
    def lasting(self) -> Dispersion:
        """Return what the next run knows."""
        return self.calm if self.calm is not None and self._was_outage else self.now

    @property
    def _was_outage(self) -> bool:
        return _is_outage(self.bad, self.failed)
