"""Rules for the numbers that limit something: beyond their bounds the limit is switched off.

What was stored before there was such a rule runs on, with the bound in place of the number: see the properties of
`Canary` and `CanaryAnalysis`.
"""

from collections.abc import Iterator

from canary.api.bounds import (
    DAY_S,
    HOUR_S,
    MOST_CONSECUTIVE_FAILURES,
    MOST_DRAIN_S,
    MOST_INTERVAL_S,
    MOST_ITERATIONS,
    MOST_METRIC_INTERVAL_S,
    MOST_MIN_REQUESTS,
    MOST_PROGRESS_DEADLINE_S,
    MOST_ROUTE_RETRIES,
    MOST_ROUTE_TIMEOUT_S,
    MOST_STEP_S,
    MOST_THRESHOLD,
    MOST_UNOBSERVED_DEADLINE_S,
)
from canary.api.canary import Canary
from canary.api.duration import parse_duration_s
from canary.api.problems import Problem


def run_is_limited(canary: Canary) -> Iterator[Problem]:
    """Refuse numbers of a run that nobody can wait for."""
    yield from _at_most(
        "spec.progressDeadlineSeconds",
        canary.spec.progress_deadline_seconds,
        MOST_PROGRESS_DEADLINE_S,
        f" ({MOST_PROGRESS_DEADLINE_S // DAY_S} days)",
    )
    analysis, path = canary.analysis, canary.analysis_path
    if analysis is None:
        return
    interval_s = parse_duration_s(analysis.interval) if analysis.interval else 0
    if interval_s > MOST_INTERVAL_S:
        yield _beyond(f"{path}.interval", analysis.interval, f"at most {MOST_INTERVAL_S // HOUR_S}h")
    yield from _at_most(f"{path}.threshold", analysis.threshold, MOST_THRESHOLD, " failed checks")
    yield from _at_most(f"{path}.iterations", analysis.iterations, MOST_ITERATIONS)
    yield from _at_most(
        f"{path}.unobservedDeadlineSeconds",
        analysis.unobserved_deadline_seconds,
        MOST_UNOBSERVED_DEADLINE_S,
        f" ({MOST_UNOBSERVED_DEADLINE_S // DAY_S} days)",
    )
    yield from _at_most(
        f"{path}.drainSeconds", analysis.drain_seconds, MOST_DRAIN_S, f" ({MOST_DRAIN_S // HOUR_S} hours)"
    )
    times = {f"steps[{index}].duration": step.duration for index, step in enumerate(analysis.steps)}
    for field, duration in (times | {"bake": analysis.bake}).items():
        if duration and parse_duration_s(duration) > MOST_STEP_S:
            yield _beyond(f"{path}.{field}", duration, f"at most {MOST_STEP_S // HOUR_S}h")
    for index, metric in enumerate(analysis.metrics):
        if metric.interval_s > MOST_METRIC_INTERVAL_S:
            yield _beyond(
                f"{path}.metrics[{index}].interval", metric.interval, f"at most {MOST_METRIC_INTERVAL_S // HOUR_S}h"
            )
        yield from _at_most(f"{path}.metrics[{index}].minRequests", metric.min_requests or 0, MOST_MIN_REQUESTS)
        yield from _at_most(
            f"{path}.metrics[{index}].consecutiveFailures",
            metric.consecutive_failures or 0,
            MOST_CONSECUTIVE_FAILURES,
            "; dryRun is for a check that decides nothing",
        )


def requests_are_limited(canary: Canary) -> Iterator[Problem]:
    """Refuse tries and times of a request that Envoy does not take, or that come to no limit."""
    service, retries = canary.spec.service, canary.spec.service.retries
    durations = [("timeout", service.timeout, service.timeout_s)]
    if retries is not None:
        durations.append(("retries.perTryTimeout", retries.per_try_timeout, retries.per_try_timeout_s))
        yield from _at_most("spec.service.retries.attempts", retries.attempts, MOST_ROUTE_RETRIES, " tries")
    for field, written, duration_s in durations:
        if duration_s is not None and duration_s > MOST_ROUTE_TIMEOUT_S:
            yield _beyond(f"spec.service.{field}", written, f"at most {MOST_ROUTE_TIMEOUT_S // HOUR_S}h")


def _at_most(path: str, found: int, most: int, unit: str = "") -> Iterator[Problem]:
    if found > most:
        yield _beyond(path, found, f"at most {most}{unit}")


def _beyond(path: str, found: object, allowed: str) -> Problem:
    return Problem(path, found, allowed, spares_stored=True)


RUN_NUMBER_RULES = (run_is_limited, requests_are_limited)
