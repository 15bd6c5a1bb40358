"""How often judging errs, and what it costs. SERIN_BENCH_JUDGEMENT_RUNS=20 plays twenty releases a cell, not 200.

The tables and the picture of docs/concepts/judging.md are left in build/judging.md and build/judging.svg.
"""

from collections.abc import Callable
from itertools import islice
from random import Random
from typing import Any, Final

import orjson

from benchmarks.judgement.cells import (
    RUNS,
    Cell,
    Played,
    burst_cells,
    finer_cells,
    limit_cells,
    play_all,
    primary_cells,
)
from benchmarks.judgement.envoy import CLUSTERS, Gateway, World
from benchmarks.judgement.picture import draw
from benchmarks.judgement.prometheus import Prometheus
from benchmarks.judgement.table import tables
from benchmarks.paths import BUILD
from benchmarks.rounds import rounds_us
from canary.api.names import Side
from canary.judgement.counts import Deltas
from canary.judgement.observe import observe
from canary.judgement.plan import Plan, bound_of_success
from canary.judgement.scrapes import Memory, Times, read_counts
from canary.judgement.series import AnswersByCode, Clusters
from canary.judgement.stored import write_evidence, write_memory

_PROMOTED_BAD_FROM: Final = 0.02
_ROUNDS, _CALLS = 400, 8


def measure() -> dict[str, Any]:
    """Return the worst of all cells in percent, what a check costs, and every cell."""
    groups = [limit_cells(), burst_cells(), primary_cells(), finer_cells()]
    cells = [cell for group in groups for cell in group]
    played = list(zip(cells, play_all(cells), strict=True))
    rest = iter(played)
    limit, bursts, primary, finer = (list(islice(rest, len(group))) for group in groups)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "judging.md").write_text(tables(limit, bursts, primary, finer))
    (BUILD / "judging.svg").write_text(draw())
    return {
        "runs_a_cell": RUNS,
        **_costs(),
        "evidence_worst_good_rolled_back_percent": _worst(limit, "evidence", is_bad=False),
        "threshold_worst_good_rolled_back_percent": _worst(limit, "threshold", is_bad=False),
        "evidence_worst_bad_promoted_percent": _worst(limit, "evidence", is_bad=True),
        "threshold_worst_bad_promoted_percent": _worst(limit, "threshold", is_bad=True),
        "bursts_worst_good_rolled_back_percent": _worst(bursts, "evidence", is_bad=False),
        "cells": {f"{cell.name}, {cell.judge}": _shown(result) for cell, result in played},
    }


def _worst(played: list[tuple[Cell, Played]], judge: str, *, is_bad: bool) -> float:
    of_kind = [
        result.promoted if is_bad else result.rolled_back
        for cell, result in played
        if cell.judge == judge and (cell.world.canary_fails >= _PROMOTED_BAD_FROM) is is_bad
    ]
    return max(of_kind)


def _shown(result: Played) -> dict[str, float | None]:
    return {name: getattr(result, name) for name in Played.__slots__}


def _costs() -> dict[str, float]:
    """Measure a weighing and a reading in the middle of a run, with two gateways, and what the status keeps of it."""
    chance = Random(1)  # noqa: S311  it has to be repeatable
    gateway, prometheus = Gateway(World(requests_per_s=100, canary_fails=0.005), chance), Prometheus(chance)
    for scrape in range(60):
        gateway.serve(5.0, 10)
        prometheus.scrape(gateway.expositions(), 5.0 * scrape)
    plan = Plan(counted="5xx", bounds=(bound_of_success(99),), against="both")
    counted = AnswersByCode(Clusters((CLUSTERS[Side.CANARY],), (CLUSTERS[Side.PRIMARY],)))
    before = read_counts(Memory(), prometheus.raw(300.0, 285.0), counted, Times(100.0), tick_s=10.0)
    state, _ = observe(plan, None, before.deltas, 15, 285.0)
    answer = prometheus.raw(120.0, 295.0)

    def read() -> Deltas:
        return read_counts(before.memory, answer, counted, Times(100.0), tick_s=10.0).deltas

    deltas = read()
    return {
        "weigh_us": _best_us(lambda: observe(plan, state, deltas, 15, 295.0)),
        "read_us": _best_us(read),
        "state_bytes": len(orjson.dumps(write_evidence(state))),
        "memory_bytes": len(orjson.dumps(write_memory(before.memory))),
    }


def _best_us(call: Callable[[], object]) -> float:
    """Return the best of many short rounds, for others on the machine only add."""
    return round(min(rounds_us(call, rounds=_ROUNDS, calls=_CALLS)), 1)
