"""One release, from its first step to promotion, rollback, or the end of the hour."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from benchmarks.judgement.envoy import Gateway, World
from benchmarks.judgement.judges import Judge
from benchmarks.judgement.prometheus import Prometheus
from canary.judgement.finding import Answer

TICK_S: Final = 10.0
_SCRAPES_S: Final = 5.0
_LASTS_S: Final = 3_600.0
FIRST_PERCENT: Final = 5
_STEP_PERCENT: Final = 5
_LAST_PERCENT: Final = 50
_ALL_PERCENT: Final = 100


class Outcome(StrEnum):
    """How a release ended; undecided is one that was held for the whole hour."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolledBack"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Ended:
    """A release that has ended: after how many seconds, and how many requests of the canary side had failed by then."""

    outcome: Outcome
    took_s: float
    failed: int


def play(
    world: World,
    judge: Callable[[float], Judge],
    chance: Random,
    *,
    history_s: float,
    watches_at: int | None = None,
    tick_s: float = TICK_S,
    first_percent: int = FIRST_PERCENT,
) -> tuple[Ended, Judge]:
    """Play a release: steps of 5 to 50 %, a look each `tick_s`. `judge` is made for the time of the first traffic.

    Scrapes come each five seconds, the chart's default, and those of `history_s` are there already.
    `watches_at`: stay at that weight, whatever is well, and only see whether harm is found. `first_percent` is a
    step before that of 5 %, if it is less.
    """
    gateway, prometheus = Gateway(world, chance), Prometheus(chance)
    before_s = chance.uniform(0, _SCRAPES_S)
    now_s = 0.0

    def tick(percent: int) -> None:
        at_s = before_s
        gateway.serve(before_s, percent)
        while at_s < tick_s:
            prometheus.scrape(gateway.expositions(), now_s + at_s)
            gateway.serve(min(_SCRAPES_S, tick_s - at_s), percent)
            at_s += _SCRAPES_S

    while now_s < history_s:  # a scrape each ten seconds is enough of it
        gateway.serve(TICK_S, 0)
        prometheus.scrape(gateway.expositions(), now_s + before_s)
        now_s += TICK_S
    decides, percent = judge(now_s), watches_at or first_percent
    while now_s < history_s + _LASTS_S:
        tick(percent)
        now_s += tick_s
        next_percent = percent - percent % _STEP_PERCENT + _STEP_PERCENT if percent < _LAST_PERCENT else _ALL_PERCENT
        answer = decides.look(prometheus, now_s, next_percent)
        if answer is Answer.HARM:
            return Ended(Outcome.ROLLED_BACK, now_s - history_s, gateway.failed), decides
        if answer is Answer.WELL and watches_at is None:
            if percent >= _LAST_PERCENT:
                return Ended(Outcome.PROMOTED, now_s - history_s, gateway.failed), decides
            percent = next_percent
    return Ended(Outcome.UNDECIDED, _LASTS_S, gateway.failed), decides
