"""A timetable as lines for people, or as JSON's values for programs."""

from collections.abc import Iterator
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.duration import format_duration
from cli.plan.rehearsal import Moment
from cli.plan.timetable import Rollback, Timetable
from cli.terminal import Line

_MOST_SHOWN: Final = 40
_STRATEGIES: Final = {
    "canary": "weights",
    "canary-by-match": "weights, of the requests that match",
    "blue-green": "blue/green",
    "ab-testing": "A/B test",
}
_NEVER: Final = "never"


def as_lines(canary: Canary, found: Timetable) -> Iterator[Line]:
    """Return a heading, a line for each moment, and the two times that people ask for."""
    yield [(f"Canary {canary.namespace}/{canary.name}", "bold"), (f": {_describe(canary, found)}", "")]
    yield ""
    yield [(f"  {'AFTER':<9}{'CANARY':<9}WHAT", "dim")]
    shown = list(_rows(canary, found.moments))
    half = _MOST_SHOWN // 2
    yield from shown if len(shown) <= _MOST_SHOWN else shown[:half]
    if len(shown) > _MOST_SHOWN:
        yield f"  ...      {len(shown) - _MOST_SHOWN} more"
        yield from shown[-half:]
    yield ""
    yield from _times(found)
    if canary.spec.suspend:
        yield "It is suspended: nothing of this begins before spec.suspend is false."


def as_value(canary: Canary, found: Timetable) -> dict[str, Any]:
    """Return the same as JSON has it; durations in seconds, null for what never comes."""
    return {
        "namespace": canary.namespace,
        "name": canary.name,
        "strategy": canary.strategy,
        "steps": found.steps,
        "moments": [
            {
                "afterSeconds": moment.at_s,
                "phase": str(moment.phase),
                "canaryPercent": moment.traffic.canary_percent,
                "mirrorPercent": moment.traffic.mirror_percent,
                "messages": list(moment.texts),
                **({"step": moment.number} if moment.number else {}),
            }
            for moment in found.moments
        ],
        "shortestPromotionSeconds": found.promoted_s,
        "rollbacks": [
            {
                "if": rollback.trouble,
                "limit": rollback.field,
                "afterSeconds": rollback.after_s,
                "latestSeconds": rollback.latest_s,
            }
            for rollback in found.rollbacks
        ],
        "gates": list(found.gates),
        "pauses": list(found.pauses),
    }


def _describe(canary: Canary, found: Timetable) -> str:
    if canary.is_analysis_skipped:
        return "no analysis; a new revision is promoted as soon as its pods are ready"
    steps = "1 step" if found.steps == 1 else f"{found.steps} steps"
    return f"{_STRATEGIES[canary.strategy]}, {steps}, checks each {_duration(canary.interval_s)}"


def _rows(canary: Canary, moments: tuple[Moment, ...]) -> Iterator[Line]:
    for moment in moments:
        traffic = moment.traffic
        split = f"{traffic.canary_percent}%"
        if traffic.mirror_percent:
            split = f"{traffic.mirror_percent}% copy"
        after = _duration(moment.at_s)
        *others, last = moment.texts or (str(moment.phase),)
        for text in (*others, f"{last}{_time_of(canary, moment)}"):
            yield f"  {after:<8} {split:<9}{text}"
            after = split = ""


def _time_of(canary: Canary, moment: Moment) -> str:
    """Return how long one of `analysis.steps` lasts, empty for anything else and for one of an interval."""
    if not moment.is_step or not moment.number or canary.analysis is None:
        return ""
    step = canary.analysis.steps[moment.number - 1]
    if step.is_pause:
        return ", until somebody resumes it"
    return f", for {_duration(step.duration_s)}" if step.duration_s else ""


def _times(found: Timetable) -> Iterator[Line]:
    promoted = "more than this can count" if found.promoted_s is None else _duration(found.promoted_s)
    yield [("Shortest time to promotion: ", ""), (promoted, "bold green")]
    if found.gates:
        yield f"  and for as long as a gate is shut: {', '.join(found.gates)}"
    if found.pauses:
        yield f"  and for as long as nobody resumes it: {', '.join(f'step {number}' for number in found.pauses)}"
    ends = [rollback.after_s for rollback in found.rollbacks]
    known = [end for end in ends if end is not None]
    longest = _duration(max(known)) if known else _NEVER
    yield [("Longest time to rollback: ", ""), (longest, "bold red")]
    yield from map(_rollback, found.rollbacks)
    if len(found.rollbacks) == 1:
        yield "  Nothing is checked, so no check rolls it back."


def _rollback(rollback: Rollback) -> str:
    if rollback.after_s is None:
        return f"  {_NEVER:<9}if {rollback.trouble} ({rollback.field})"
    latest = "" if rollback.latest_s is None else f", {_duration(rollback.latest_s)} after the start at the latest"
    return f"  {_duration(rollback.after_s):<9}if {rollback.trouble} ({rollback.field}){latest}"


def _duration(seconds: float) -> str:
    """Return `1m30s`, and `10m` for what Go prints as `10m0s`."""
    text = format_duration(round(seconds, 1))
    for zero in ("m0s", "h0m"):
        text = text.removesuffix(zero) + zero[0] if text.endswith(zero) else text
    return text
