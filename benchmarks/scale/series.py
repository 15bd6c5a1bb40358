"""The agent's own series: counters and histograms, and what came to them between two scrapes."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import urllib3

_TIMEOUT_S: Final = 30.0
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_BOUND: Final = re.compile(r'\ble="([^"]*)"')


@dataclass(frozen=True)
class Scrape:
    """All samples of one scrape: name, labels as they are written, value."""

    samples: tuple[tuple[str, str, float], ...]

    def total(self, name: str) -> float:
        """Return the sum of a series over its labels."""
        return sum(value for found, _, value in self.samples if found == name)

    def buckets(self, name: str) -> dict[float, float]:
        """Return a histogram's buckets, cumulative, summed over its labels."""
        found: dict[float, float] = defaultdict(float)
        for series, labels, value in self.samples:
            bound = _BOUND.search(labels)
            if series == f"{name}_bucket" and bound is not None:
                found[float(bound.group(1))] += value
        return dict(found)


def scrape(url: str) -> Scrape:
    """Read `/metrics`."""
    text = urllib3.request("GET", f"{url}/metrics", timeout=_TIMEOUT_S).data.decode()
    return Scrape(tuple((name, labels, float(value)) for name, labels, value in _SAMPLE.findall(text)))


def quantile_between(before: Scrape, after: Scrape, name: str, share: float) -> float:
    """Return a quantile of what a histogram got meanwhile, as `histogram_quantile` does; 0 if it got nothing."""
    old = before.buckets(name)
    grown = sorted((bound, count - old.get(bound, 0)) for bound, count in after.buckets(name).items())
    if not grown or not grown[-1][1]:
        return 0.0
    rank = share * grown[-1][1]
    low_s, below = 0.0, 0.0
    for bound_s, count in grown:
        if count >= rank:
            if bound_s == float("inf"):
                return low_s
            return low_s + (bound_s - low_s) * (rank - below) / max(count - below, 1e-9)
        low_s, below = bound_s, count
    return low_s
