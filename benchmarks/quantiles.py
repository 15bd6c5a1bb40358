"""Quantiles of samples."""

from collections.abc import Sequence


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which `share` (0 to 1) of all lie: the nearest rank, no interpolation."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def p50_p99(samples_s: Sequence[float]) -> dict[str, float]:
    """Return both in milliseconds."""
    return {name: round(quantile(samples_s, share) * 1000, 2) for name, share in (("p50", 0.50), ("p99", 0.99))}
