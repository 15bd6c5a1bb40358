"""What is kept of a run, moment by moment, and the steps that it had taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from canary.api.canary import Canary
from canary.run.evidence import Look
from canary.run.kept import KeptSample
from canary.run.steps import next_step
from canary.run.traffic import TOTAL_PERCENT
from cli.replay.checks import Measured, Tested

_MOST_STEPS: Final = 1_000


@dataclass(slots=True)
class Tick:
    """What is kept of one moment. `stage` counts the steps that the run had taken."""

    at_s: float
    stage: int = 0
    looks: dict[str, Look] = field(default_factory=dict)
    samples: dict[str, KeptSample] = field(default_factory=dict)


def ticks_of(tests: Sequence[Tested], measured: Sequence[Measured]) -> tuple[list[Tick], list[float]]:
    """Return what is kept of each moment, in order, and what the canary was to get next in each step of the run."""
    found: dict[float, Tick] = {}
    for test in tests:
        for look in test.looks:
            found.setdefault(look.at_s, Tick(look.at_s)).looks[test.name] = look
    for each in measured:
        for sample in each.samples:
            found.setdefault(sample.at_s, Tick(sample.at_s)).samples[each.name] = sample
    ticks, percents = [found[at_s] for at_s in sorted(found)], list[float]()
    for tick in ticks:
        percent = next((look.next_percent for look in tick.looks.values()), None)
        if percent is not None and (not percents or percent != percents[-1]):
            percents.append(percent)
        tick.stage = max(len(percents) - 1, 0)
    return ticks, percents


def weights_of(canary: Canary, percents: Sequence[float]) -> list[int | None]:
    """Return the canary's share of the traffic in each step, None where the steps are no weights."""
    if canary.strategy != "canary" or not percents:
        return [None] * len(percents)
    present, first = next_step(canary, None), None
    for _ in range(_MOST_STEPS):
        if present is None:
            break
        following = next_step(canary, present)
        if (TOTAL_PERCENT if following is None else following.traffic.canary_percent) == percents[0]:
            first = present.traffic.canary_percent
            break
        present = following
    return [first, *map(int, percents[:-1])]
