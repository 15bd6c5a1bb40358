"""The events of each act, in their order: what the guide shows, and what Serin writes.

The guide was written for Flagger 1.5 and has its wording; Serin writes that of Flagger 1.44, and more than the guide
shows. `FROM_GUIDE` are the guide's own listings at the demo's pace, `EXPECTED` whole sequences, in which an event that
is not declared is a failure.
"""

import re
from collections.abc import Mapping, Sequence

_WEIGHTS = (10, 20, 30, 40, 50)
_MIDWAY_PERCENT = 20

_STARTING = "Starting canary deployment for podinfo.test"
_FAILED = "Canary failed! Scaling down podinfo.test"
_PROMOTED = "Promotion completed! Scaling down podinfo.test"
FROM_GUIDE: Mapping[str, Sequence[str]] = {
    "promotion": (
        "New revision detected podinfo.test",
        "Scaling up podinfo.test",
        "Waiting for podinfo.test rollout to finish: 0 of 1 updated replicas are available",
        *(f"Advance podinfo.test canary weight {weight}" for weight in _WEIGHTS),
        "Copying podinfo.test template spec to podinfo-primary.test",
        "Waiting for podinfo-primary.test rollout to finish: 1 of 2 updated replicas are available",
        _PROMOTED,
    ),
    "rollback-500": (
        _STARTING,
        *(f"Advance podinfo.test canary weight {weight}" for weight in _WEIGHTS[:2]),
        *(f"Halt podinfo.test advancement success rate {rate}% < 99%" for rate in (69.17, 61.39, 55.06, 47.0, 38.08)),
        "Rolling back podinfo.test failed checks threshold reached 10",
        _FAILED,
    ),
    "rollback-404": (
        _STARTING,
        *(f"Advance podinfo.test canary weight {weight}" for weight in _WEIGHTS[:2]),
        *(f"Halt podinfo.test advancement 404s percentage {value} > 5" for value in (6.2, 6.45, 7.6, 8.69, 9.7)),
        "Rolling back podinfo.test failed checks threshold reached 5",
        _FAILED,
    ),
}
# Where today's text differs: the guide's line as a pattern, and the pattern of the event that stands for it. Two lines
# of the guide may have become one. None: whether it is written depends on whether somebody looks at that moment.
_TODAY: Mapping[str, str | None] = {
    r"New revision detected podinfo\.test": r"New revision detected! Scaling up podinfo\.test: .+",
    r"Scaling up podinfo\.test": r"New revision detected! Scaling up podinfo\.test: .+",
    r"Waiting for .+": None,
    r"Starting canary deployment for podinfo\.test": r"Starting canary analysis for podinfo\.test",
    r"(Halt podinfo\.test advancement .+) [\d.]+(% < 99%| > 5)": r"\1 [\\d.]+\2",
    r"Rolling back podinfo\.test failed checks threshold reached 10": r"Rolling back .+ reached 5",  # a slip: it has 5
}


def in_todays_words(line: str) -> str | None:
    """Return the pattern of the event that stands for a line of the guide; None if it need not come."""
    for pattern, today in _TODAY.items():
        if match := re.fullmatch(pattern, line):
            return None if today is None else match.expand(today)
    return re.escape(line)


def first_missing(guide: Sequence[str], seen: Sequence[str]) -> str | None:
    """Return the first line of the guide that has no event behind that of the line before it, None if all have."""
    at = 0
    for line in guide:
        pattern = in_todays_words(line)
        if pattern is None:
            continue
        # From `at` itself: one event may stand for two lines.
        found = next((number for number in range(at, len(seen)) if re.fullmatch(pattern, seen[number])), None)
        if found is None:
            return line
        at = found if line.startswith("New revision") else found + 1
    return None


def follows(expected: str, seen: Sequence[str]) -> bool:
    """Return whether the events are the expected sequence, from its first to its last."""
    return re.fullmatch(expected, "".join(f"{text}\n" for text in seen)) is not None


def _event(pattern: str, times: str = "") -> str:
    return f"(?:{pattern}\n){times}"


_ANY_NUMBER, _AT_MOST_ONCE = "*", "?"
_PROVENANCE = r"podinfod image 3\.1\.\d -> 3\.1\.\d, applied by admin"
# How often these are written depends on timing; the values are there once Prometheus has scraped the first requests.
_CANARY_WAITS = _event(r"canary deployment podinfo\.test not ready: waiting for rollout to finish: .+", _ANY_NUMBER)
_PRIMARY_WAITS = _event(r"podinfo-primary\.test not ready: waiting for rollout to finish: .+", _ANY_NUMBER)
_NO_VALUES = _event(
    r"Halt advancement no values found for gloo metric .+ probably podinfo\.test is not receiving traffic", _ANY_NUMBER
)
_DETECTED = _event(rf"New revision detected! Scaling up podinfo\.test: {_PROVENANCE}")


def _analysis(weights: Sequence[int], maybe: Sequence[int] = ()) -> str:
    """The weights in `maybe` come or not: something is done to the run meanwhile."""
    begin = _CANARY_WAITS + _event(r"Starting canary analysis for podinfo\.test")
    begin += _event("Pre-rollout check acceptance-test passed")
    steps = [(weight, "") for weight in weights] + [(weight, _AT_MOST_ONCE) for weight in maybe]
    return begin + "".join(
        _event(rf"Advance podinfo\.test canary weight {weight}", times) + _NO_VALUES for weight, times in steps
    )


_COPIED = (
    _event(r"Copying podinfo\.test template spec to podinfo-primary\.test")
    + _PRIMARY_WAITS
    + _event("Routing all traffic to primary")
)
_END_OF_PROMOTION = _COPIED + _event(re.escape(_PROMOTED))
_PROMOTION = _DETECTED + _analysis(_WEIGHTS) + _END_OF_PROMOTION


def _rollback(halt: str, from_percent: int) -> str:
    sure = [weight for weight in _WEIGHTS if weight <= from_percent]
    halts = (_event(rf"Halt podinfo\.test advancement {halt}") + _NO_VALUES) * 5
    end = _event(r"Rolling back podinfo\.test failed checks threshold reached 5") + _event(re.escape(_FAILED))
    return _DETECTED + _analysis(sure, _WEIGHTS[len(sure) :]) + halts + end


# How far the run has come when it is asked to promote depends on timing.
_UNDONE = (
    _DETECTED
    + _CANARY_WAITS
    + _event(r"Starting canary analysis for podinfo\.test", _AT_MOST_ONCE)
    + _event("Pre-rollout check acceptance-test passed", _AT_MOST_ONCE)
    + _event(r"Advance podinfo\.test canary weight 10", _AT_MOST_ONCE)
    + _NO_VALUES
    + _event(r"Promoting podinfo\.test without the rest of its analysis, by request of admin")
    + _CANARY_WAITS
    + _COPIED
    + _event(r"Promotion completed! Canary analysis was skipped for podinfo\.test")
)
EXPECTED: Mapping[str, str] = {
    "bootstrap": _PRIMARY_WAITS + _event(r"Initialization done! podinfo\.test"),
    "promotion": _PROMOTION,
    "restart": _DETECTED
    + _analysis(_WEIGHTS[:2], _WEIGHTS[2:])
    + _event(rf"New revision detected! Restarting analysis for podinfo\.test: {_PROVENANCE}")
    + _analysis(_WEIGHTS)
    + _END_OF_PROMOTION,
    "rollback-500": _rollback(r"success rate [\d.]+% < 99%", _MIDWAY_PERCENT),
    "rollback-latency": _rollback(r"request duration [\d.]+m?s > 500ms", _WEIGHTS[0]),
    "rollback-404": _rollback(r"404s percentage [\d.]+ > 5", _MIDWAY_PERCENT),
    "agent-killed": _PROMOTION,
    "broken-neighbour": _PROMOTION,
    "undone": _UNDONE,
    "refused": "",
}
