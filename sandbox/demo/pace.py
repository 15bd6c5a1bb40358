"""How fast the demo goes: the guide's canary as it is, or with shorter intervals and fewer steps."""

import copy
from dataclasses import dataclass
from typing import Any

# The load test asks ten times a second and Prometheus scrapes every second or two: 10 s have enough of both.
_METRIC_INTERVAL = "10s"
_INTERVAL = "2s"
_STEP_WEIGHT = 10
_UNITS_S = {"s": 1, "m": 60}


@dataclass(frozen=True)
class Pace:
    """`weights_percent` are the canary's weights in a run whose checks pass, `threshold` ends one whose checks fail."""

    interval_s: float
    weights_percent: tuple[int, ...]
    threshold: int

    @property
    def longest_run_s(self) -> float:
        """After so long a run has failed: a minute for the pods, and each step held for three intervals."""
        return 90 + 4 * self.interval_s * (len(self.weights_percent) + 2)


def pace_of(canary: dict[str, Any]) -> Pace:
    """Read the pace from the Canary that is applied."""
    analysis = canary["spec"]["analysis"]
    step, highest = analysis["stepWeight"], analysis["maxWeight"]
    interval = analysis["interval"]
    return Pace(
        float(interval[:-1]) * _UNITS_S[interval[-1]], tuple(range(step, highest + 1, step)), analysis["threshold"]
    )


def with_not_found_check(canary: dict[str, Any]) -> dict[str, Any]:
    """A copy of the guide's canary with the metric that the guide adds to it."""
    edited = copy.deepcopy(canary)
    edited["spec"]["analysis"]["metrics"].append(
        {
            "name": "404s percentage",
            "templateRef": {"name": "not-found-percentage"},
            "thresholdRange": {"max": 5},
            "interval": "1m",
        }
    )
    return edited


def quickened(canary: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A copy of the guide's canary for an audience that waits, and what was changed, a line each."""
    quick = copy.deepcopy(canary)
    analysis = quick["spec"]["analysis"]
    changes = [_set(analysis, "interval", _INTERVAL), _set(analysis, "stepWeight", _STEP_WEIGHT)]
    changes += [f"{metric['name']}: {_set(metric, 'interval', _METRIC_INTERVAL)}" for metric in analysis["metrics"]]
    return quick, changes


def _set(where: dict[str, Any], name: str, value: object) -> str:
    before, where[name] = where[name], value
    return f"{name} {before} → {value}"
