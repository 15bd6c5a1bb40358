"""Evidence as the status keeps it: JSON of numbers, and back. What can't be read begins anew."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from canary.judgement.counts import Failures
from canary.judgement.dispersion import Bins, Dispersion, Learned
from canary.judgement.evalues import NO_GAINS, NO_LOSSES
from canary.judgement.scrapes import MOST_PROCESSES, Memory, SeenProcess
from canary.judgement.state import Aside, BoundState, EvidenceState, StepState

_MOST: Final = 1e15
"""Larger numbers are not ours: sums of them might come to no number at all."""


def write_evidence(state: EvidenceState) -> dict[str, Any]:
    """Return the state for the status; `read_evidence` gives exactly the same state again."""
    step = [state.step_percent, state.step_number, state.step_requests]
    return {
        "counted": state.counted,
        "ratio": state.ratio,
        **({} if state.began_at_s is None else {"beganAt": state.began_at_s}),
        "requests": [state.canary_requests, state.primary_requests],
        **({} if state.step_percent is None else {"step": step}),
        **({} if state.learned_until_s is None else {"learnedUntil": state.learned_until_s}),
        "bounds": [_write_bound(bound) for bound in state.bounds],
    }


def read_evidence(found: object) -> EvidenceState | None:
    """Return the state that the status keeps, None where it is not one of ours."""
    if not isinstance(found, Mapping):
        return None
    try:
        canary_requests, primary_requests = _counts(found["requests"], 2)
        (ratio,) = _counts([found["ratio"]], 1)
        percent, number, step_requests = _counts(found["step"], 3) if "step" in found else (-1.0, 1.0, 0.0)
        return EvidenceState(
            counted=str(found["counted"]),
            ratio=ratio,
            bounds=tuple(_read_bound(bound) for bound in found["bounds"]),
            began_at_s=_moment(found, "beganAt"),
            canary_requests=canary_requests,
            primary_requests=primary_requests,
            step_percent=percent if percent >= 0 else None,
            step_number=max(int(number), 1),
            step_requests=step_requests,
            learned_until_s=_moment(found, "learnedUntil"),
        )
    except (LookupError, TypeError, ValueError):
        return None


def _moment(found: Mapping[str, Any], name: str) -> float | None:
    return _counts([found[name]], 1)[0] if name in found else None


def _write_bound(bound: BoundState) -> dict[str, Any]:
    bursts = bound.bursts
    return {
        "failures": [*bound.canary, *bound.primary],
        "alone": list(bound.alone),
        "worse": list(bound.worse),
        "notWorse": list(bound.not_worse),
        "bursts": [list(bins) for bins in bursts.now.scales],
        **({} if bursts.calm is None else {"calm": _write_calm(bursts.calm, bursts.bad, bursts.failed)}),
        "aside": [*bound.aside, float(bound.is_common)],
        "step": [*bound.step.canary, *bound.step.alone, *bound.step.aside],
        "stepWorse": list(bound.step.worse),
    }


def _read_bound(found: Any) -> BoundState:
    surely, perhaps, surely_there, perhaps_there = _counts(found["failures"], 4)
    failed_alone, alone = _counts(found["alone"], 2)
    step_surely, step_perhaps, step_failed_alone, step_alone, *step_aside = _counts(found["step"], 7)
    *aside, is_common = _counts(found["aside"], 4)
    return BoundState(
        canary=Failures(surely, perhaps),
        primary=Failures(surely_there, perhaps_there),
        alone=(failed_alone, alone),
        aside=Aside(*aside),
        is_common=bool(is_common),
        worse=_numbers(found["worse"], len(NO_LOSSES)),
        not_worse=_numbers(found["notWorse"], len(NO_GAINS)),
        bursts=Learned(_read_bins(found["bursts"]), *_read_calm(found.get("calm"))),
        step=StepState(
            canary=Failures(step_surely, step_perhaps),
            alone=(step_failed_alone, step_alone),
            aside=Aside(*step_aside),
            worse=_numbers(found["stepWorse"], len(NO_LOSSES)),
        ),
    )


def _write_calm(calm: Dispersion, bad: int, failed: float) -> list[Any]:
    return [bad, failed, *(list(bins) for bins in calm.scales)]


def _read_calm(found: Any) -> tuple[Dispersion | None, int, float]:
    if found is None:
        return None, 0, 0.0
    bad, failed = _counts(found[:2], 2)
    return _read_bins(found[2:]), int(bad), failed


def _read_bins(found: Any) -> Dispersion:
    return Dispersion(tuple(Bins(*_counts(bins)) for bins in found))


def _counts(found: Any, number: int | None = None) -> tuple[float, ...]:
    read = _numbers(found, number)
    if any(value < 0 for value in read):
        raise ValueError("a count below zero")
    return read


def _numbers(found: Any, number: int | None = None) -> tuple[float, ...]:
    if not isinstance(found, Sequence) or isinstance(found, str) or (number is not None and len(found) != number):
        raise ValueError("not so many numbers")
    read = tuple(float(value) for value in found)
    if not all(math.isfinite(value) and abs(value) <= _MOST for value in read):
        raise ValueError("not a number of ours")
    return read


def write_memory(memory: Memory) -> dict[str, Any]:
    """Return what was read last for the status: for each process its time, and the values of its units."""
    processes = {
        key: [seen.at_s, {unit: list(values) for unit, values in seen.values.items()}]
        for key, seen in memory.processes.items()
    }
    return {"counted": memory.key, "processes": processes}


def read_memory(found: object) -> Memory:
    """Return what the status remembers, nothing where that is not ours: then counting begins with the next scrape."""
    if not isinstance(found, Mapping):
        return Memory()
    try:
        processes = {str(key): _read_process(seen) for key, seen in found["processes"].items()}
        return Memory(str(found["counted"]), processes) if len(processes) <= MOST_PROCESSES else Memory()
    except (AttributeError, LookupError, TypeError, ValueError):
        return Memory()


def _read_process(found: Any) -> SeenProcess:
    at_s, values = found
    (at_s,) = _counts([at_s], 1)
    return SeenProcess(at_s, {str(unit): _counts(each) for unit, each in values.items()})
