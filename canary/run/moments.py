"""Moments as `.status` spells them: seconds since the epoch in, RFC 3339 in UTC out, and back."""

from datetime import UTC, datetime
from typing import Final

_EARLIEST_S: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST_S: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""A moment in another zone may be outside of what can be written in UTC."""


def read_time(text: str | None) -> float | None:
    """Read a moment, None where there is none.

    Raises:
        OverflowError, TypeError, ValueError: it is something else.
    """
    if not text:
        return None
    moment_s = datetime.fromisoformat(text).timestamp()
    if not _EARLIEST_S <= moment_s <= _LATEST_S:
        raise ValueError(f"found {text}; allowed: moments from year 1 to the end of year 9999 in UTC")
    return moment_s


def read_known_time(found: object) -> float | None:
    """Read a moment that people wrote or may have: None where it is none, or none that can be written again."""
    try:
        moment_s = read_time(found) if isinstance(found, str) else None
    except (OverflowError, ValueError):
        return None
    return moment_s if moment_s is not None and moment_s >= 0 else None


def write_time(moment_s: float | None) -> str | None:
    """Write to the millisecond: intervals of a second would be badly served by whole seconds.

    What time that was not watched has moved beyond the last moment that can be written stays at that.
    """
    if moment_s is None:
        return None
    return (
        datetime.fromtimestamp(min(moment_s, _LATEST_S), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def write_second(moment_s: float) -> str:
    """Write as Kubernetes' own `metav1.Time` does."""
    # Not strftime, whose years have as few digits as they can.
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
