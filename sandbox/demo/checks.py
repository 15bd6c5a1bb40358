"""The checks of a run with value and threshold: values from the agent's `/metrics`, thresholds from the Canary."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_ROUNDS = "flagger_canary_duration_seconds_count"
_VALUES = "flagger_canary_metric_analysis"
_DURATION = "request-duration"  # its threshold is in milliseconds, its value on the page in seconds, as with Flagger
_MS_PER_S = 1000
_UNITS = {"request-success-rate": " %", _DURATION: " ms"}
_TIMEOUT = aiohttp.ClientTimeout(total=1.0)

_SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Check:
    """A configured metric; a limit that is None is not set."""

    name: str
    lowest: float | None
    highest: float | None

    def passes(self, value: float) -> bool:
        """Is the value within the threshold?"""
        return (self.lowest is None or value >= self.lowest) and (self.highest is None or value <= self.highest)

    def text(self, value: float) -> str:
        """`4.90 ms ≤ 500`, with the relation that holds or is broken."""
        words = [f"{value:>7.2f}{_UNITS.get(self.name, '')}"]
        if self.lowest is not None:
            words.append(f"{'≥' if value >= self.lowest else '<'} {self.lowest:g}")
        if self.highest is not None:
            words.append(f"{'≤' if value <= self.highest else '>'} {self.highest:g}")
        return " ".join(words)


def checks_of(canary: Mapping[str, Any]) -> list[Check]:
    """The metrics of a Canary's analysis."""
    metrics = canary["spec"]["analysis"].get("metrics", [])
    ranges = ((metric["name"], metric.get("thresholdRange", {})) for metric in metrics)
    return [Check(name, limits.get("min"), limits.get("max")) for name, limits in ranges]


@dataclass(frozen=True)
class Answers:
    """What the agent's page tells of one canary: how often it has asked, and each metric's last value.

    Values are in the unit of the metric's threshold.
    """

    rounds: int
    values: Mapping[str, float]


def parse_answers(page: str, target: str) -> Answers:
    """Read the Prometheus text format."""
    rounds, values = 0, {}
    for name, labels, value in _samples(page):
        if labels.get("name") != target:
            continue
        if name == _ROUNDS:
            rounds = int(value)
        elif name == _VALUES:
            metric = labels["metric"]
            values[metric] = value * _MS_PER_S if metric == _DURATION else value
    return Answers(rounds, values)


async def read_answers(session: aiohttp.ClientSession, agent_url: str, target: str) -> Answers | None:
    """Ask the agent; None when it does not answer (it may be restarting)."""
    try:
        async with session.get(f"{agent_url}/metrics", timeout=_TIMEOUT) as response:
            return parse_answers(await response.text(), target)
    except (aiohttp.ClientError, TimeoutError):
        return None


def _samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in page.splitlines():
        found = _SAMPLE.fullmatch(line)
        if found:
            yield found[1], dict(_LABEL.findall(found[2])), float(found[3])
