"""E-values of counts, as natural logarithms.

An e-value is a number whose mean is at most 1 as long as its null hypothesis holds, at whatever moment one looks. So it
ever reaches 1/alpha with a probability of at most alpha (Ville's inequality), however often one looks. The mean of
e-values is an e-value, and so is one to the power of 1/phi for phi >= 1 (Jensen's inequality).

Sources: Lindon and Malek, "Anytime-valid inference for multinomial count data" (arXiv 2011.03567), for a rate against a
limit; Turner, Ly and Gruenwald, "Generic E-variables for exact sequential k-sample tests" (arXiv 2106.02693), and
Netflix, "Rapid regression detection in software deployments through sequential testing" (arXiv 2205.14762), for two
rates. The grids are ours: they decide how soon an answer comes, and not with which error.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

# Each alternative as a multiple of what the null hypothesis allows; all have the same weight.
_ABOVE: Final = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 90.0)
_BELOW: Final = (0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.005)
_WORSE: Final = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0)

NO_LOSSES: Final = (0.0,) * len(_WORSE)
"""The sums of `worse` before anything was counted."""

NO_GAINS: Final = (0.0,) * len(_BELOW)
"""The sums of `not_worse` before anything was counted."""

MOST_BOUND: Final = 0.5
"""No step is taken on less evidence than this asks for: six requests without a failure, at beta = 5 %."""


def log_mean(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean of numbers that are given by their logarithms."""
    if len(logs) == 1:
        return logs[0]
    most, exp = max(logs), math.exp
    return most + math.log(sum([exp(log - most) for log in logs]) / len(logs))


def above(failures: float, total: float, limit: float, phi: float = 1.0) -> float:
    """Return the evidence against "a request fails with a probability of at most `limit`".

    E = mean over q of ((q/limit)^k ((1-q)/(1-limit))^(n-k))^(1/phi), with q above the limit. It stays valid when the
    rate moves below the limit: the factor of each request has a mean of at most 1 (Lindon and Malek, section 2).
    """
    return _against(failures, total - failures, _alternatives(limit, _ABOVE), phi)


def below(failures: float, total: float, bound: float, phi: float = 1.0) -> float:
    """Return the evidence against "a request fails with a probability of `bound` or more": `above` mirrored."""
    return _against(failures, total - failures, _alternatives(bound, _BELOW), phi)


def advance_bound(limit: float, unacceptable: float, weight: float) -> float:
    """Return what a failure rate is to be shown to be below before the canary gets a share `weight` of the traffic.

    p*(w) = limit + (unacceptable - limit) / w: a canary at this rate and weight adds no more failures to those of all
    requests than an unacceptable one that has all the traffic. At w = 1 it is what must not be promoted.
    """
    if weight >= 1:
        return unacceptable
    return min(limit + (unacceptable - limit) / weight, max(unacceptable, MOST_BOUND))


def worse(sums: Sequence[float], canary: tuple[float, float], primary: tuple[float, float]) -> tuple[float, ...]:
    """Add the failures and requests of both sides to the evidence against "the canary fails no more than the primary".

    For each ratio rho the sum grows by kc ln rho - m ln(rho pi + 1 - pi), with pi the canary's share of the requests as
    observed and m the failures of both. Given m, the canary's part is binomial, with a probability of at most pi under
    the hypothesis: exact for Poisson counts, conservative for others (Turner, Ly and Gruenwald).
    """
    return _compared(sums, _WORSE, 1.0, canary, primary)


def not_worse(
    sums: Sequence[float], canary: tuple[float, float], primary: tuple[float, float], ratio: float
) -> tuple[float, ...]:
    """Add to the evidence against "it fails `ratio` times as often as the primary, or more": `worse` mirrored."""
    return _compared(sums, _BELOW, ratio, canary, primary)


def of_sums(sums: Sequence[float], phi: float = 1.0) -> float:
    """Return the evidence that the sums of `worse` or `not_worse` come to."""
    return log_mean(sums if phi == 1 else [each / phi for each in sums])


def _against(failed: float, passed: float, alternatives: Sequence[tuple[float, float]], phi: float) -> float:
    failed, passed = failed / phi, passed / phi
    return log_mean([failed * fail + passed * succeed for fail, succeed in alternatives])


@lru_cache(maxsize=1_024)
def _alternatives(null: float, steps: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Return for each alternative what one failure and one success add: ln(q/p) and ln((1-q)/(1-p))."""
    # A limit so high that no multiple of it is a probability leaves the middle between it and 1.
    rates = [null * step for step in steps if null * step < 1] or [(1 + null) / 2]
    return tuple((math.log(rate / null), math.log1p(-rate) - math.log1p(-null)) for rate in rates)


def _compared(
    sums: Sequence[float],
    steps: tuple[float, ...],
    null: float,
    canary: tuple[float, float],
    primary: tuple[float, float],
) -> tuple[float, ...]:
    (failed, requests), (failed_there, requests_there) = canary, primary
    if requests <= 0 or requests_there <= 0:
        return tuple(sums)  # failures of one side alone tell nothing of a difference: each factor is 1
    share, both, log1p = requests / (requests + requests_there), failed + failed_there, math.log1p
    if not both:
        return tuple(sums)
    expected, ratios = both * log1p((null - 1) * share), _ratios(null, steps)
    return tuple(
        [
            known + (failed * log_step + (expected - both * log1p(excess * share)))
            for known, (log_step, excess) in zip(sums, ratios, strict=True)
        ]
    )


@lru_cache(maxsize=256)
def _ratios(null: float, steps: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Return for each alternative the logarithm of its step, and its ratio less 1."""
    return tuple((math.log(step), null * step - 1) for step in steps)
