"""A simulated Prometheus: it reads Envoy's text at its interval, misses a scrape at times, and answers two queries."""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Final

from canary.judgement.series import CODE_LABEL, RawSeries

_MISSES: Final = 0.01
_TWO: Final = 2
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


class Prometheus:
    """Keeps all samples of a run."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._labels: dict[tuple[int, str], Mapping[str, str]] = {}
        self._points: dict[tuple[int, str], list[tuple[float, float]]] = {}

    def scrape(self, expositions: list[str], at_s: float) -> None:
        """Read the text of each Envoy; a few scrapes fail."""
        for number, text in enumerate(expositions):
            if self._chance.random() < _MISSES:
                continue
            for line in text.splitlines():
                series, value = line.rsplit(" ", 1)
                key = number, series
                if key not in self._labels:
                    self._labels[key] = self._read_labels(number, series)
                    self._points[key] = []
                self._points[key].append((at_s, float(value)))

    def _read_labels(self, number: int, series: str) -> Mapping[str, str]:
        name, labels = series.split("{", 1)
        target = {"__name__": name, "instance": f"10.0.0.{number}:8081", "job": "gateway", "namespace": "gloo-system"}
        return target | dict(_LABEL.findall(labels))

    def raw(self, window_s: float, now_s: float) -> list[RawSeries]:
        """Answer `envoy_cluster_upstream_rq{...}[window]`: all samples in it, with their times."""
        answer = []
        for key, points in self._points.items():
            found = _since(points, now_s - window_s)
            if found:
                answer.append(RawSeries(self._labels[key], found))
        return answer

    def increase_by_code(self, cluster: str, window_s: float, now_s: float) -> dict[str, float]:
        """Answer the builtin check's query: the increase by code; all of a code that is new; of one scrape nothing."""
        by_code: dict[str, float] = {}
        began_s = now_s - window_s
        for series in self.raw(window_s, now_s):
            envoy = series.labels["instance"]
            if series.labels["envoy_cluster_name"] != cluster or self._scrapes(envoy, cluster, began_s) < _TWO:
                continue
            values = [value for _, value in series.points]
            grown = sum(new - old if new >= old else new for old, new in pairwise(values))
            born = values[0] if self._is_born_since(series, began_s) else 0.0
            code = series.labels[CODE_LABEL]
            by_code[code] = by_code.get(code, 0.0) + born + grown
        return by_code

    def _scrapes(self, envoy: str, cluster: str, since_s: float) -> int:
        """Return how many scrapes of an Envoy the window has, as far as its counters of the cluster tell."""
        own = [
            points
            for key, points in self._points.items()
            if self._labels[key]["instance"] == envoy and self._labels[key]["envoy_cluster_name"] == cluster
        ]
        return max((len(_since(points, since_s)) for points in own), default=0)

    def _is_born_since(self, series: RawSeries, since_s: float) -> bool:
        """Return whether its Envoy was scraped before the window, but it is new."""
        own = self._first_s(lambda labels: labels is series.labels)
        envoys = self._first_s(lambda labels: labels["instance"] == series.labels["instance"])
        return own > since_s >= envoys

    def _first_s(self, is_meant: Callable[[Mapping[str, str]], bool]) -> float:
        return min(points[0][0] for key, points in self._points.items() if is_meant(self._labels[key]))


def _since(points: list[tuple[float, float]], since_s: float) -> list[tuple[float, float]]:
    at = len(points)
    while at and points[at - 1][0] > since_s:
        at -= 1
    return points[at:]
