"""What a scrape of the agent costs: how long it takes, how long at a stretch it holds the event loop, and its size."""

import asyncio
import gc
import time
from copy import deepcopy
from statistics import median
from typing import Any, Final

from agent.series.agent_metrics import AgentMetrics
from benchmarks.core import CANARY
from canary.rules.shape import parse_canary
from canary.run.history import HistoryEntry, Outcome
from canary.run.judge import CheckResult, Verdict
from canary.run.kept import KeptCheck, KeptSample
from canary.run.phase import Phase
from canary.run.state import Analysis, State
from canary.run.status import write_status
from canary.run.traffic import Traffic

_CANARIES: Final = 1_000
_ROUNDS: Final = 5
_CHECKS: Final = ("request-success-rate", "request-duration", "error-budget")
_METRICS: Final = [
    {"name": "request-success-rate", "thresholdRange": {"min": 99}},
    {"name": "request-duration", "thresholdRange": {"max": 500}},
    {"name": "error-budget", "templateRef": {"name": "error-budget"}, "thresholdRange": {"min": 0, "max": 5}},
]


def measure() -> dict[str, float]:
    """Return milliseconds, bytes and series of a page of 1,000 canaries with 3 checks each, all of them in a run.

    `first`: of an agent that just began to lead. `changed`: every canary's status changed since the last scrape.
    `stretch`: the longest time for which the event loop is held.
    """
    stored = [_running(number) for number in range(_CANARIES)]
    first_ms, first_stretch_ms, metrics = _first(stored)
    again = [asyncio.run(_scrape(metrics)) for _ in range(_ROUNDS)]
    changed = []
    for _ in range(_ROUNDS):
        stored[:] = [{**obj} for obj in stored]
        changed.append(asyncio.run(_scrape(metrics)))
    body = metrics.render([])[0]
    return {
        "canaries": _CANARIES,
        "first_ms": first_ms,
        "first_stretch_ms": first_stretch_ms,
        "unchanged_ms": median(took for took, _ in again),
        "unchanged_stretch_ms": max(stretch for _, stretch in again),
        "changed_ms": median(took for took, _ in changed),
        "changed_stretch_ms": max(stretch for _, stretch in changed),
        "bytes": len(body),
        "series": sum(1 for line in body.splitlines() if not line.startswith(b"#")),
    }


def _first(stored: list[dict[str, Any]]) -> tuple[float, float, AgentMetrics]:
    metrics = AgentMetrics("0", canaries=lambda: stored)
    for obj in stored:
        results = [CheckResult(name, Verdict.PASS, "", 1.0) for name in _CHECKS]
        metrics.canaries.count_checks(parse_canary(obj), results, 0.1)
    return *asyncio.run(_scrape(metrics)), metrics


async def _scrape(metrics: AgentMetrics) -> tuple[float, float]:
    """Return the milliseconds of a scrape, and the longest for which nobody else had the event loop."""
    gc.collect()
    stretches, done = [0.0], asyncio.Event()

    async def watch() -> None:
        before_s = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(0)
            now_s = time.perf_counter()
            stretches.append(now_s - before_s)
            before_s = now_s

    watching = asyncio.create_task(watch(), name="watch of the event loop")
    await asyncio.sleep(0)
    started_s = time.perf_counter()
    await metrics.render_in_pieces([])
    took_s = time.perf_counter() - started_s
    done.set()
    await watching
    return round(took_s * 1000, 1), round(max(stretches) * 1000, 1)


def _running(number: int) -> dict[str, Any]:
    obj = deepcopy(CANARY)
    name = f"service-{number}"
    obj["metadata"] |= {"name": name, "uid": name}
    obj["spec"]["targetRef"]["name"] = name
    obj["spec"]["analysis"]["metrics"] = _METRICS
    samples = tuple(KeptSample(1.0, 99.512, Verdict.PASS) for _ in range(10))
    kept = tuple(KeptCheck(name=check, samples=samples) for check in _CHECKS)
    run = HistoryEntry(revision="r", outcome=Outcome.PROMOTED, started_at_s=1.0, ended_at_s=300.0)
    state = State(phase=Phase.PROGRESSING, traffic=Traffic(20), analysis=Analysis(kept=kept), history=(run,) * 10)
    obj["status"] = write_status(state, None, target_kind="Deployment", generation=1)
    return obj
