"""The releases that are played: a cell is one kind of traffic and one judge, many times over."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import mean, median
from typing import Final, Literal

from benchmarks.judgement.envoy import World
from benchmarks.judgement.judges import ByEvidence, ByThreshold, Judge
from benchmarks.judgement.release import FIRST_PERCENT, TICK_S, Ended, Outcome, play
from canary.judgement.plan import Bound, Plan, bound_of_success
from canary.judgement.scrapes import HISTORY_S, LONG_HISTORY_S

RUNS: Final = int(os.environ.get("SERIN_BENCH_JUDGEMENT_RUNS", "200"))
"""Of each cell against a limit; of the others half as many."""

_LEAST_PERCENT: Final = 99.0
_RULES_HISTORY_S: Final = 120.0
"""The rule looks back for a minute."""

RATES: Final = (0.001, 0.005, 0.008, 0.02, 0.05)
REQUESTS_PER_S: Final = (1, 5, 20, 100, 1_000)
BURSTS: Final = (5, 20)
BAD_RATES: Final = (0.02, 0.05)
FINER: Final = ((5.0, 5), (10.0, 1), (5.0, 1))
"""Seconds between two looks, and percent of the first step."""
_FEW: Final = 1
_BUSY: Final = (20, 100, 1_000)
_BUSIEST: Final = (100, 1_000)

_LIMIT: Final = Plan(counted="5xx", bounds=(bound_of_success(_LEAST_PERCENT),))
_NAIVE: Final = Plan(counted="5xx", bounds=_LIMIT.bounds, burst=1)
_PRIMARY: Final = Plan(counted="5xx", bounds=(Bound(limit=0.006, unacceptable=0.01),), against="primary")

Kind = Literal["evidence", "naive", "primary", "threshold"]
_JUDGES: Final[tuple[Kind, ...]] = ("threshold", "evidence")
_PRIMARY_FAILS: Final = 0.005
PLANS: Final = {"evidence": _LIMIT, "naive": _NAIVE, "primary": _PRIMARY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is played. `watches_at`: only whether harm is found in the hour, at this weight.

    A look each `tick_s`, and `first_percent` of the traffic in the first step.
    """

    name: str
    world: World
    judge: Kind
    watches_at: int | None = None
    tick_s: float = TICK_S
    first_percent: int = FIRST_PERCENT

    @property
    def is_finer(self) -> bool:
        """Return whether it is looked at more often, or begins with less, than the others."""
        return (self.tick_s, self.first_percent) != (TICK_S, FIRST_PERCENT)

    @property
    def is_main(self) -> bool:
        """Return whether it is of the main table."""
        return not self.is_finer and self.world.burst <= 1 and self.judge in _JUDGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the releases of a cell came to, in percent of them, with means and medians of those that ended so."""

    rolled_back: float
    promoted: float
    undecided: float
    failed_until_rollback: float | None
    promoted_after_s: float | None


def limit_cells() -> list[Cell]:
    """Return releases against a limit of 1 %, of both judges."""
    return [
        Cell(
            name=f"{requests}/s {100 * rate:g} %", world=World(requests_per_s=requests, canary_fails=rate), judge=judge
        )
        for requests in REQUESTS_PER_S
        for rate in RATES
        for judge in _JUDGES
    ]


def burst_cells() -> list[Cell]:
    """Return good releases whose failures come in bursts on either side: guarded, not guarded, and by the rule."""
    kinds: tuple[Kind, ...] = ("threshold", "naive", "evidence")
    return [
        Cell(
            name=f"{requests}/s in bursts of {burst}",
            world=World(requests_per_s=requests, canary_fails=0.008, primary_fails=0.008, burst=burst),
            judge=judge,
        )
        for burst in BURSTS
        for requests in REQUESTS_PER_S
        for judge in kinds
    ]


def primary_cells() -> list[Cell]:
    """Return canaries that fail as often as the primary, and twice as often: released, and watched at half."""
    return [
        Cell(
            name=f"{requests}/s {'twice' if rate > _PRIMARY_FAILS else 'alike'}{' at 50 %' if watches_at else ''}",
            world=World(requests_per_s=requests, canary_fails=rate, primary_fails=_PRIMARY_FAILS),
            judge="primary",
            watches_at=watches_at,
        )
        for watches_at in (None, 50)
        for requests in _BUSY
        for rate in (_PRIMARY_FAILS, 2 * _PRIMARY_FAILS)
    ]


def finer_cells() -> list[Cell]:
    """Return bad releases of busy services: with a look at each scrape, with a smaller first step, and with both."""
    return [
        Cell(
            name=f"{requests}/s {100 * rate:g} %, looked at each {tick_s:g} s, from {percent} % on",
            world=World(requests_per_s=requests, canary_fails=rate),
            judge="evidence",
            tick_s=tick_s,
            first_percent=percent,
        )
        for requests in _BUSIEST
        for rate in BAD_RATES
        for tick_s, percent in FINER
    ]


def play_all(cells: list[Cell]) -> list[Played]:
    """Play cells on all processors; the same seeds give the same releases."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(play_cell, cells))


def play_cell(cell: Cell) -> Played:
    """Play one cell's releases."""
    ended = [
        play(
            cell.world,
            partial(_judge, cell.judge, cell.tick_s),
            _chance(cell, number),
            history_s=_history_s(cell),
            watches_at=cell.watches_at,
            tick_s=cell.tick_s,
            first_percent=cell.first_percent,
        )[0]
        for number in range(RUNS if cell.is_main else RUNS // 2)
    ]
    failed = [each.failed for each in ended if each.outcome is Outcome.ROLLED_BACK]
    took_s = [each.took_s for each in ended if each.outcome is Outcome.PROMOTED]
    return Played(
        rolled_back=_percent(ended, Outcome.ROLLED_BACK),
        promoted=_percent(ended, Outcome.PROMOTED),
        undecided=_percent(ended, Outcome.UNDECIDED),
        failed_until_rollback=round(mean(failed), 1) if failed else None,
        promoted_after_s=median(took_s) if took_s else None,
    )


def _history_s(cell: Cell) -> float:
    if cell.judge == "threshold":
        return _RULES_HISTORY_S
    # Who has few requests looks further back; where bursts are pinned nobody does.
    return LONG_HISTORY_S if cell.world.requests_per_s <= _FEW and cell.judge != "naive" else HISTORY_S


def _chance(cell: Cell, number: int) -> Random:
    return Random(f"{cell.name} {number}")  # noqa: S311  it has to be repeatable


def _judge(kind: Kind, tick_s: float, since_s: float) -> Judge:
    if kind == "threshold":
        return ByThreshold(_LEAST_PERCENT, since_s)
    return ByEvidence(PLANS[kind], since_s, tick_s)


def _percent(ended: list[Ended], outcome: Outcome) -> float:
    return round(100 * sum(each.outcome is outcome for each in ended) / len(ended), 1)
