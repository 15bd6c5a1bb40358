"""Statuses with what a run left: looks of tests, values of checks, and how it ended."""

import json
from collections.abc import Sequence
from typing import Any

from tests.support.canaries import canary_object
from tests.unit.cli.cluster_api import Object
from tests.unit.cli.conftest import Ran

RATE, DURATION = "request-success-rate", "request-duration"
T0 = 1_796_050_800.0  # 2026-11-30T15:00:00Z
BY_EVIDENCE = {"name": RATE, "thresholdRange": {"min": 99}, "evidence": {}}
STEPS = {"interval": "10s", "stepWeight": None, "maxWeight": None, "stepWeights": [20, 50], "webhooks": []}
ALONE = [40.0, 13_000.0, 40.0, 0.24, 0.0, 0.0, 0.0]
IN_BURSTS = [40.0, 13_000.0, 120.0, 4.3, 0.0, 0.0, 0.0]

WELL = [
    # after, next, requests of canary and primary, failures of both: surely, perhaps
    [10, 50, 100, 400, 0, 0, 1, 1],
    [20, 50, 100, 400, 0, 0, 1, 1],
    [30, 100, 250, 250, 1, 1, 0, 0],
    [40, 100, 250, 250, 0, 0, 1, 1],
]
BAD = [[10 * number, 50, 100, 400, 3, 3, 1, 1] for number in range(1, 9)]

STARTED = {"startedAt": "2026-11-30T15:00:00Z"}


def kept_test(
    looks: Sequence[Sequence[float]], counted: str = "5xx", bursts: list[float] = ALONE, bounds: int = 1
) -> Object:
    """Return the kept test of a run with these looks."""
    bound = {
        "failures": [0.0] * 4,
        "alone": [0.0, 0.0],
        "worse": [0.0] * 12,
        "notWorse": [0.0] * 10,
        "bursts": [bursts, [0.0] * 7],
        "aside": [0.0] * 4,
        "step": [0.0] * 7,
        "stepWorse": [0.0] * 12,
    }
    state = {"counted": counted, "ratio": 2.0, "beganAt": T0 + 10, "requests": [0.0, 0.0], "bounds": [bound] * bounds}
    return {"name": RATE, "test": state, "looks": [[T0 + look[0], *map(float, look[1:])] for look in looks]}


def clock(after_s: float) -> str:
    return f"2026-11-30T15:{int(after_s) // 60:02}:{int(after_s) % 60:02}Z"


def values(name: str, *found: tuple[float, float | None, str], unit: str = "%") -> Object:
    samples = [{"at": clock(at), "value": value, "verdict": verdict} for at, value, verdict in found]
    return {"name": name, "min": 99, "unit": unit, "samples": samples}


def ended(outcome: str = "promoted", after_s: float = 45, reason: str = "") -> Object:
    run = {"revision": "3f2a9c", "outcome": outcome, "startedAt": clock(0), "endedAt": clock(after_s)}
    return {"history": [run | ({"reason": reason} if reason else {})]}


def canary_with(metrics: list[Object], *, failed_checks: int = 0, **ours: Any) -> Object:
    return canary_object({**STEPS, "metrics": metrics}) | {
        "status": {"phase": "Succeeded", "lastAppliedSpec": "3f2a9c", "failedChecks": failed_checks, "serin": ours}
    }


def spec_with(metrics: list[Object], **analysis: Any) -> str:
    """Return the text of a file with the edited Canary."""
    return json.dumps(canary_object({**STEPS, "metrics": metrics, **analysis}))


def evidence(**fields: Any) -> list[Object]:
    return [{**BY_EVIDENCE, "evidence": fields}]


def first_line(ran: Ran) -> str:
    assert (ran.code, ran.stderr) == (0, "")
    return ran.stdout.splitlines()[0]


PROMOTED = canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], **ended())
ROLLED_BACK = canary_with(
    [BY_EVIDENCE],
    evidence=[kept_test(BAD)],
    **ended("rolledBack", 80, "request-success-rate: canary fails 3 %"),
)

VALUES = values(RATE, (10, 99.5, "pass"), (20, 98.0, "fail"), (30, None, "noData"), (40, 98.5, "fail"))
PLAIN = {"name": RATE, "thresholdRange": {"min": 99}}
