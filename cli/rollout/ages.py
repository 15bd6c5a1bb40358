"""Times as people read them: how long ago, how long still."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_TWO_UNITS_BELOW: Final = 10


def span(seconds: float) -> str:
    """Return a span as kubectl does: in one unit, with the next smaller one where it is few: `9m5s`, `34m`."""
    rest = max(0, round(seconds))
    for place, (unit, size_s) in enumerate(_UNITS):
        whole, left = divmod(rest, size_s)
        if not whole:
            continue
        if whole >= _TWO_UNITS_BELOW or place == len(_UNITS) - 1:
            return f"{whole}{unit}"
        smaller, smaller_s = _UNITS[place + 1]
        part = left // smaller_s
        return f"{whole}{unit}{part}{smaller}" if part else f"{whole}{unit}"
    return "0s"


def ago(moment_s: float | None, now_s: float) -> str:
    """Return the age of a moment, `-` where none is known."""
    return "-" if moment_s is None else span(now_s - moment_s)


def moment(moment_s: float | None) -> str:
    """Return a moment to the second, in UTC."""
    return "-" if moment_s is None else datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
