"""Durations in Go's syntax (`1m30s`, `500ms`), the one that Kubernetes users write."""

import re
from decimal import Decimal

from canary.api.bounds import MOST_DURATION_CHARS

_NS_PER_UNIT = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter: Go reads both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_NS_PER_S = _NS_PER_UNIT["s"]
_MAX_NS = (1 << 63) - 1  # Go keeps nanoseconds in an int64

_PART = re.compile(rf"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)({'|'.join(_NS_PER_UNIT)})")
_WINDOW = re.compile(r"([0-9]+)(?:(s)ec(?:onds?|s)?|(m)in(?:utes?|s)?)")
_DURATION = re.compile(rf"([-+]?)((?:{_PART.pattern})+)")


def parse_duration_s(text: str) -> float:
    """Return the seconds of a Go duration, as time.ParseDuration reads it. Raises ValueError for anything else."""
    if text in {"0", "+0", "-0"}:
        return 0.0
    match = _DURATION.fullmatch(text) if len(text) <= MOST_DURATION_CHARS else None
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 30s or 1m30s")
    sign, parts = match.group(1), match.group(2)
    ns = sum(int(Decimal(number) * _NS_PER_UNIT[unit]) for number, unit in _PART.findall(parts))
    if ns > _MAX_NS:
        raise ValueError(f"{text!r} is longer than the longest duration, about 292 years")
    return (-ns if sign == "-" else ns) / _NS_PER_S


def window_in_gos_words(text: str) -> str:
    """Return a metric's interval as Go writes durations. It may have Graphite's words for units: `1min`, `30sec`.

    Flagger's CRD takes whatever begins like a duration, and its own example for Graphite has `1min`.
    """
    match = _WINDOW.fullmatch(text) if len(text) <= MOST_DURATION_CHARS else None
    return text if match is None else f"{match[1]}{match[2] or match[3]}"


def format_duration(seconds: float) -> str:
    """Return the duration as Go prints it: `1m30s`, `1m0s`, `500ms`, `0s`."""
    ns = round(abs(seconds) * _NS_PER_S)
    sign = "-" if seconds < 0 and ns else ""
    if ns == 0:
        return "0s"
    for unit, limit_ns in (("ns", 1_000), ("µs", 1_000_000), ("ms", _NS_PER_S)):
        if ns < limit_ns:
            return f"{sign}{_decimal(ns, _NS_PER_UNIT[unit])}{unit}"
    minutes, rest_ns = divmod(ns, _NS_PER_UNIT["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest_ns, _NS_PER_S)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return sign + text


def _decimal(ns: int, unit_ns: int) -> str:
    whole, rest = divmod(ns, unit_ns)
    digits = len(str(unit_ns)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
